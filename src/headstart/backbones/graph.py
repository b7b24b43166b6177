"""A frozen network as an OpenVINO graph: converted once, kept on disk, opened and run without torch."""

from __future__ import annotations

import contextlib
import copy
import errno
import importlib.util
import shutil
import signal
import sys
import tempfile
import threading
import time
import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.arrays import Pixels
from headstart.backbones import graph_file, proof, saved
from headstart.backbones.runtime import (
    LEAST_PARITY,
    Notes,
    Outputs,
    RuntimeBase,
    RuntimeNote,
    measured_parity,
    not_forked,
    padded,
)
from headstart.cache_folder import Hold, is_sound, sealed
from headstart.errors import ModelError
from headstart.files import replacing, sha256, write_json
from headstart.options import LARGEST_SIZE
from headstart.schema import read_record
from headstart.untrusted import file_in

if TYPE_CHECKING:
    from headstart.backbones.network import FrozenModule

FORMAT = 2
ABANDONED = 3_600.0
"""Seconds from which an unfinished conversion counts as killed. Chosen, not measured: one takes seconds, a few minutes
with large networks. Too short a time would take the folder from under a conversion that is running."""
DOCUMENT = "graph.json"
MAKE_AGAIN = "make it again: train again with this version, or clear the cache"
XML, TENSORS, REFERENCE = "graph.xml", "graph.bin", "reference.safetensors"
DATA_FILES = (XML, TENSORS, REFERENCE)
"""The graph, its tensors in float32, and torch's rows for `runtime.synthetic_images`, the graph's own proof."""
FILES = (*DATA_FILES, saved.DOCUMENT, saved.TENSORS)
"""These, and of a network that can be built again what it is built from."""


@dataclass(frozen=True, kw_only=True)
class Description:
    """What graph.json says."""

    format: int
    identity: Mapping[str, Any]
    """Everything that determines the values of the network, ``size`` among it."""
    widths: Mapping[str, int]
    sha256: Mapping[str, str]
    """By file."""
    parity: Mapping[str, float]
    """By runtime and version, where it was measured."""
    checksum: str = ""
    """Of all else in it, where it lies in the cache."""


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


# ---------------------------------------------------------------- torch → folder


