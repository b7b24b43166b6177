"""A model directory becomes files that answer alike elsewhere, each proven by its golden pictures before it is kept."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from headstart.backbones import graph
from headstart.deploy.directory import find_model
from headstart.deploy.manifest import KEY, Manifest, manifest_of
from headstart.deploy.model import Model
from headstart.deploy.onnx_graph import PRODUCER, rows_of, whole_graph
from headstart.deploy.onnx_nodes import OPSET, import_onnx
from headstart.deploy.portable import Portable, of_onnx, open_openvino
from headstart.deploy.verify import Agreement, golden_agreement
from headstart.errors import ModelError


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A model as one ONNX file, and how it was proven."""

    content: bytes
    """Of the file."""
    manifest: Manifest
    golden: Agreement
    """Of the file's answers with those of the model in float32."""


def to_onnx(run: Path) -> Exported:
    """The model of ``run`` as an ONNX file that gives its golden answers in ONNX Runtime.

    Args:
        run: a run or model folder.

    Raises:
        ModelError: as `Model.load` and `headstart.backbones.exported.network_to_onnx`; or the file does not answer as
            the model does.
        MissingPackageError: onnx or onnxruntime is not installed.
    """
    import_onnx()
    folder = find_model(run)
    model = Model.load(folder, precision="f32")
    from headstart.backbones.exported import network_to_onnx

    network = network_to_onnx(folder, rows_of(model), opset=OPSET)
    manifest = manifest_of(model, folder, precision="f32")
    content = whole_graph(model, network, manifest).SerializeToString()
    golden = golden_agreement(of_onnx(content, manifest, f"the export of {folder}"))
    _require_golden(golden, f"the export of {folder}")
    return Exported(content=content, manifest=manifest, golden=golden)


def in_onnx(exported: Exported) -> Portable:
    """What was exported, opened in ONNX Runtime."""
    return of_onnx(exported.content, exported.manifest, "the export")


def in_openvino(exported: Exported) -> Portable:
    """The same, converted for OpenVINO and opened there. Raises as `write_openvino`."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        xml = Path(scratch) / "model.xml"
        _convert(exported, xml)
        return open_openvino(xml)


def write_openvino(exported: Exported, path: Path) -> list[Path]:
    """Write the graph of an ONNX file as one of OpenVINO, a pair of files; their paths.

    Args:
        exported: from `to_onnx`.
        path: of the file that ends in .xml; that of the numbers lies beside it and ends in .bin.

    Raises:
        ModelError: OpenVINO cannot convert it, or then gives other answers.
        MissingPackageError: openvino is not installed.
    """
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as scratch:
        xml = Path(scratch) / path.name
        _convert(exported, xml)
        _require_golden(golden_agreement(open_openvino(xml)), str(path))
        numbers = path.with_suffix(".bin")
        xml.with_suffix(".bin").replace(numbers)
        xml.replace(path)
    return [path, numbers]


def _convert(exported: Exported, xml: Path) -> None:
    """Write the pair of files that ``xml`` names, unproven."""
    openvino = graph.import_openvino()
    source = xml.with_suffix(".onnx")
    source.write_bytes(exported.content)
    try:
        # not by `convert_model`, which widens numbers of fewer bits again, and rounds those of 8 bits otherwise
        model = openvino.Core().read_model(source)
        model.set_friendly_name(PRODUCER)
        model.set_rt_info(exported.manifest.to_json(), [KEY])
        openvino.save_model(model, xml, compress_to_fp16=False)
    except RuntimeError as error:
        found = (str(error).strip() or type(error).__name__).splitlines()[-1]
        todo = "export to onnx, which OpenVINO reads too"
        raise ModelError.of("the export", expected="a graph of OpenVINO", found=found, todo=todo) from error


def _require_golden(golden: Agreement, what: str) -> None:
    if not golden.holds:
        expected = f"the answers of the model for its golden pictures, within {golden.tolerance}"
        found = f"{golden.farthest} differs by {golden.largest:.4f}"
        todo = "use the model folder itself, or another backbone"
        raise ModelError.of(f"{what} does not answer as the model does", expected=expected, found=found, todo=todo)
