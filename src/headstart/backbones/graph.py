"""A frozen network as an OpenVINO graph: converted once, kept on disk, opened and run without torch."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headstart.backbones import parity
from headstart.backbones.parity import Rows
from headstart.backbones.weights import sha256
from headstart.errors import ModelError, Problem, writing

if TYPE_CHECKING:
    from headstart.backbones.network import FrozenNetwork
    from headstart.backbones.split import FrozenPrefix
    from headstart.backbones.tuned import TunedNetwork

    Frozen = FrozenNetwork | FrozenPrefix | TunedNetwork

FORMAT = 1
DATA_FILES = ("graph.xml", "graph.bin", "reference.safetensors")
"""The graph, its tensors in float32, and torch's rows for `parity.pictures`, the graph's own proof."""


def available() -> bool:
    """Whether OpenVINO is installed."""
    return importlib.util.find_spec("openvino") is not None


def import_openvino() -> Any:
    """The ``openvino`` module, unable to report its use to anyone.

    OpenVINO reports imports and conversions through the package ``openvino_telemetry``, by default without
    asking, and does nothing where that package cannot be imported: so here it cannot.
    """
    telemetry = sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    if telemetry is not None:  # somebody imported OpenVINO before us: take its sender away
        telemetry.main.TelemetrySender.send = lambda *args, **kwargs: None
    import openvino

    return openvino


def computes_in_bf16() -> bool:
    """Whether this machine's CPU computes in bf16 itself; where it does not, asking for it gains nothing.

    OpenVINO knows; without it, no.
    """
    return available() and "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


@cache
def _core() -> Any:
    return import_openvino().Core()


def digest(description: Mapping[str, Any]) -> str:
    """A name for everything in ``description``: 32 hexadecimal digits."""
    return hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()[:32]


# ---------------------------------------------------------------- torch → folder


def convert(frozen: Frozen, identity: Mapping[str, Any], folder: Path) -> None:
    """Write ``frozen`` as a graph into ``folder``, which appears complete or not at all.

    Args:
        frozen: on the CPU, in float32.
        identity: everything that determines the values it computes, ``size`` among it.
        folder: made here; if another process makes it first, theirs stays.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    _sweep(folder.parent)
    unfinished = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=folder.parent))
    try:
        write(frozen, identity, unfinished)
        unfinished.chmod(0o755)
        unfinished.rename(folder)
    except OSError:
        if not folder.exists():
            raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def write(frozen: Frozen, identity: Mapping[str, Any], folder: Path) -> None:
    """Write the files of a graph into an existing folder."""
    import torch
    from safetensors.numpy import save_file

    openvino = import_openvino()
    size = int(identity["size"])
    example = torch.zeros(1, size, size, 3, dtype=torch.uint8)
    with _interruptions_wait(), torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing is deprecated in torch, but is how OpenVINO reads a module
        # Tracing again to compare would take as long as the rest; parity is measured on pictures instead.
        traced = torch.jit.trace(frozen, example, check_trace=False)  # type: ignore[no-untyped-call]
        model = openvino.convert_model(traced, example_input=example)
        # safetensors writes the memory as it lies: a slice of tokens must be made contiguous first.
        rows = [output.contiguous().numpy() for output in frozen(torch.from_numpy(parity.pictures(size)))]
    model.reshape([-1, size, size, 3])
    for name, output in zip(frozen.widths, model.outputs, strict=True):
        output.get_tensor().set_names({name})
    # The converter numbers what it makes by a counter of the process; the same network should be the same file.
    model.set_friendly_name("frozen")
    for number, operation in enumerate(model.get_ordered_ops()):
        operation.set_friendly_name(f"{operation.get_type_name()}_{number}")
    with writing(folder / "graph.xml") as file:
        openvino.save_model(model, file, compress_to_fp16=False)
    with writing(folder / "reference.safetensors") as file:
        save_file(dict(zip(frozen.widths, rows, strict=True)), file)
    for name in DATA_FILES:  # readable like any file, though safetensors writes for its owner only
        (folder / name).chmod(0o644)
    description = {
        "format": FORMAT,
        "identity": dict(identity),
        "widths": frozen.widths,
        "sha256": {name: sha256(folder / name) for name in DATA_FILES},
        "parity": {},
    }
    _write_json(folder / "graph.json", description)


@contextlib.contextmanager
def _interruptions_wait() -> Iterator[None]:
    """Keep Ctrl-C until the block is left: the converter would take it for an operation that it does not know."""
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler or threading.current_thread() is not threading.main_thread():
        yield  # ignored, as in the background of a shell, or the business of whoever calls
        return
    came: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came:
            raise KeyboardInterrupt


