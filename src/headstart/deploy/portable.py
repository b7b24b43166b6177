"""A model that has left its directory: one file that a runtime of its own answers with, from pixels to answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.arrays import Pixels
from headstart.backbones import graph, graph_file
from headstart.deploy import onnx_file
from headstart.deploy.manifest import COPY, KEY, Manifest
from headstart.deploy.model import Prediction
from headstart.deploy.onnx_graph import INPUT, OUTPUTS, WIDE
from headstart.deploy.onnx_nodes import import_onnxruntime
from headstart.errors import MissingPackageError, ModelError
from headstart.untrusted import bounded_memory, file_in

Run = Callable[[Pixels], Mapping[str, NDArray[Any]]]
"""The graph's outputs by name, of pixels (n, h, w, 3)."""


@dataclass(frozen=True, kw_only=True)
class Portable:
    """An exported file, ready to answer."""

    runtime: str
    """What runs it: ``onnxruntime`` or ``openvino``, and its version."""
    manifest: Manifest
    bytes: int
    """Of its file, or of both."""
    run: Run

    def answers(self, pictures: Iterable[Pixels]) -> Iterator[Prediction]:
        """A Prediction for each of ``pictures`` (h, w, 3), in order; without prediction sets, and without costs."""
        learned = self.manifest
        for position, pixels in enumerate(pictures):
            found = {name: value[0] for name, value in self._checked(self.run(pixels[None])).items()}
            yield Prediction(
                position=position,
                proba=found["probabilities"].astype(np.float64),
                novelty=None if learned.unfamiliar_above is None else float(found["novelty"]),
                unsure=None if learned.sure_from is None else bool(found["unsure"]),
                unfamiliar=None if learned.unfamiliar_above is None else bool(found["unfamiliar"]),
            )

    def _checked(self, answered: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        """The outputs as they are; raises ModelError for other shapes than those of one picture."""
        wide = (1, len(self.manifest.classes))
        shapes = {name: value.shape for name, value in answered.items()}
        if shapes != (expected := {name: wide if name in WIDE else (1,) for name in OUTPUTS}):
            what, found = "an exported file gives other outputs than a model", str(shapes)
            raise ModelError.of(what, expected=str(expected), found=found, todo=COPY)
        return answered


def open_onnx(path: Path) -> Portable:
    """The file in ONNX Runtime, on the CPU.

    Raises:
        ModelError: it is none of ours, is damaged, or holds what no model needs; see `onnx_file.read`.
        MissingPackageError: onnx or onnxruntime is not installed.
    """
    content, manifest = onnx_file.read(path)
    return of_onnx(content, manifest, str(path))


def of_onnx(content: bytes, manifest: Manifest, what: str) -> Portable:
    """The same of an ONNX file's bytes that were looked at; ``what`` is for the error."""
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what is wrong is raised, and said once
    try:
        with bounded_memory(len(content)):
            session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the library raises its own kinds
        raise _unusable(what, error) from error

    def run(pixels: Pixels) -> Mapping[str, NDArray[Any]]:
        try:
            with bounded_memory(len(content)):
                answered = session.run(list(OUTPUTS), {INPUT: pixels})
            return dict(zip(OUTPUTS, answered, strict=True))
        except Exception as error:
            raise _unusable(what, error) from error

    return Portable(runtime=f"onnxruntime {onnxruntime.__version__}", manifest=manifest, bytes=len(content), run=run)


def _unusable(what: str, error: Exception) -> ModelError:
    found = (str(error).strip() or type(error).__name__).splitlines()[-1]
    return ModelError.of(what, expected="a graph that can be run", found=found, todo=COPY)


def open_openvino(path: Path) -> Portable:
    """The pair of files ``path``, which ends in .xml, and .bin, in OpenVINO on the CPU in float32.

    Raises:
        ModelError: as `open_onnx`.
        MissingPackageError: openvino is not installed.
    """
    what = f"{path} is no model that headstart exported, or is damaged"
    if not graph.available():
        raise MissingPackageError("openvino", "an OpenVINO file", "pip install openvino")
    openvino = graph.import_openvino()
    try:
        xml = file_in(path.parent, path.name, most=graph_file.MOST_XML)
        numbers = file_in(path.parent, path.with_suffix(".bin").name)
        graph_file.check(xml, numbers)
        size = xml.stat().st_size + numbers.stat().st_size
        core = openvino.Core()
        read = core.read_model(xml)
        manifest = Manifest.from_json(read.get_rt_info([KEY]).astype(str), what)
        names = [value.get_any_name() for value in (*read.inputs, *read.outputs)]
        if names != [INPUT, *OUTPUTS]:
            raise ValueError("other inputs or outputs than a model has")
        with bounded_memory(size):
            compiled = core.compile_model(read, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    except (ValueError, RuntimeError, MemoryError) as error:  # RuntimeError: OpenVINO's own
        raise _unusable(what, error) from error

    def run(pixels: Pixels) -> Mapping[str, NDArray[Any]]:
        try:
            with bounded_memory(size):
                answered = compiled({INPUT: pixels})
            return {name: np.asarray(answered[name]) for name in OUTPUTS}
        except (ValueError, RuntimeError, MemoryError) as error:
            raise _unusable(what, error) from error

    return Portable(runtime=f"openvino {openvino.__version__}", manifest=manifest, bytes=size, run=run)
