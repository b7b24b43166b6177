"""Where a feature row lives: a network, its geometry and what runs it. As data that can be sent, and opened."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from threading import Lock

from headstart.backbones import catalog, saved
from headstart.backbones.pretrained import Backbone
from headstart.backbones.runtime import Runtime, open_saved, prepare
from headstart.backbones.weights import Weights, locate, locate_named
from headstart.errors import ModelError, Problem
from headstart.files import sha256
from headstart.images.transforms import Geometry, View


@dataclass(frozen=True, kw_only=True)
class Space:
    """An open space: everything that fixes the value of a row except the picture."""

    runtime: Runtime
    geometry: Geometry

    def key(self, view: View, output: str) -> str:
        """The name of this space in the store."""
        return f"{self.runtime.key}|{self.geometry.key()}|{view.value}|{output}"

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
        """The network, ready for images of ``size`` pixels; raises as `runtime.prepare` does."""
        where = {"cache": self.cache, "device": self.device, "precision": self.precision}
        return prepare(self.backbone, self.weights, size=size, **where)  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True)
class SavedSpec:
    """A network in a model directory and where it is to run; plain data that can be pickled."""

    folder: Path
    sha256: str
    """Of its network.json, which holds the hash of the tensors: another network in the same folder is refused."""
    device: str = "auto"
    precision: str = "auto"
    threads: int | None = None
    """Most threads of the CPU that compute; all if None."""

    @classmethod
    def of(
        cls, folder: Path, *, device: str = "auto", precision: str = "auto", threads: int | None = None
    ) -> SavedSpec:
        """The network that is in ``folder`` now. Raises ModelError if there is none."""
        saved.describe(folder)
        content = sha256(folder / saved.DOCUMENT)
        return cls(folder=folder.absolute(), sha256=content, device=device, precision=precision, threads=threads)

    def prepare(self, size: int) -> Runtime:
        """The network, ready for images of ``size`` pixels; raises as `runtime.open_saved` does."""
        saved.describe(self.folder, size=size)
        content = sha256(self.folder / saved.DOCUMENT)
        if content != self.sha256:
            todo = "open the model again: it was replaced"
            problem = Problem(expected=f"{saved.DOCUMENT} with SHA-256 {self.sha256}", found=content, todo=todo)
            raise ModelError(f"network {self.folder}", [problem])
        where = {"device": self.device, "precision": self.precision, "threads": self.threads}
        return open_saved(self.folder, size=size, **where)  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True)
class SpaceSpec:
    """Picklable data from which any process opens the same space, and so computes the same rows, bit for bit."""

    network: NetworkSpec | SavedSpec
    geometry: Geometry
    """How pictures are made square, and the side of the square."""

    @property
    def size(self) -> int:
        """Side in pixels of the decoded images."""
        return self.geometry.size

    def open(self) -> Space:
        """Make the network ready to run, which takes a second or several; raises as ``network.prepare`` does."""
        return Space(runtime=self.network.prepare(self.size), geometry=self.geometry)


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
