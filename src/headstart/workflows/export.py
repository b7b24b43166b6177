"""Let a model leave its directory: files that answer alike elsewhere, written only where they are proven."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args

from headstart.deploy import export as formats
from headstart.deploy.directory import find_model
from headstart.deploy.manifest import Precision
from headstart.deploy.onnx_graph import PRODUCER
from headstart.deploy.verify import Agreement
from headstart.errors import OptionError
from headstart.files import display, plain, write_bytes
from headstart.output_folder import check_files, default_name
from headstart.progress import Progress, Silent
from headstart.workflows.export_smaller import Beside, in_fewer_bits

Format = Literal["onnx", "openvino", "web", "hub"]
ENDINGS: Mapping[str, str] = {"onnx": ".onnx", "openvino": ".xml", "web": "-web", "hub": "-hub"}
"""Of the file or folder that is written, by format."""


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What was written, and how it was proven."""

    to: str
    path: Path
    files: Mapping[str, int]
    """Bytes of each file, by path."""
    golden: Agreement
    """Of its answers with those of the model in float32, for the golden pictures."""
    beside: Beside | None
    """What fewer bits cost; None in float32."""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return plain(self)


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """How a model is written."""

    runtime: Path | None = None
    """The folder of onnxruntime-web, for ``web``."""
    precision: str = "f32"
    """Of the network: f32; fp16, kept in half precision; int8, computed in 8 bits."""
    photos: str | Path | None = None
    """Labelled pictures that fewer bits are held against; those of the run by default."""


AS_IT_IS = ExportOptions()


def export(
    run: Path,
    to: str,
    out: Path | None = None,
    options: ExportOptions = AS_IT_IS,
    *,
    progress: Progress | None = None,
) -> Exported:
    """Write the model of ``run`` in another format.

    Args:
        run: a run or model folder.
        to: one of `Format`.
        out: the file or folder to write; by default one with the name of the run in the working directory.
        options: how.
        progress: told how far it is.

    Raises:
        OptionError: another format or precision; ``out`` has another ending than the format, cannot be written, or is
            there and was not exported before; no runtime; fewer bits without labelled pictures to hold them against.
        ModelError: fewer bits cost accuracy on pictures held out of training.
        ModelError, MissingPackageError: as `headstart.deploy.export.to_onnx`.
    """
    for option, value, kinds in (("--to", to, Format), ("--precision", options.precision, Precision)):
        if value not in get_args(kinds):
            expected = f"one of {', '.join(get_args(kinds))}"
            raise OptionError.of(option, expected=expected, found=repr(value), todo="choose one of them")
    name = run_name(run)
    path = out or Path(f"{name}{ENDINGS[to]}")
    if (ending := ENDINGS[to]).startswith(".") and path.suffix != ending:  # by which runtimes tell what a file is
        expected, todo = f"a file whose name ends in {ending}", f"-o {display(path)}{ending}"
        raise OptionError.of("where to write", expected=expected, found=f"-o {display(path)}", todo=todo)
    write = {"onnx": _onnx, "openvino": _openvino, "web": _web, "hub": _hub}[to](run, path, name, options.runtime)
    progress = progress or Silent()
    with progress.stage("writing the model as one graph, and proving it", None):
        exported, beside = formats.to_onnx(run), None
    if options.precision != "f32":
        opened = formats.in_openvino if to == "openvino" else formats.in_onnx
        precision = cast("Precision", options.precision)
        exported, beside = in_fewer_bits(exported, precision, run, options.photos, opened, progress=progress)
    with progress.stage(f"writing {display(path.name)}", None):
        written = write(exported)
    files = {str(file): file.stat().st_size for file in written}
    return Exported(to=to, path=path, files=files, golden=exported.golden, beside=beside)


Write = Callable[[formats.Exported], list[Path]]
"""Writes what was exported; the paths of the files."""


def _onnx(run: Path, path: Path, name: str, runtime: Path | None) -> Write:
    """What will write the file, once it is seen that it can be; so are the others."""
    check_files({"-o": path}, {"-o": PRODUCER})

    def write(exported: formats.Exported) -> list[Path]:
        write_bytes(path, exported.content)
        return [path]

    return write


def _openvino(run: Path, path: Path, name: str, runtime: Path | None) -> Write:
    check_files({"-o": path}, {"-o": PRODUCER})
    numbers = path.with_suffix(".bin")  # beside a graph of ours they are ours too; nothing in them says whose they are
    if numbers.exists() and not path.exists():
        expected, found = "a new file, or one that -o wrote", f"{display(numbers)}, which may be something else"
        raise OptionError.of("where to write", expected=expected, found=found, todo="choose another name with -o")
    return lambda exported: formats.write_openvino(exported, path)


def _web(run: Path, path: Path, name: str, runtime: Path | None) -> Write:
    from headstart.workflows import export_web

    export_web.refuse(path)
    place = export_web.find_runtime(runtime)
    return lambda exported: export_web.write(exported, path, place, name)


def _hub(run: Path, path: Path, name: str, runtime: Path | None) -> Write:
    from headstart.workflows import export_hub

    export_hub.refuse(path)
    export_hub.read_figures(run)  # a run that is damaged is refused before any work
    return lambda exported: export_hub.write(exported, run, path, name)


def run_name(run: Path) -> str:
    """The name of the run, or that of a model folder which is not called ``model``."""
    folder = find_model(run).absolute()
    return default_name(folder.parent if folder.name == "model" else folder)
