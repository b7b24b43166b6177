"""A network made ready: the fastest faithful runtime that this machine has, its graph kept in the cache."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart import cache_folder
from headstart.backbones import graph
from headstart.backbones.runtime import Notes, Runtime, RuntimeNote, not_forked
from headstart.device import accelerator
from headstart.errors import MissingPackageError, ModelError, OptionError
from headstart.files import digest

if TYPE_CHECKING:
    from headstart.backbones.network import FrozenModule

DEVICES = ("auto", "openvino", "torch", "cuda", "mps")
PRECISIONS = ("auto", "bf16", "f32", "int8")
ABANDONED = 3_600.0
"""Seconds from which an unfinished conversion counts as killed. Chosen, not measured: one takes seconds, a few minutes
with large networks. Too short a time would take the folder from under a conversion that is running."""


@dataclass(frozen=True, kw_only=True)
class AnySize:
    """A way to a graph that serves images of every size."""

    identity: Mapping[str, Any]
    """Everything that determines the values it computes; ``size`` is the one asked for."""
    write: Callable[[Path], object]
    """Writes its files into a folder, and returns what must live until the graph is opened, for it is needed again.
    Raises ModelError where there is no such graph."""


def prepare(
    frozen: Callable[[], FrozenModule],
    identity: Mapping[str, Any],
    *,
    cache: Path,
    device: str = "auto",
    precision: str = "auto",
    any_size: Sequence[AnySize] = (),
) -> Runtime:
    """The fastest faithful runtime for a frozen network.

    Args:
        frozen: makes the network, which takes images and says in ``widths`` which rows it gives; called only where no
            graph of it is in the cache.
        identity: everything that determines what it computes before a runtime rounds it; ``size`` among it.
        cache: folder for converted graphs, shared by all runs.
        device: ``openvino`` (CPU), ``torch`` (CPU), ``cuda``, ``mps``; ``auto`` as `target`.
        precision: ``f32``; ``bf16`` where the hardware computes in it; ``int8``, which OpenVINO has; ``auto`` for f32
            on a processor, and on a GPU bf16 if it has that.
        any_size: graphs of the network for every size, the preferred one first. A graph that is in the cache comes
            before one that would have to be made, and that of ``frozen`` for this size alone comes last.

    Raises:
        OptionError: a device or precision that does not exist, or that this machine does not have.
        MissingPackageError: OpenVINO was asked for and is not installed.
    """
    runs_on, notes = target(device, precision, identity={} if not any_size else any_size[0].identity)
    if runs_on == "openvino":

        def own(folder: Path) -> None:
            from headstart.backbones import conversion

            conversion.write(frozen(), identity, folder)

        ways = {digest({**way.identity, "size": "any"}): way.write for way in any_size} | {digest(identity): own}
        runtime, notes = _graph(ways, identity["size"], cache, precision)
        if runtime is not None:
            return runtime
        runs_on = "cpu"
    from headstart.backbones import eager

    return eager.fastest(frozen(), identity, target=runs_on, precision=precision, notes=notes)


def target(device: str, precision: str, identity: Mapping[str, Any]) -> tuple[str, Notes]:
    """``openvino``, ``cpu``, ``cuda`` or ``mps``, and what is to be said about it; raises as `prepare`.

    ``auto`` takes a GPU that torch sees, else OpenVINO, else torch. A network whose graph is made of a `topology`, as
    its ``identity`` says, stays on the CPU where there is OpenVINO: it is so small that decoding is the limit. With one
    H200 and 16 cores it ran 1,857 pictures a second from files on the GPU and 830 on the CPU, but the GPU and torch
    took 15 s to start, the time in which the CPU runs 12,000 (``benchmarks/gpu.py``).
    """
    not_forked()
    for option, value, allowed in (("device", device, DEVICES), ("precision", precision, PRECISIONS)):
        if value not in allowed:
            expected = f"one of {', '.join(allowed)}"
            raise OptionError.of(option, expected=expected, found=repr(value), todo="choose one of them")
    if precision == "int8" and device not in ("auto", "openvino"):
        expected, todo = "the device openvino, which computes in 8 bits", "leave one of the two out"
        raise OptionError.of("precision int8", expected=expected, found=f"the device {device}", todo=todo)
    runs_on = {"torch": "cpu"}.get(device, device)
    if device == "auto":
        small = ("topology" in identity or precision == "int8") and graph.available()
        runs_on = "openvino" if small else accelerator() or "openvino"
    if runs_on != "openvino" or graph.available():
        return runs_on, ()
    if device == "openvino":
        raise MissingPackageError("openvino", "the device openvino", "pip install openvino")
    return "cpu", (RuntimeNote(what="no openvino"),)


# ── the cache ───────────────────────────────────────────────────────────────────────────────────────────────────────

_Ways = Mapping[str, Callable[[Path], object]]
"""By name of a folder what writes a graph into it, as `AnySize.write`."""


def _graph(ways: _Ways, size: int, cache: Path, precision: str) -> tuple[Runtime | None, Notes]:
    """The graph of a network, and notes; where the cache cannot be used, in a scratch folder, where there is one."""
    try:
        return _graph_in(cache / "graphs", ways, size, precision)
    except (OSError, ModelError) as error:
        cache_folder.note_unusable(cache, error)
    try:
        return _graph_in(_scratch(), ways, size, precision)
    except (OSError, ModelError):
        return None, (RuntimeNote(what="no graph"),)


def _graph_in(graphs: Path, ways: _Ways, size: int, precision: str) -> tuple[Runtime | None, Notes]:
    """The graph in ``graphs``, made where there is none that is sound. Raises OSError, or ModelError."""
    cache_folder.made(graphs)
    *before, last = sorted(ways, key=lambda name: not os.path.lexists(graphs / name))
    for name in before:
        with suppress(ModelError):
            return _opened(graphs / name, ways[name], size, precision)
    return _opened(graphs / last, ways[last], size, precision)


def _opened(folder: Path, write: Callable[[Path], object], size: int, precision: str) -> tuple[Runtime | None, Notes]:
    """The graph in ``folder``, made where it is not sound. Raises OSError or ModelError."""
    try:
        found = graph.compile_graph(folder, precision=precision, size=size, cached=True)
    except ModelError:  # not there yet, or damaged: either way it is made anew
        if os.path.lexists(folder):
            cache_folder.note_damaged(1)
            cache_folder.discard(folder)
        needed_again = make(folder, write)
        found = graph.compile_graph(folder, precision=precision, size=size, cached=True)
        del needed_again
    with suppress(OSError):  # of a cache that can only be read
        os.utime(folder)
    return found


def make(folder: Path, write: Callable[[Path], object]) -> object:
    """Let ``write`` fill ``folder``, which appears complete or not at all; what ``write`` returns.

    If another process makes it first, theirs stays.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    _sweep(folder.parent)
    with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=folder.parent) as scratch:
        unfinished = Path(scratch) / "graph"
        unfinished.mkdir()
        written = write(unfinished)
        try:
            unfinished.rename(folder)
        except OSError:
            if not folder.exists():
                raise
    return written


def _sweep(graphs: Path) -> None:
    """Remove what conversions that were killed left behind, once it is older than `ABANDONED`."""
    for left in graphs.glob(".unfinished-*"):
        if time.time() - left.stat().st_mtime > ABANDONED:
            shutil.rmtree(left, ignore_errors=True)


@cache
def _scratch() -> Path:
    """A folder that takes the place of the cache until the process ends. Raises OSError."""
    folder = tempfile.mkdtemp(prefix="headstart-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)