def convert(frozen: FrozenModule, identity: Mapping[str, Any], folder: Path) -> None:
    """Write ``frozen`` and its graph into ``folder``, which appears complete or not at all.

    Args:
        frozen: on the CPU, in float32.
        identity: everything that determines the values it computes, ``size`` among it.
        folder: made here; if another process makes it first, theirs stays.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    _sweep(folder.parent)
    with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=folder.parent) as scratch:
        unfinished = Path(scratch) / "graph"
        unfinished.mkdir()
        write(frozen, identity, unfinished)
        try:
            unfinished.rename(folder)
        except OSError:
            if not folder.exists():
                raise


def write(frozen: FrozenModule, identity: Mapping[str, Any], folder: Path) -> None:
    """Write the files of a network and of its graph into an existing folder."""
    import torch
    from safetensors.numpy import save_file

    openvino = import_openvino()
    size = identity["size"]
    example = torch.zeros(1, size, size, 3, dtype=torch.uint8)
    with _interruptions_wait(), torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing is deprecated in torch, but is how OpenVINO reads a module
        # Tracing again to compare would take as long as the rest; parity is measured on images instead.
        traced = torch.jit.trace(frozen, example, check_trace=False)  # type: ignore[no-untyped-call]
        model = openvino.convert_model(traced, example_input=example)
    rows = proof.rows(frozen, size)
    model.reshape([-1, size, size, 3])
    for name, output in zip(frozen.widths, model.outputs, strict=True):
        output.get_tensor().set_names({name})
    # The converter numbers what it makes by a counter of the process; the same network should be the same file.
    model.set_friendly_name("frozen")
    for number, operation in enumerate(model.get_ordered_ops()):
        operation.set_friendly_name(f"{operation.get_type_name()}_{number}")
    try:  # graph.bin is written beside it, so that no name of its own can be given
        openvino.save_model(model, folder / "graph.xml", compress_to_fp16=False)
    except RuntimeError as error:  # a disk that is full, as OpenVINO says it
        raise OSError(errno.EIO, f"cannot be written ({error})", str(folder / XML)) from error
    with replacing(folder / REFERENCE) as file:
        save_file(rows, file)
    saved.write(frozen, identity, folder)
    names = [name for name in FILES if (folder / name).is_file()]
    description = {
        "format": FORMAT,
        "identity": dict(identity),
        "widths": frozen.widths,
        "sha256": {name: sha256(folder / name) for name in names},
        "parity": {},
    }
    write_json(folder / DOCUMENT, sealed(description), indent=1)


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
    """Remove what conversions that were killed left behind, once it is older than `ABANDONED`."""
    for left in graphs.glob(".unfinished-*"):
        if time.time() - left.stat().st_mtime > ABANDONED:
            shutil.rmtree(left, ignore_errors=True)


# ---------------------------------------------------------------- folder → running


def describe(folder: Path) -> dict[str, Any]:
    """The description of the graph in ``folder``, its files checked against their hashes.

    Raises:
        ModelError: files missing or changed, or written by another version; all of them are listed.
    """
    what, todo = f"graph {folder}", MAKE_AGAIN
    description = saved.read_document(folder / DOCUMENT, kind="graph", version=FORMAT, todo=todo)
    read_record(Description, description, f"{what}, {DOCUMENT}", todo=todo, error=ModelError)
    hashes, size, widths = description["sha256"], description["identity"].get("size"), description["widths"]
    if not ({*DATA_FILES} <= hashes.keys() <= {*FILES} and type(size) is int and 0 < size <= LARGEST_SIZE and widths):
        expected, found = "the fields of a graph", f"files {', '.join(hashes)}, size {size}"
        raise ModelError.of(what, expected=expected, found=found, todo=todo)
    if problems := saved.changed_files(folder, hashes, todo=todo):
        raise ModelError(what, problems)
    return description


def compile_graph(
    folder: Path, *, precision: str, threads: int | None = None, cached: bool = False
) -> tuple[OpenVinoRuntime | None, Notes]:
    """The graph in ``folder``, compiled in the best precision that keeps parity, and notes on what was not.

    Args:
        folder: from `convert` or `OpenVinoRuntime.save`.
        precision: ``auto`` for bf16 where the CPU has it, ``bf16``, or ``f32``.
        threads: most threads of the CPU; all if not given.
        cached: the folder lies in the cache: a parity measured here is written into it, and it stays while it is used.

    Raises:
        ModelError: as `describe`.
        OSError: a folder in the cache cannot be read.
    """
    held = Hold(folder / "graph.xml") if cached and (folder / "graph.xml").is_file() else None
    description = describe(folder)
    if cached and not is_sound(description):
        expected, todo = f"{DOCUMENT} as it was written", "clear the cache"
        raise ModelError.of(f"graph {folder}", expected=expected, found="another checksum", todo=todo)
    capable = computes_in_bf16()
    notes: Notes = ()
    if precision == "bf16" and not capable:
        notes = (RuntimeNote(what="no bf16"),)
    for candidate in ("bf16", "f32") if capable and precision != "f32" else ("f32",):
        runtime = OpenVinoRuntime(folder, description, precision=candidate, threads=threads, notes=notes)
        if runtime.parity_key not in description["parity"]:
            runtime.measure_parity(singly=not cached)
            if cached:
                description["parity"][runtime.parity_key] = runtime.parity
                with contextlib.suppress(OSError):  # a cache that others keep for us: measure again next time
                    write_json(folder / DOCUMENT, sealed(description), indent=1)
        if runtime.parity >= LEAST_PARITY:
            runtime.held = held
            return runtime, notes
        notes += (RuntimeNote(what="strays", runtime=runtime.name, parity=runtime.parity),)
    return None, notes


def read_graph(folder: Path, images: list[int], widths: Mapping[str, int]) -> Any:
    """The graph in ``folder`` as OpenVINO has it, for ``images`` of a shape (n, size, size, 3).

    Raises:
        ModelError: it holds what no network needs, see `graph_file.check`, or does not give rows of ``widths``.
    """
    with _of_model(folder):
        graph_file.check(file_in(folder, XML, most=graph_file.MOST_XML), file_in(folder, TENSORS))
        model = _core().read_model(folder / XML)
        model.reshape(images)
        rows = {name: model.output(name).get_partial_shape() for name in widths}  # two names may be of one row
        wanted = {name: import_openvino().PartialShape([images[0], width]) for name, width in widths.items()}
        if not all(wanted[name].compatible(shape) for name, shape in rows.items()):
            raise ValueError(f"rows {rows}, where those of {dict(widths)} were expected")
    return model


@contextlib.contextmanager
def _of_model(folder: Path) -> Iterator[None]:
    """Whatever is wrong with the graph in ``folder`` becomes a ModelError."""
    try:
        yield
    except (ValueError, RuntimeError) as error:  # RuntimeError: OpenVINO's own
        found = (str(error).strip() or type(error).__name__).splitlines()[-1]
        what, expected = f"graph {folder}, {XML}", "a graph that can be run"
        raise ModelError.of(what, expected=expected, found=found, todo=MAKE_AGAIN) from error


class OpenVinoRuntime(RuntimeBase):
    """A graph, compiled when it is first run; see `headstart.backbones.runtime.Runtime`."""

    def __init__(
        self, folder: Path, description: Mapping[str, Any], *, precision: str, threads: int | None, notes: Notes
    ) -> None:
        name, widths, version = f"openvino {precision}", description["widths"], import_openvino().__version__
        identity = description["identity"]
        super().__init__(name, identity, precision=precision, widths=widths, version=version, notes=notes)
        self.parity_key = f"{name} {version}"
        self.parity = description["parity"].get(self.parity_key, 0.0)
        self._folder, self._description, self._threads = folder, description, threads
        self.held: Hold | None = None
        """Keeps a folder of the cache where it is."""
        self._model: Any = None
        self._single: OpenVinoRuntime | None = None

    def single(self) -> OpenVinoRuntime:
        """The same graph for one image at a time; compiled when it is first run."""
        with self._lock:
            if self.batch == 1:
                return self
            if self._single is None:
                self._single = copy.copy(self)
                self._single.batch, self._single._model, self._single._lock = 1, None, threading.Lock()
            self._single.parity = self.parity
            return self._single

    def measure_parity(self, *, singly: bool) -> None:
        """Compare with the rows of torch that lie beside the graph, one image at a time or in a batch.

        Raises ModelError where they are not the rows of such a graph.
        """
        runtime = self.single() if singly else self
        try:
            reference = proof.read(self._folder, REFERENCE, self.widths)
        except ValueError as error:
            what, expected = f"graph {self._folder}, {REFERENCE}", f"torch's rows of {dict(self.widths)}"
            raise ModelError.of(what, expected=expected, found=str(error), todo=MAKE_AGAIN) from error
        self.parity = measured_parity(runtime, reference)

    def run(self, batches: Iterable[Pixels]) -> Iterator[Outputs]:
        """Rows for each of ``batches``, in order. A batch is pulled while those before it are computed."""
        compiled = self._compiled()
        most = 1 + compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
        idle: list[Any] = []
        running: deque[tuple[Any, int]] = deque()
        try:
            for images in batches:
                if len(running) == most:
                    request, count = running.popleft()
                    yield self._rows(request, count)
                    idle.append(request)
                request = idle.pop() if idle else compiled.create_infer_request()
                request.start_async({0: padded(images, batch=self.batch, size=self.size)})
                running.append((request, len(images)))
            while running:
                yield self._rows(*running.popleft())
        finally:  # also when the caller stops early: nothing may run on after this
            for request, _ in running:
                request.wait()

    def save(self, folder: Path) -> None:
        """Copy the files of the network and of its graph into ``folder``, from where `space.SavedSpec` runs it."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in (*self._description["sha256"], DOCUMENT):
            shutil.copyfile(self._folder / name, folder / name)

    def _compiled(self) -> Any:
        """The graph, compiled at the first call: for one image on all threads, for a batch with one each."""
        not_forked()
        with self._lock:
            if self._model is None:
                model = read_graph(self._folder, [self.batch, self.size, self.size, 3], self.widths)
                hint = "LATENCY" if self.batch == 1 else "THROUGHPUT"
                options: dict[str, Any] = {"PERFORMANCE_HINT": hint, "INFERENCE_PRECISION_HINT": self.precision}
                if self._threads is not None:
                    options["INFERENCE_NUM_THREADS"] = self._threads
                with _of_model(self._folder):
                    self._model = _core().compile_model(model, "CPU", options)
            return self._model

    def _rows(self, request: Any, count: int) -> Outputs:
        request.wait()
        return {name: np.array(request.get_tensor(name).data[:count], np.float32) for name in self.widths}
