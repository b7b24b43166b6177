"""A frozen network as an OpenVINO graph in a folder: opened and run without torch, at its own size or at any."""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from headstart.arrays import Pixels
from headstart.backbones import eight_bits, graph_file, proof, saved
from headstart.backbones.graph_folder import (
    DOCUMENT,
    MAKE_AGAIN,
    REFERENCE,
    TENSORS,
    XML,
    describe,
    write_document,
)
from headstart.backbones.runtime import (
    Notes,
    Outputs,
    RuntimeBase,
    RuntimeNote,
    agreement,
    least_parity,
    not_forked,
    padded,
    synthetic_rows,
)
from headstart.cache_folder import Hold, is_sound, sealed
from headstart.device import share
from headstart.errors import ModelError
from headstart.files import write_json
from headstart.untrusted import file_in, read_tensors

UNDER_WAY = 32
"""Images under way for each that is computed at a time: while the rows of a second are written into the store, which
takes a quarter of one, the cores still have some."""


def available() -> bool:
    """Whether OpenVINO is installed."""
    return importlib.util.find_spec("openvino") is not None


@cache
def import_openvino() -> Any:
    """The ``openvino`` module, unable to report its use to anyone, its converter imported when it is first called.

    OpenVINO reports imports and conversions through the package ``openvino_telemetry``, by default without
    asking, and does nothing where that package cannot be imported: so here it cannot. The converter takes longer to
    import than all else in it.
    """
    telemetry = sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    if telemetry is not None:  # somebody imported OpenVINO before us: take its sender away
        telemetry.main.TelemetrySender.send = lambda *args, **kwargs: None
    converter = "openvino.tools.ovc"
    late = sys.modules.setdefault(converter, None) is None  # type: ignore[arg-type]
    try:
        import openvino
    finally:
        if late:
            del sys.modules[converter]
    # Its bindings look NumPy up at the first array, over which two threads at once wait for each other for ever.
    _ = openvino.Tensor(np.zeros(1, np.float32)).data
    if not hasattr(openvino, "convert_model"):
        openvino.convert_model = lambda *args, **options: import_module(converter).convert_model(*args, **options)
    return openvino


def computes_in_bf16() -> bool:
    """Whether this machine's CPU computes in bf16 itself; where it does not, asking for it gains nothing.

    OpenVINO knows; without it, no.
    """
    return available() and "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


@cache
def _core() -> Any:
    return import_openvino().Core()


def compile_graph(
    folder: Path, *, precision: str, size: int | None = None, threads: int | None = None, cached: bool = False
) -> tuple[OpenVinoRuntime | None, Notes]:
    """The graph in ``folder``, compiled in the best precision that keeps parity, and notes on what was not.

    Args:
        folder: from `conversion.write`, `topology.Topology.write` or `OpenVinoRuntime.save`.
        precision: ``f32``; ``bf16`` where the CPU has it; ``int8``; ``auto`` is what a model was saved in if that is
            int8, else f32, in which an exported file computes too.
        size: side in pixels of the images; the graph's own if not given.
        threads: most threads of the CPU; all if not given.
        cached: the folder lies in the cache: a parity measured here is written into it, and it stays while it is used.

    Raises:
        ModelError: as `describe`, or a graph of another size.
        OSError: a folder in the cache cannot be read.
    """
    held = Hold(folder / XML) if cached and (folder / XML).is_file() else None
    description = describe(folder)
    own = description["identity"]["size"]
    if cached and not is_sound(description):
        expected, todo = f"{DOCUMENT} as it was written", "clear the cache"
        raise ModelError.of(f"graph {folder}", expected=expected, found="another checksum", todo=todo)
    if size not in (None, own) and not description.get("any_size"):
        expected, found = f"a graph for images of {size} pixels", f"one for {own} alone"
        raise ModelError.of(f"graph {folder}", expected=expected, found=found, todo=MAKE_AGAIN)
    capable = computes_in_bf16()
    known = len(description["parity"])
    notes: Notes = ()
    if precision == "bf16" and not capable:
        notes = (RuntimeNote(what="no bf16"),)
    candidates = ["bf16", "f32"] if capable and precision == "bf16" else ["f32"]
    kept = eight_bits.FILE in description["sha256"]
    if precision == "int8" or (precision == "auto" and kept and not cached):
        if not kept and cached:  # nothing is written into a model
            model = read_graph(folder, [1, own, own, 3], description["widths"])
            kept = eight_bits.prepare(folder, description["sha256"], _core(), model, own)
        if kept:
            candidates.insert(0, "int8")
        else:
            notes += (RuntimeNote(what="no int8"),)
    for candidate in candidates:
        runtime = OpenVinoRuntime(
            folder, description, size=size or own, precision=candidate, threads=threads, notes=notes
        )
        runtime.measure_parity()
        if cached and len(description["parity"]) > known:
            with contextlib.suppress(OSError):  # a cache that others keep for us: measure again next time
                write_json(folder / DOCUMENT, sealed(description), indent=1)
        if runtime.parity >= least_parity(candidate):
            runtime.held = held
            return runtime, notes
        notes += (RuntimeNote(what="strays", runtime=runtime.name, parity=runtime.parity),)
    return None, notes


