"""Runs a frozen network as fast as this machine can: OpenVINO on the CPU, torch on a GPU.

Only the first run of a network on a machine needs torch: it leaves a graph that later runs open in
under a second.
"""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from headstart.backbones import graph
from headstart.backbones.catalog import Backbone
from headstart.backbones.parity import Rows
from headstart.backbones.weights import Weights
from headstart.errors import MissingPackageError, ModelError, OptionError, Problem

if TYPE_CHECKING:
    from headstart.backbones.network import FrozenNetwork
    from headstart.backbones.split import FrozenPrefix
    from headstart.backbones.tuned import TunedNetwork

    Frozen = FrozenNetwork | FrozenPrefix | TunedNetwork

DEVICES = ("auto", "openvino", "torch", "cuda", "mps")
PRECISIONS = ("auto", "bf16", "f32")
OUTPUTS_VERSION = 1
"""Part of every key: raised whenever the rows of the same network come to mean something else."""


class Runtime(Protocol):
    """A frozen network, ready to run."""

    name: str
    """What runs it and how: ``openvino bf16``, ``torch f32 cpu``."""
    key: str
    """Changes with everything that changes the values it gives."""
    size: int
    """Side in pixels of its pictures."""
    batch: int
    """Most pictures in a batch."""
    widths: dict[str, int]
    """Width of each kind of row: ``last`` and ``depths``, see `network.FrozenNetwork`; or ``map``, see
    `split.FrozenPrefix`; or ``last`` and ``tuned``, see `tuned.TunedNetwork`."""
    parity: float
    """Mean cosine to torch in float32 on made-up pictures, at least `parity.THRESHOLD`."""
    notes: tuple[str, ...]
    """What was tried and not used, and why; for people."""

    def run(self, batches: Iterable[NDArray[np.uint8]]) -> Iterator[Rows]:
        """Rows for each of ``batches``, in order.

        Pictures are uint8 (n, size, size, 3), RGB, 1 ≤ n ≤ batch; rows are float32 (n, width) by kind. Batches
        are pulled one at a time while earlier ones are computed, and few are in flight. A picture's row depends
        neither on its place in the batch nor on the pictures beside it.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write what `open_graph` needs to run the same network elsewhere."""
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
    return _prepare(
        from_weights, identity, backbone=backbone, cache=cache, batch=batch, device=device, precision=precision
    )


def prepare_module(
    backbone: Backbone,
    frozen: FrozenPrefix | TunedNetwork,
    identity: Mapping[str, Any],
    *,
    cache: Path,
    batch: int = 16,
    device: str = "auto",
    precision: str = "auto",
) -> Runtime:
    """The fastest faithful runtime for the beginning of a network, or for one that was fine-tuned.

    Args:
        backbone: whose beginning it is, or what it was made from.
        frozen: takes pictures, and says in ``widths`` which rows it gives.
        identity: everything that determines what it computes; ``size`` among it.
        cache, batch, device, precision: as for `prepare`.

    Raises:
        OptionError: a device or precision that does not exist, or that this machine does not have.
    """
    return _prepare(
        lambda: frozen, identity, backbone=backbone, cache=cache, batch=batch, device=device, precision=precision
    )


def _prepare(
    frozen: Callable[[], Frozen],
    identity: Mapping[str, Any],
    *,
    backbone: Backbone,
    cache: Path,
    batch: int,
    device: str,
    precision: str,
) -> Runtime:
    """`prepare` for what ``frozen`` gives, which is asked for only where no graph of it is in the cache."""
    _check(device, DEVICES, "device")
    _check(precision, PRECISIONS, "precision")
    target = _accelerator() or "openvino" if device == "auto" else {"torch": "cpu"}.get(device, device)
    notes: tuple[str, ...] = ()
    if target == "openvino":
        if graph.available():
            runtime, notes = _prepare_graph(frozen, identity, cache=cache, batch=batch, precision=precision)
            if runtime is not None:
                return runtime
        elif device == "openvino":
            raise MissingPackageError("openvino", "the device openvino", "pip install openvino")
        else:
            notes = ("OpenVINO is not installed: torch computes on the CPU, several times slower",)
        target = "cpu"
    from headstart.backbones import eager

    return eager.fastest(
        frozen(), identity, backbone=backbone, batch=batch, target=target, precision=precision, notes=notes
    )


def open_graph(folder: Path, *, size: int, batch: int, precision: str = "auto") -> Runtime:
    """The network that `Runtime.save` wrote into ``folder``; with OpenVINO, no torch is loaded.

    Raises:
        ModelError: files missing, changed, for pictures of another size, or not computing what they did.
    """
    _check(precision, PRECISIONS, "precision")
    if (folder / "network.json").is_file():
        from headstart.backbones import eager

        return eager.open_network(folder, size=size, batch=batch, precision=precision)
    found = graph.describe(folder)["identity"]["size"]
    if found != size:
        raise ModelError(f"graph {folder}", [_problem(f"pictures of {size} pixels", f"a graph for {found}")])
    if not graph.available():
        raise MissingPackageError("openvino", f"the graph {folder}", "pip install openvino")
    runtime, notes = graph.compile_graph(folder, batch=batch, precision=precision)
    if runtime is None:
        raise ModelError(f"graph {folder}", [_problem("the rows it gave when it was made", "; ".join(notes))])
    return runtime


def _problem(expected: str, found: str) -> Problem:
    return Problem(expected=expected, found=found, todo="save the model again with the versions installed here")


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


def _frozen(backbone: Backbone, weights: Weights, *, size: int) -> FrozenNetwork:
    from headstart.backbones import eager

    return eager.freeze(backbone, weights, size=size)


def _prepare_graph(
    frozen: Callable[[], Frozen],
    identity: Mapping[str, Any],
    *,
    cache: Path,
    batch: int,
    precision: str,
) -> tuple[Runtime | None, tuple[str, ...]]:
    folder = cache / "graphs" / graph.digest(identity)
    try:
        graph.describe(folder)
    except ModelError:  # not there yet, or damaged: either way it is made anew
        shutil.rmtree(folder, ignore_errors=True)
        graph.convert(frozen(), identity, folder)
    return graph.compile_graph(folder, batch=batch, precision=precision, remember=True)


def _accelerator() -> str | None:
    """A GPU torch can use; torch, which takes seconds to load, is asked only where there may be one."""
    nvidia_or_amd = any(Path(device).exists() for device in ("/dev/nvidia0", "/dev/dxg", "/dev/kfd"))
    if nvidia_or_amd or shutil.which("nvidia-smi"):
        import torch

        if torch.cuda.is_available():
            return "cuda"
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        import torch

        if torch.backends.mps.is_available():
            return "mps"
    return None
