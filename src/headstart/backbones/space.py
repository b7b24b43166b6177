"""Where a feature row lives: a network, its geometry and what runs it. As data that can be sent, and opened."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from headstart.backbones import catalog
from headstart.backbones.catalog import Backbone
from headstart.backbones.runtime import Runtime, prepare
from headstart.backbones.weights import Weights, locate
from headstart.images.transforms import Geometry, View


@dataclass(frozen=True, kw_only=True)
class Space:
    """An open space: everything that fixes the value of a row except the picture."""

    runtime: Runtime
    geometry: Geometry

    def key(self, view: View, output: str) -> str:
        """The name of this space in the store."""
        return f"{self.runtime.key}|{self.geometry.key()}|{view.value}|{output}"


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
        cls,
        backbone: str,
        weights: str | None = None,
        *,
        cache: Path,
        device: str = "auto",
        precision: str = "auto",
    ) -> NetworkSpec:
        """The network of that name with its own weights, those of a file, or ``"random"`` ones.

        Raises:
            OptionError: nobody knows the name.
            WeightsError, MissingPackageError: as `weights.locate`.
        """
        record, random = catalog.get(backbone), weights == "random"
        located = locate(record, random=random, file=Path(weights) if weights and not random else None)
        return cls(backbone=record, weights=located, cache=cache, device=device, precision=precision)

    def untrained(self) -> NetworkSpec:
        """The same network with random weights."""
        return replace(self, weights=locate(self.backbone, random=True))

    def at(self, size: int) -> SpaceSpec:
        """The space of an input size in pixels."""
        return SpaceSpec(network=self, size=size)


@dataclass(frozen=True, kw_only=True)
class SpaceSpec:
    """Picklable data from which any process opens the same space, and so computes the same rows, bit for bit."""

    network: NetworkSpec
    size: int
    """Side in pixels of the decoded pictures."""

    @property
    def geometry(self) -> Geometry:
        """How pictures are made square."""
        backbone = self.network.backbone
        return Geometry(size=self.size, crop_pct=backbone.crop_pct, interpolation=backbone.interpolation)

    def open(self) -> Space:
        """Make the network ready to run, which takes a second or several. Raises as `runtime.prepare` does."""
        network = self.network
        runtime = prepare(
            network.backbone,
            network.weights,
            size=self.size,
            cache=network.cache,
            device=network.device,
            precision=network.precision,
        )
        return Space(runtime=runtime, geometry=self.geometry)
