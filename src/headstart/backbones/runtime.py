"""Runs a frozen network as fast as this machine can: OpenVINO on the CPU, torch on a GPU.

Only the first run of a network on a machine needs torch: it leaves a graph that later runs open in
under a second.
"""

from __future__ import annotations

import importlib.metadata
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from headstart.backbones import graph, saved
from headstart.backbones.parity import Rows
from headstart.backbones.pretrained import Backbone
from headstart.backbones.weights import Weights
from headstart.device import accelerator
from headstart.errors import MissingPackageError, ModelError, OptionError, Problem
from headstart.files import digest

if TYPE_CHECKING:
    from headstart.backbones.network import FrozenModule

DEVICES = ("auto", "openvino", "torch", "cuda", "mps")
PRECISIONS = ("auto", "bf16", "f32")
OUTPUTS_VERSION = 1
"""Part of every key: raised whenever the rows of the same network come to mean something else."""


class Runtime(Protocol):
    """A frozen network, ready to run."""

    name: str
    """What runs it and how: ``openvino bf16``, ``torch f32 cpu``."""
    precision: str
    """``f32`` or ``bf16``."""
    key: str
    """Changes with everything that changes the values it gives."""
    size: int
    """Side in pixels of its images."""
    batch: int
    """Most images in a batch."""
    widths: dict[str, int]
    """Width of each kind of row: ``last`` and ``depths``, see `network.FrozenNetwork`; or ``map``, see
    `split.FrozenPrefix`; or ``last`` and ``tuned``, see `tuned.TunedNetwork`."""
    parity: float
    """Mean cosine to torch in float32 on made-up pictures, at least `parity.THRESHOLD`."""
    notes: tuple[str, ...]
    """What was tried and not used, and why; for people."""

    def run(self, batches: Iterable[NDArray[np.uint8]]) -> Iterator[Rows]:
        """Rows for each of ``batches``, in order.

        Images are uint8 (n, size, size, 3), RGB, 1 ≤ n ≤ batch; rows are float32 (n, width) by kind. Batches
        are pulled one at a time while earlier ones are computed, and few are in flight. An image's row depends
        neither on its place in the batch nor on the images beside it. Several threads may run one runtime.
        """
        ...

    def single(self) -> Runtime:
        """The same network for one image at a time, which answers soonest; made ready when it is first run.

        Its rows differ from those of full batches in the last bits, which is why its key is another.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write what `open_saved` needs to run the same network elsewhere."""
        ...


def prepare(
    backbone: Backbone,
    weights: Weights,
    *,
    size: int,
    cache: Path,
    batch: int = 16,
    device: str = "auto",
    precision: str = "auto",
) -> Runtime:
    """The fastest faithful runtime for ``backbone``.

    Args:
        backbone: the network.
        weights: its located weights.
        size: side in pixels of the pictures it will be given.
        cache: folder for converted graphs, shared by all runs.
        batch: pictures computed together; 16 keeps two cores busy, 1 answers a single picture soonest.
        device: ``openvino`` (CPU), ``torch`` (CPU), ``cuda``, ``mps``; ``auto`` takes a GPU that torch sees,
            else OpenVINO, else torch.
        precision: ``bf16``, ``f32``; ``auto`` takes bf16 where the hardware computes in it.

    Raises:
        OptionError: a device or precision that does not exist, or that this machine does not have.
        WeightsError: the weights cannot be read or do not fit.
    """
    from_weights = partial(_frozen, backbone, weights, size=size)
    identity = _identity(backbone, weights, size=size)
    return _prepare(from_weights, identity, cache=cache, batch=batch, device=device, precision=precision)


def prepare_module(
    frozen: FrozenModule,
    identity: Mapping[str, Any],
    *,
    cache: Path,
    batch: int = 16,
    device: str = "auto",
    precision: str = "auto",
) -> Runtime:
    """The fastest faithful runtime for the beginning of a network, or for one that was fine-tuned.

    Args:
        frozen: takes images, and says in ``widths`` which rows it gives.
        identity: everything that determines what it computes; ``size`` among it.
        cache, batch, device, precision: as for `prepare`.

    Raises:
        OptionError: a device or precision that does not exist, or that this machine does not have.
    """
    return _prepare(lambda: frozen, identity, cache=cache, batch=batch, device=device, precision=precision)


