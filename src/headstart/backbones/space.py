"""A space: everything but the image that fixes the value of a feature row; as picklable data, and opened.

A network runs as fast as this machine can: in OpenVINO on the CPU, in torch on a GPU. Only the first run of a network
on a machine needs torch: it leaves a graph that later runs open in under a second, at any size. The bundled network
needs no torch at all, see `topology`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from headstart import cache_folder
from headstart.backbones import catalog, graph, topology
from headstart.backbones.prepared import AnySize, prepare
from headstart.backbones.pretrained import Backbone
from headstart.backbones.runtime import Runtime
from headstart.backbones.saved_spec import SavedSpec, packed, unpacked
from headstart.backbones.weights import Weights, locate, locate_named
from headstart.errors import ModelError
from headstart.files import digest
from headstart.images.grey_levels import Levels
from headstart.images.transforms import Geometry, View
from headstart.versions import version

if TYPE_CHECKING:
    from headstart.backbones.network import FrozenModule

__all__ = ["NetworkSpec", "SavedSpec", "Space", "SpaceSpec", "opened"]

OUTPUTS_VERSION = 2
"""Part of every key: raised whenever the rows of the same network come to mean something else."""


@dataclass(frozen=True, kw_only=True)
class Space:
    """An open space: everything that fixes the value of a row except the image."""

    runtime: Runtime
    geometry: Geometry
    spec: SpaceSpec | None = field(default=None, compare=False)
    """What it was opened from, where any machine has that network; None where its files are only here."""

    def key(self, view: View, output: str) -> str:
        """The name of this space in the store."""
        return f"{self.runtime.key}|{self.geometry.key()}|{view.value}|{output}"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled as the files of its network, from which any process opens the same one."""
        return _unpickled, (packed(self.runtime), self.geometry, self.runtime.name)

    def __deepcopy__(self, memo: object) -> Space:
        """Itself: nothing of it is ever changed."""
        return self

    def levelled(self, levels: Levels | None) -> Space:
        """The same network for images of a set of these levels."""
        geometry = replace(self.geometry, levels=levels)
        return replace(self, geometry=geometry, spec=self.spec and replace(self.spec, geometry=geometry))

    def single(self) -> Space:
        """The same network for one image at a time, see `runtime.Runtime.single`."""
        return replace(self, runtime=self.runtime.single(), spec=None)


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

    @property
    def needs_no_torch(self) -> bool:
        """Whether it is run in OpenVINO from a `topology`."""
        on_the_cpu = self.device in ("auto", "openvino") and graph.available()
        return on_the_cpu and topology.of(self.backbone, self.weights) is not None

    def untrained(self) -> NetworkSpec:
        """The same network with random weights, which for networks with a `topology` NumPy draws."""
        known = topology.named(self.backbone.architecture)
        return replace(self, weights=known.untrained() if known else locate(self.backbone, random=True))

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
        backbone = self.backbone
        common = {
            "architecture": backbone.architecture,
            "weights": self.weights.sha256,
            "mean": backbone.mean,
            "std": backbone.std,
            "size": size,
            "outputs": OUTPUTS_VERSION,
        }
        by_torch = {
            **common,
            "timm": version("timm"),
            "torch": version("torch"),
        }

        def frozen() -> FrozenModule:
            from headstart.backbones.network import freeze

            return freeze(backbone, self.weights, size=size)

        any_size = [AnySize(identity=by_torch, write=partial(self._convert, by_torch))]
        if known := topology.of(backbone, self.weights):
            identity = {**common, "topology": known.sha256}
            any_size.insert(0, AnySize(identity=identity, write=partial(known.write, backbone, self.weights, identity)))
        return prepare(
            frozen, by_torch, cache=self.cache, device=self.device, precision=self.precision, any_size=any_size
        )

    def _convert(self, identity: Mapping[str, Any], folder: Path) -> None:
        """Write a graph for every size into ``folder``. Raises ModelError where the architecture has none."""
        from headstart.backbones import conversion, network

        backbone = self.backbone
        if not network.takes_any_size(backbone):
            expected, found = "an architecture for images of any size", backbone.architecture
            raise ModelError.of("graph", expected=expected, found=found, todo="make one for each size")
        own = backbone.input_size
        frozen = network.freeze(backbone, self.weights, size=own)
        odd = own * 3 // 4 | 1  # every rounding of a map's side, and so of its padding, comes out otherwise
        conversion.write(frozen, {**identity, "size": own}, folder, also_at=sorted({odd, *backbone.sizes} - {own}))

    def depth_channels(self) -> tuple[tuple[str, int], ...]:
        """Name and channels of each depth of the row ``depths``, in its order.

        Known without torch of a network with a `topology`, and of others once it was asked: kept in ``cache``.
        """
        backbone = self.backbone
        if known := topology.named(backbone.architecture):
            return known.depth_channels
        identity = {"architecture": backbone.architecture, "outputs": OUTPUTS_VERSION, "size": backbone.input_size}
        file = self.cache / "depths" / f"{digest(identity)}.json"
        if (kept := cache_folder.kept(file)) is not None and kept["identity"] == identity:
            return tuple((name, channels) for name, channels in kept["channels"])
        from headstart.backbones.network import freeze

        channels = freeze(backbone, locate(backbone, random=True), size=backbone.input_size).depth_channels
        cache_folder.keep(file, {"identity": identity, "channels": channels})
        return channels


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
        spec = self if isinstance(self.network, NetworkSpec) else None
        return Space(runtime=self.network.prepare(self.size), geometry=self.geometry, spec=spec)


def _unpickled(files: Mapping[str, bytes], geometry: Geometry, name: str) -> Space:
    return Space(runtime=unpacked(files, name, geometry.size), geometry=geometry)


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
