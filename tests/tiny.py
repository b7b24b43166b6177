"""The one fake: a backbone of a few lines that obeys the Runtime protocol, and tables that use it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart.backbones.space import Space
from headstart.features.table import FeatureTable, Workbench
from headstart.images.folder import ImageSet
from headstart.images.transforms import Geometry
from headstart.store import FeatureStore


class TinyRuntime:
    """``last``: mean colour and contrast, 6 numbers; ``depths``: these and how rough the picture is, 12 numbers."""

    name = "tiny"
    precision = "f32"
    parity = 1.0
    notes: tuple[str, ...] = ()
    widths = {"last": 6, "depths": 12}  # noqa: RUF012

    def __init__(self, size: int, batch: int = 4) -> None:
        self.size, self.batch, self.key = size, batch, f"tiny-{size}"
        self.pictures_seen = 0

    def run(self, batches: Iterable[NDArray[np.uint8]]) -> Iterator[dict[str, NDArray[np.float32]]]:
        for pictures in batches:
            assert pictures.shape[1:] == (self.size, self.size, 3)
            assert len(pictures) <= self.batch
            self.pictures_seen += len(pictures)
            x = pictures.astype(np.float32) / 255
            last = np.concatenate([x.mean(axis=(1, 2)), x.std(axis=(1, 2))], axis=1)
            rough = [np.abs(np.diff(x, axis=axis)).mean(axis=(1, 2)) for axis in (1, 2)]
            yield {"last": last, "depths": np.concatenate([last, *rough], axis=1)}

    def single(self) -> TinyRuntime:
        return self

    def save(self, folder: Path) -> None:
        (folder / "graph.json").write_text("{}")


class TinySpec:
    """Stands for a `headstart.backbones.space.SpaceSpec`."""

    def __init__(self, size: int) -> None:
        self.size = size

    def open(self) -> Space:
        return Space(runtime=TinyRuntime(self.size), geometry=Geometry(size=self.size, mode="squash"))


class TinyNetwork:
    """Stands for a `headstart.backbones.space.NetworkSpec`: the tiny network at every size."""

    at = TinySpec


def tiny_table(images: ImageSet, store: FeatureStore) -> FeatureTable:
    """A table whose network is the tiny one at every size."""
    return FeatureTable(images, Workbench(store=store, network=TinyNetwork()))