def _prepare(
    frozen: Callable[[], FrozenModule],
    identity: Mapping[str, Any],
    *,
    cache: Path,
    batch: int,
    device: str,
    precision: str,
) -> Runtime:
    """`prepare` for what ``frozen`` gives, which is asked for only where no graph of it is in the cache."""
    target, notes = _target(device, precision)
    if target == "openvino":
        runtime, notes = _prepare_graph(frozen, identity, cache=cache, batch=batch, precision=precision)
        if runtime is not None:
            return runtime
        target = "cpu"
    from headstart.backbones import eager

    return eager.fastest(frozen(), identity, batch=batch, target=target, precision=precision, notes=notes)


def _target(device: str, precision: str) -> tuple[str, tuple[str, ...]]:
    """``openvino``, ``cpu``, ``cuda`` or ``mps``, and what is to be said about it.

    Raises:
        OptionError: a device or precision that does not exist.
        MissingPackageError: OpenVINO was asked for and is not installed.
    """
    _check(device, DEVICES, "device")
    _check(precision, PRECISIONS, "precision")
    target = accelerator() or "openvino" if device == "auto" else {"torch": "cpu"}.get(device, device)
    if target != "openvino" or graph.available():
        return target, ()
    if device == "openvino":
        raise MissingPackageError("openvino", "the device openvino", "pip install openvino")
    return "cpu", ("OpenVINO is not installed: torch computes on the CPU, several times slower",)


def open_saved(
    folder: Path,
    *,
    size: int,
    batch: int = 16,
    device: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
) -> Runtime:
    """The network that `Runtime.save` wrote into ``folder``.

    On a CPU its OpenVINO graph is run, which loads no torch. Where the graph is missing or gives other rows than it
    did when it was made, and on a GPU, torch builds the network from its tensors.

    Args:
        folder: of the files.
        size: side in pixels of the images it will be given.
        batch, device, precision: as for `prepare`.
        threads: most threads of the CPU that compute; all if not given. Torch has one such number for the whole
            process, which is set here.

    Raises:
        ModelError: files missing, changed, for images of another size, or the graph asked for is not there or does not
            compute what it did.
        OptionError: a device or precision that does not exist, or that this machine does not have.
        MissingPackageError: OpenVINO was asked for and is not installed.
    """
    target, notes = _target(device, precision)
    if threads is not None and threads < 1:
        raise OptionError("threads", [Problem(expected="1 or more", found=str(threads), todo="leave it out for all")])
    saved.describe(folder, size=size)
    if target == "openvino":
        runtime: Runtime | None = None
        if (folder / "graph.json").is_file():
            runtime, notes = graph.compile_graph(folder, batch=batch, precision=precision, threads=threads)
        else:
            notes = ("there is no OpenVINO graph: torch computes on the CPU, several times slower",)
        if runtime is not None:
            return runtime
        if device == "openvino":
            todo = "choose the device torch, or save the model again with the versions installed here"
            problem = Problem(
                expected="a graph with the rows it gave when it was made", found="; ".join(notes), todo=todo
            )
            raise ModelError(f"graph {folder}", [problem])
        target = "cpu"
    import torch

    from headstart.backbones import eager

    if threads is not None:
        torch.set_num_threads(threads)
    frozen, identity = saved.read(folder, size=size)
    return eager.fastest(frozen, identity, batch=batch, target=target, precision=precision, notes=notes)


def _check(value: str, allowed: tuple[str, ...], option: str) -> None:
    if value not in allowed:
        problem = Problem(expected=f"one of {', '.join(allowed)}", found=repr(value), todo="choose one of them")
        raise OptionError(option, [problem])


def _identity(backbone: Backbone, weights: Weights, *, size: int) -> dict[str, Any]:
    """Everything that determines what a frozen network computes, before a runtime rounds it."""
    return {
        "architecture": backbone.architecture,
        "weights": weights.sha256,
        "mean": backbone.mean,
        "std": backbone.std,
        "size": size,
        "outputs": OUTPUTS_VERSION,
        "timm": importlib.metadata.version("timm"),
        "torch": importlib.metadata.version("torch"),
    }


def _frozen(backbone: Backbone, weights: Weights, *, size: int) -> FrozenModule:
    from headstart.backbones import eager

    return eager.freeze(backbone, weights, size=size)


def _prepare_graph(
    frozen: Callable[[], FrozenModule],
    identity: Mapping[str, Any],
    *,
    cache: Path,
    batch: int,
    precision: str,
) -> tuple[Runtime | None, tuple[str, ...]]:
    folder = cache / "graphs" / digest(identity)
    try:
        return graph.compile_graph(folder, batch=batch, precision=precision, remember=True)
    except ModelError:  # not there yet, or damaged: either way it is made anew
        shutil.rmtree(folder, ignore_errors=True)
        graph.convert(frozen(), identity, folder)
    return graph.compile_graph(folder, batch=batch, precision=precision, remember=True)