def few_rows(folder: Path, description: Mapping[str, Any], *, size: int) -> Outputs:
    """The rows of `proof.FEW` made-up images of ``size`` pixels in float32; raises ModelError if it cannot be run."""
    runtime = OpenVinoRuntime(folder, description, size=size, precision="f32", threads=None, notes=())
    with _of_model(folder):
        return synthetic_rows(runtime, proof.FEW)


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


_alive: WeakValueDictionary[tuple[Any, ...], Any] = WeakValueDictionary()
"""Compiled graphs that some runtime holds: whoever needs the same one shares it."""


class OpenVinoRuntime(RuntimeBase):
    """A graph, compiled when it is first run; see `headstart.backbones.runtime.Runtime`.

    Each image is computed alone, by one core, and as many at a time as there are cores: what a layer gives stays in
    the core's cache. In float32 two cores so compute a quarter more of them than in batches of 16; in bf16 hardly more
    at 224 pixels, and a third more at 384 (``benchmarks/batches.py``). The row of an image is then the same, bit for
    bit, however many are asked for and however many threads there are.
    """

    def __init__(
        self,
        folder: Path,
        description: Mapping[str, Any],
        *,
        size: int,
        precision: str,
        threads: int | None,
        notes: Notes,
    ) -> None:
        name, widths, version = f"openvino {precision}", description["widths"], import_openvino().__version__
        identity, own = {**description["identity"], "size": size}, description["identity"]["size"]
        super().__init__(name, identity, precision=precision, widths=widths, version=version, notes=notes)
        self.batch = 1
        self.parity_key = f"{name} {version}" + (f" at {size}" if size != own else "")
        self.parity = description["parity"].get(self.parity_key, 0.0)
        self._folder, self._description, self._own, self._threads = folder, description, own, threads
        self.held: Hold | None = None
        """Keeps a folder of the cache where it is."""
        self._model: Any = _alive.get(self._compiled_as)
        self._most = 0
        """Requests under way at a time; 0 until the graph is compiled."""
        self._idle: list[Any] = []
        """Requests that may be used: to make one while others are computed takes as long as an image."""

    def single(self) -> OpenVinoRuntime:
        """Itself."""
        return self

    def measure_parity(self) -> None:
        """Settle ``parity``, which is measured where the description does not hold it yet, and then does.

        At its own size a graph is compared with the rows that lie beside it. At another, which only graphs for every
        size have, it is as faithful in float32 as at its own, because it is the same operations; in another precision
        it is compared with float32 at that size.

        Raises ModelError where the rows beside it are not those of such a graph.
        """
        noted = self._description["parity"]
        if self.parity_key not in noted:
            if self.size == self._own:
                self.parity = agreement(synthetic_rows(self), self._reference())
            elif self.precision == "f32":
                exact = self._as(precision="f32", size=self._own)
                exact.measure_parity()
                self.parity = exact.parity
            else:
                exact = self._as(precision="f32", size=self.size)
                exact.measure_parity()
                agreed = agreement(synthetic_rows(self, proof.FEW), synthetic_rows(exact, proof.FEW))
                self.parity = min(exact.parity, agreed)
            noted[self.parity_key] = self.parity

    def _as(self, *, precision: str, size: int) -> OpenVinoRuntime:
        """The same graph in another precision or for images of another size."""
        if (precision, size) == (self.precision, self.size):
            return self
        return OpenVinoRuntime(
            self._folder, self._description, size=size, precision=precision, threads=self._threads, notes=()
        )

    def _reference(self) -> Outputs:
        try:
            return proof.read(self._folder, REFERENCE, self.widths)
        except ValueError as error:
            what, expected = f"graph {self._folder}, {REFERENCE}", f"rows of {dict(self.widths)}"
            raise ModelError.of(what, expected=expected, found=str(error), todo=MAKE_AGAIN) from error

    def run(self, batches: Iterable[Pixels]) -> Iterator[Outputs]:
        """Rows for each of ``batches``, in order. A batch is pulled while those before it are computed."""
        compiled, most = self._compiled(), self._most
        running: deque[Any] = deque()
        try:
            for images in batches:
                if len(running) == most:
                    yield self._finished(running.popleft())
                request = self._request(compiled)
                request.start_async({0: padded(images, batch=self.batch, size=self.size)}, share_inputs=True)
                running.append(request)
            while running:
                yield self._finished(running.popleft())
        finally:  # also when the caller stops early: nothing may run on after this
            for request in running:
                request.wait()

    def _request(self, compiled: Any) -> Any:
        try:
            return self._idle.pop()
        except IndexError:
            return compiled.create_infer_request()

    def save(self, folder: Path) -> None:
        """Write the files of the network and of its graph for this size into ``folder``, see `saved_spec.SavedSpec`."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in self._description["sha256"].keys() - ({eight_bits.FILE} if self.precision != "int8" else set()):
            shutil.copyfile(self._folder / name, folder / name)
        if self.size != self._own:
            saved.resize(folder, self.size)
            proof.write(folder, REFERENCE, synthetic_rows(self._as(precision="f32", size=self.size)))
        measured = {self.parity_key.removesuffix(f" at {self.size}"): self.parity}  # whatever else the cache may know
        write_document(folder, self._identity, self.widths, parity=measured)

    def _compiled(self) -> Any:
        """The graph, compiled at the first call."""
        not_forked()
        with self._lock:
            if self._model is None:
                self._model = _alive.get(self._compiled_as)
            if self._model is None:
                model = read_graph(self._folder, [1, self.size, self.size, 3], self.widths)
                hint = self.precision
                if hint == "int8":  # what else there is to compute is computed in float32
                    hint = "f32"
                    with _of_model(self._folder):
                        measured = read_tensors(self._folder, eight_bits.FILE)
                        eight_bits.apply(model, measured, import_openvino().opset13)
                options: dict[str, Any] = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": hint}
                if threads := self._threads or share():
                    options["INFERENCE_NUM_THREADS"] = threads
                with _of_model(self._folder):
                    self._model = _alive[self._compiled_as] = _core().compile_model(model, "CPU", options)
            if not self._most:  # once: while the graph computes, the question waits and lets no other thread run
                self._most = UNDER_WAY * int(self._model.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
                self._idle = [self._model.create_infer_request() for _ in range(self._most)]
            return self._model

    @property
    def _compiled_as(self) -> tuple[Any, ...]:
        """What a compiled graph is known by: the same content, compiled in the same way."""
        content = self._description["sha256"]
        rounded = content[eight_bits.FILE] if self.precision == "int8" else ""
        return content[XML], content[TENSORS], rounded, self.size, self.precision, self._threads

    def _finished(self, request: Any) -> Outputs:
        request.wait()
        rows = {name: np.array(request.get_tensor(name).data, np.float32) for name in self.widths}
        self._idle.append(request)
        return rows