def _sweep(graphs: Path) -> None:
    """Remove what conversions left behind that were killed over an hour ago."""
    for left in graphs.glob(".unfinished-*"):
        if time.time() - left.stat().st_mtime > 3600:
            shutil.rmtree(left, ignore_errors=True)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Replace ``path`` in one step, so that a reader finds the old or the new, never a part."""
    unfinished = path.with_name(f".{path.name}-{os.getpid()}")
    unfinished.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    unfinished.replace(path)


# ---------------------------------------------------------------- folder → running


def describe(folder: Path) -> dict[str, Any]:
    """The description of the graph in ``folder``, its files checked against their hashes.

    Raises:
        ModelError: files missing or changed, or written by another version; all of them are listed.
    """
    todo = "make it again: save the model again, or clear the cache"
    try:
        description = json.loads((folder / "graph.json").read_text(encoding="utf-8"))
        found_format, hashes = description["format"], description["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        problem = Problem(expected="a readable graph.json", found=f"{type(error).__name__}: {error}", todo=todo)
        raise ModelError(f"graph {folder}", [problem]) from error
    if found_format != FORMAT:
        problem = Problem(expected=f"a graph of format {FORMAT}", found=f"format {found_format}", todo=todo)
        raise ModelError(f"graph {folder}", [problem])
    problems = []
    for name in DATA_FILES:
        found = sha256(folder / name) if (folder / name).is_file() else "no such file"
        if found != hashes[name]:
            problems.append(Problem(expected=f"{name} with sha256 {hashes[name]}", found=found, todo=todo))
    if problems:
        raise ModelError(f"graph {folder}", problems)
    return dict(description)


def compile_graph(
    folder: Path, *, batch: int, precision: str, remember: bool = False
) -> tuple[OpenVinoRuntime | None, tuple[str, ...]]:
    """The graph in ``folder``, compiled in the best precision that keeps parity, and notes on what was not.

    Args:
        folder: from `convert` or `OpenVinoRuntime.save`.
        batch: pictures computed together, at least 1.
        precision: ``auto`` for bf16 where the CPU has it, ``bf16``, or ``f32``.
        remember: write a parity measured here into the folder.
    """
    description = describe(folder)
    capable = computes_in_bf16()
    notes = [] if capable or precision != "bf16" else ["this CPU does not compute in bf16: f32 instead"]
    for candidate in ("bf16", "f32") if capable and precision != "f32" else ("f32",):
        runtime = OpenVinoRuntime(folder, description, batch=batch, precision=candidate, notes=tuple(notes))
        if remember and runtime.parity_key not in description["parity"]:
            description["parity"][runtime.parity_key] = runtime.parity
            with contextlib.suppress(OSError):  # a cache that others keep for us: measure again next time
                _write_json(folder / "graph.json", description)
        if runtime.parity >= parity.THRESHOLD:
            return runtime, runtime.notes
        notes.append(
            f"{runtime.name} strays from torch f32 (mean cosine {runtime.parity:.4f} < {parity.THRESHOLD}): not used"
        )
    return None, tuple(notes)


class OpenVinoRuntime:
    """A compiled graph; see `headstart.backbones.runtime.Runtime`."""

    def __init__(
        self, folder: Path, description: Mapping[str, Any], *, batch: int, precision: str, notes: tuple[str, ...]
    ) -> None:
        version = import_openvino().__version__
        self.name = f"openvino {precision}"
        self.size: int = description["identity"]["size"]
        self.widths: dict[str, int] = description["widths"]
        self.notes = notes
        self.batch = batch
        # Kernels are chosen by batch size, which moves the last bits.
        self.key = digest({**description["identity"], "runtime": self.name, "runtime version": version, "batch": batch})
        self._folder = folder
        model = _core().read_model(folder / "graph.xml")
        model.reshape([batch, self.size, self.size, 3])
        options = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": precision}
        self._compiled = _core().compile_model(model, "CPU", options)
        self._in_flight = 1 + self._compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
        self.parity_key = f"{self.name} {version}"
        known = description["parity"].get(self.parity_key)
        self.parity: float = self._measure_parity() if known is None else known

    def run(self, batches: Iterable[NDArray[np.uint8]]) -> Iterator[Rows]:
        """Rows for each of ``batches``, in order. A batch is pulled while those before it are computed."""
        idle = [self._compiled.create_infer_request() for _ in range(self._in_flight)]
        running: deque[tuple[Any, int]] = deque()
        try:
            for pictures in batches:
                if not idle:
                    request, count = running.popleft()
                    yield self._rows(request, count)
                    idle.append(request)
                request = idle.pop()
                request.start_async({0: padded(pictures, batch=self.batch, size=self.size)})
                running.append((request, len(pictures)))
            while running:
                yield self._rows(*running.popleft())
        finally:  # also when the caller stops early: nothing may run on after this
            for request, _ in running:
                request.wait()

    def save(self, folder: Path) -> None:
        """Copy the graph's files into ``folder``, from where `runtime.open_graph` runs it."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in (*DATA_FILES, "graph.json"):
            shutil.copyfile(self._folder / name, folder / name)

    def _rows(self, request: Any, count: int) -> Rows:
        request.wait()
        return {name: np.array(request.get_tensor(name).data[:count], np.float32) for name in self.widths}

    def _measure_parity(self) -> float:
        from safetensors.numpy import load_file

        reference = load_file(self._folder / "reference.safetensors")
        return parity.measure(self.run, size=self.size, batch=self.batch, reference=reference)


def padded(pictures: NDArray[np.uint8], *, batch: int, size: int) -> NDArray[np.uint8]:
    """``pictures`` (n, size, size, 3), n ≤ batch, filled up with black to ``batch``: one shape, one computation.

    Raises:
        ValueError: another shape or type.
    """
    if pictures.dtype != np.uint8 or pictures.shape[1:] != (size, size, 3) or not 1 <= len(pictures) <= batch:
        raise ValueError(
            f"expected uint8 pictures (1 to {batch}, {size}, {size}, 3), found {pictures.dtype} {pictures.shape}"
        )
    if len(pictures) == batch:
        return pictures
    filled = np.zeros((batch, size, size, 3), np.uint8)
    filled[: len(pictures)] = pictures
    return filled
