"""What one piece of work shares from beginning to end: the open store, the open networks, progress and the clock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from threading import Lock

import numpy as np

from headstart.backbones.space import NetworkSpec, Space
from headstart.features.store import FeatureStore, open_store
from headstart.progress import Clock, Progress, Silent


@dataclass(kw_only=True, eq=False)
class Workbench:
    """Made once and closed once, with `open`. Several threads may share it."""

    store: FeatureStore
    network: NetworkSpec
    progress: Progress = field(default_factory=Silent)
    clock: Clock = field(default_factory=Clock)
    lock: Lock = field(default_factory=Lock)
    """Held while rows are computed or read: the store serves one thread at a time."""
    _spaces: dict[int, Space] = field(default_factory=dict)
    _only: Space | None = None
    """The one space there is, where this is a bench made by `through`."""
    _rate: tuple[float, int] | None = None
    """Images per second, and the input size they were measured at."""

    @classmethod
    @contextmanager
    def open(
        cls, network: NetworkSpec, *, progress: Progress | None = None, budget: float | None = None
    ) -> Iterator[Workbench]:
        """The workbench of a pretrained network; its store is trimmed and closed when the block is left."""
        with open_store(network.cache) as store:
            yield cls(store=store, network=network, progress=progress or Silent(), clock=Clock(budget))

    def space(self, size: int) -> Space:
        """The network, ready to run at an input size in pixels; preparing it takes seconds, once."""
        if self._only is not None:
            return self._only
        if size not in self._spaces:
            with self.progress.stage(f"preparing the network at {size}", 1):
                self._spaces[size] = self.network.at(size).open()
        return self._spaces[size]

    def with_network(self, network: NetworkSpec) -> Workbench:
        """The same store, progress and clock with another network."""
        return replace(self, network=network, _spaces={}, _only=None, _rate=None)

    def through(self, space: Space) -> Workbench:
        """The same store, progress and clock with one open network, whatever the size asked for."""
        return replace(self, _spaces={}, _only=space, _rate=None)

    def saw(self, images: int, seconds: float, size: int) -> None:
        """Remember how fast rows were computed; too few images to fill a batch say nothing."""
        if images >= self.space(size).runtime.batch:
            self._rate = images / seconds, size

    def rate(self, size: int, *, measure: bool = True) -> float | None:
        """Images per second at an input size: from what was seen, else measured on made-up images, or None.

        The cost of a convolutional network grows with the number of pixels.
        """
        if self._rate is None and measure:
            runtime = self.space(size).runtime
            batch = np.zeros((runtime.batch, size, size, 3), np.uint8)
            start = time.monotonic()
            for _ in runtime.run([batch] * 3):
                pass
            self._rate = 3 * runtime.batch / (time.monotonic() - start), size
        if self._rate is None:
            return None
        rate, measured_at = self._rate
        return rate * (measured_at / size) ** 2

    def is_open(self, size: int) -> bool:
        """Whether the network was prepared at this input size."""
        return self._only is not None or size in self._spaces
