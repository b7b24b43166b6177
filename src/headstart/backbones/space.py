"""A space: everything but the image that fixes the value of a feature row; as picklable data, and opened.

A network runs as fast as this machine can: in OpenVINO on the CPU, in torch on a GPU. Only the first run of a network
on a machine needs torch: it leaves a graph that later runs open in under a second.
"""

from __future__ import annotations

import atexit
import importlib.metadata
import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from headstart import cache_folder
from headstart.backbones import catalog, graph, saved
from headstart.backbones.pretrained import Backbone
from headstart.backbones.runtime import Notes, Runtime, RuntimeNote, not_forked
from headstart.backbones.weights import Weights, locate, locate_named
from headstart.device import accelerator
from headstart.errors import MissingPackageError, ModelError, OptionError
from headstart.files import digest, sha256
from headstart.images.grey_levels import Levels
from headstart.images.transforms import Geometry, View

if TYPE_CHECKING:
    from headstart.backbones.network import FrozenModule

DEVICES = ("auto", "openvino", "torch", "cuda", "mps")
PRECISIONS = ("auto", "bf16", "f32")
OUTPUTS_VERSION = 1
"""Part of every key: raised whenever the rows of the same network come to mean something else."""


@dataclass(frozen=True, kw_only=True)
class Space:
    """An open space: everything that fixes the value of a row except the image."""

    runtime: Runtime
    geometry: Geometry

    def key(self, view: View, output: str) -> str:
        """The name of this space in the store."""
        return f"{self.runtime.key}|{self.geometry.key()}|{view.value}|{output}"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled as the files of its network, from which any process opens the same one."""
        with tempfile.TemporaryDirectory() as folder:
            self.runtime.save(Path(folder))
            files = {file.name: file.read_bytes() for file in Path(folder).iterdir()}
        return _unpacked, (files, self.geometry, self.runtime.name)

    def __deepcopy__(self, memo: object) -> Space:
        """Itself: nothing of it is ever changed."""
        return self

    def levelled(self, levels: Levels | None) -> Space:
        """The same network for images of a set of these levels."""
        return replace(self, geometry=replace(self.geometry, levels=levels))

    def single(self) -> Space:
        """The same network for one image at a time, see `runtime.Runtime.single`."""
        return replace(self, runtime=self.runtime.single())


@dataclass(frozen=True, kw_only=True)
class NetworkSpec:
    """A pretrained network and where it is to run, whatever the input size; plain data that can be pickled."""

    backbone: Backbone
    weights: Weights
    cache: Path
    """Folder of converted graphs."""
    device: str = "auto"
    precision: str = "auto"

    @classmethod
    def named(
        cls, backbone: str, weights: str | None = None, *, cache: Path, device: str = "auto", precision: str = "auto"
    ) -> NetworkSpec:
        """The network of that name with its own weights, those of a file, or ``"random"`` ones.

        Raises:
            OptionError: nobody knows the name.
            WeightsError, MissingPackageError: as `weights.locate`.
        """
        record = catalog.get(backbone)
        located = locate_named(record, weights)
        return cls(backbone=record, weights=located, cache=cache, device=device, precision=precision)

    def untrained(self) -> NetworkSpec:
        """The same network with random weights."""
        return replace(self, weights=locate(self.backbone, random=True))

    def at(self, size: int) -> SpaceSpec:
        """The space of an input size in pixels, with the geometry that the backbone was published with."""
        backbone = self.backbone
        geometry = Geometry(size=size, crop_pct=backbone.crop_pct, interpolation=backbone.interpolation)
        return SpaceSpec(network=self, geometry=geometry)

    def prepare(self, size: int) -> Runtime:
        """The network, ready for images of ``size`` pixels.

        Raises:
            OptionError, MissingPackageError: as `prepare`.
            WeightsError: the weights cannot be read or do not fit.
        """
        identity = {
            "architecture": self.backbone.architecture,
            "weights": self.weights.sha256,
            "mean": self.backbone.mean,
            "std": self.backbone.std,
            "size": size,
            "outputs": OUTPUTS_VERSION,
            "timm": importlib.metadata.version("timm"),
            "torch": importlib.metadata.version("torch"),
        }

        def frozen() -> FrozenModule:
            from headstart.backbones.network import freeze

            return freeze(self.backbone, self.weights, size=size)

        return prepare(frozen, identity, cache=self.cache, device=self.device, precision=self.precision)

    def depth_channels(self) -> tuple[tuple[str, int], ...]:
        """Name and channels of each depth of the row ``depths``, in its order; known without torch once it was asked.

        Kept in the folder ``cache``.
        """
        backbone = self.backbone
        identity = {"architecture": backbone.architecture, "outputs": OUTPUTS_VERSION, "size": backbone.input_size}
        file = self.cache / "depths" / f"{digest(identity)}.json"
        if (kept := cache_folder.kept(file)) is not None and kept["identity"] == identity:
            return tuple((name, channels) for name, channels in kept["channels"])
        from headstart.backbones.network import freeze

        channels = freeze(backbone, locate(backbone, random=True), size=backbone.input_size).depth_channels
        cache_folder.keep(file, {"identity": identity, "channels": channels})
        return channels


@dataclass(frozen=True, kw_only=True)
class SavedSpec:
    """A network in a model directory and where it is to run; plain data that can be pickled."""

    folder: Path
    sha256: str
    """Of its network.json, which holds the hash of the tensors: another network in the same folder is refused."""
    device: str = "auto"
    precision: str = "auto"
    threads: int | None = None
    """Most threads of the CPU that compute; all if None. Torch has one such number for the whole process."""

    @classmethod
    def of(
        cls, folder: Path, *, device: str = "auto", precision: str = "auto", threads: int | None = None
    ) -> SavedSpec:
        """The network that is in ``folder`` now. Raises ModelError if there is none."""
        saved.describe(folder)
        content = sha256(folder / saved.DOCUMENT)
        return cls(folder=folder.absolute(), sha256=content, device=device, precision=precision, threads=threads)

    def prepare(self, size: int) -> Runtime:
        """The network, ready for images of ``size`` pixels.

        On a CPU its OpenVINO graph is run, which loads no torch. Where the graph is missing or gives other rows than
        it did when it was made, and on a GPU, torch builds the network from its tensors.

        Raises:
            ModelError: files missing, changed, for images of another size, or the graph asked for is not there or does
                not compute what it did.
            OptionError, MissingPackageError: as `prepare`; or ``threads`` below 1.
        """
        description = saved.describe(self.folder, size=size)
        content = sha256(self.folder / saved.DOCUMENT)
        if content != self.sha256:
            expected, todo = f"{saved.DOCUMENT} with SHA-256 {self.sha256}", "open the model again: it was replaced"
            raise ModelError.of(f"network {self.folder}", expected=expected, found=content, todo=todo)
        target, notes = _target(self.device, self.precision)
        if self.threads is not None and self.threads < 1:
            todo = "leave it out for all"
            raise OptionError.of("threads", expected="1 or more", found=str(self.threads), todo=todo)
        if target == "openvino":
            runtime: Runtime | None = None
            notes = (RuntimeNote(what="no graph"),)
            if (self.folder / graph.DOCUMENT).is_file():
                runtime, notes = graph.compile_graph(self.folder, precision=self.precision, threads=self.threads)
            if runtime is not None:
                if (runtime.size, runtime.widths) != (size, description.widths):
                    expected, found = (
                        f"images of {size} pixels, rows of {dict(description.widths)}",
                        f"{runtime.size}, {runtime.widths}",
                    )
                    raise ModelError.of(f"graph {self.folder}", expected=expected, found=found, todo=saved.COPY_AGAIN)
                return runtime
            if self.device == "openvino":
                raise ModelError.of(
                    f"graph {self.folder}",
                    expected="a graph with the rows it gave when it was made",
                    found=", ".join(
                        f"{note.what} {note.runtime} {note.parity:.4f}" if note.runtime else note.what for note in notes
                    ),
                    todo="choose the device torch, or save the model again with the versions installed here",
                )
            target = "cpu"
        import torch

        from headstart.backbones import eager

        if self.threads is not None:
            torch.set_num_threads(self.threads)
        frozen, identity = saved.read(self.folder, size=size)
        return eager.fastest(frozen, identity, target=target, precision=self.precision, notes=notes)


@dataclass(frozen=True, kw_only=True)
class SpaceSpec:
    """Picklable data from which any process opens the same space, and so computes the same rows, bit for bit."""

    network: NetworkSpec | SavedSpec
    geometry: Geometry
    """How images are made square, and the side of the square."""

    @property
    def size(self) -> int:
        """Side in pixels of the decoded images."""
        return self.geometry.size

    def open(self) -> Space:
        """Make the network ready to run, which takes a second or several; raises as ``network.prepare`` does."""
        return Space(runtime=self.network.prepare(self.size), geometry=self.geometry)


def _unpacked(files: Mapping[str, bytes], geometry: Geometry, name: str) -> Space:
    """The space of a network with these files, run as a runtime of this ``name`` runs it, if there is its device."""
    engine, precision, *device = name.split()
    scratch = tempfile.TemporaryDirectory(prefix="headstart-")
    for file, content in files.items():
        (Path(scratch.name) / file).write_bytes(content)
    wanted = {"cpu": "torch"}.get(device[0], device[0]) if device else engine
    try:
        runtime = SavedSpec.of(Path(scratch.name), device=wanted, precision=precision).prepare(geometry.size)
    except (OptionError, MissingPackageError):
        runtime = SavedSpec.of(Path(scratch.name)).prepare(geometry.size)
    weakref.finalize(runtime, scratch.cleanup)  # a graph is read again when it is compiled for batches, and when saved
    return Space(runtime=runtime, geometry=geometry)


_opening = Lock()


def opened(space: Space | SpaceSpec) -> Space:
    """The space itself, or what a spec describes, opened once in each process."""
    if isinstance(space, Space):
        return space
    with _opening:
        return _opened(space)


@cache
def _opened(spec: SpaceSpec) -> Space:
    return spec.open()


# ---------------------------------------------------------------- what runs it


def prepare(
    frozen: Callable[[], FrozenModule],
    identity: Mapping[str, Any],
    *,
    cache: Path,
    device: str = "auto",
    precision: str = "auto",
) -> Runtime:
    """The fastest faithful runtime for a frozen network.

    Args:
        frozen: makes the network, which takes images and says in ``widths`` which rows it gives; called only where no
            graph of it is in the cache.
        identity: everything that determines what it computes before a runtime rounds it; ``size`` among it.
        cache: folder for converted graphs, shared by all runs.
        device: ``openvino`` (CPU), ``torch`` (CPU), ``cuda``, ``mps``; ``auto`` takes a GPU that torch sees,
            else OpenVINO, else torch.
        precision: ``bf16``, ``f32``; ``auto`` takes bf16 where the hardware computes in it.

    Raises:
        OptionError: a device or precision that does not exist, or that this machine does not have.
        MissingPackageError: OpenVINO was asked for and is not installed.
    """
    target, notes = _target(device, precision)
    if target == "openvino":
        runtime, notes = _graph(frozen, identity, cache, precision)
        if runtime is not None:
            return runtime
        target = "cpu"
    from headstart.backbones import eager

    return eager.fastest(frozen(), identity, target=target, precision=precision, notes=notes)


def _graph(
    frozen: Callable[[], FrozenModule], identity: Mapping[str, Any], cache: Path, precision: str
) -> tuple[Runtime | None, Notes]:
    """The graph of a network, and notes; where the cache cannot be used, in a scratch folder, where there is one."""
    try:
        return _graph_in(cache / "graphs", frozen, identity, precision)
    except (OSError, ModelError) as error:
        cache_folder.note_unusable(cache, error)
    try:
        return _graph_in(_scratch(), frozen, identity, precision)
    except (OSError, ModelError):
        return None, (RuntimeNote(what="no graph"),)


def _graph_in(
    graphs: Path, frozen: Callable[[], FrozenModule], identity: Mapping[str, Any], precision: str
) -> tuple[Runtime | None, Notes]:
    """The graph in ``graphs``, made where there is none that is sound. Raises OSError, or ModelError."""
    folder = cache_folder.made(graphs) / digest(identity)
    try:
        found = graph.compile_graph(folder, precision=precision, cached=True)
    except ModelError:  # not there yet, or damaged: either way it is made anew
        if os.path.lexists(folder):
            cache_folder.note_damaged(1)
            cache_folder.discard(folder)
        graph.convert(frozen(), identity, folder)
        found = graph.compile_graph(folder, precision=precision, cached=True)
    with suppress(OSError):  # of a cache that can only be read
        os.utime(folder)
    return found


@cache
def _scratch() -> Path:
    """A folder that takes the place of the cache until the process ends. Raises OSError."""
    folder = tempfile.mkdtemp(prefix="headstart-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def _target(device: str, precision: str) -> tuple[str, Notes]:
    """``openvino``, ``cpu``, ``cuda`` or ``mps``, and what is to be said about it; raises as `prepare`."""
    not_forked()
    for option, value, allowed in (("device", device, DEVICES), ("precision", precision, PRECISIONS)):
        if value not in allowed:
            expected = f"one of {', '.join(allowed)}"
            raise OptionError.of(option, expected=expected, found=repr(value), todo="choose one of them")
    target = accelerator() or "openvino" if device == "auto" else {"torch": "cpu"}.get(device, device)
    if target != "openvino" or graph.available():
        return target, ()
    if device == "openvino":
        raise MissingPackageError("openvino", "the device openvino", "pip install openvino")
    return "cpu", (RuntimeNote(what="no openvino"),)
