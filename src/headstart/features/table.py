"""The rows of one image set, fetched when they are asked for.

Whoever chooses a model asks for (size, output, pictures) and gets an array; what is not in the store yet is computed
on the way. So a candidate that is never looked at costs nothing, and one that was looked at before costs a read.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from headstart.backbones.space import Space
from headstart.features.extract import extract_to_store
from headstart.features.store import FeatureStore
from headstart.images.folder import ImageSet
from headstart.images.transforms import View
from headstart.progress import Progress, Silent

_KEEP_TOGETHER = 256  # values of `remembered` in one transaction


class FeatureTable:
    """Rows of ``images`` at any input size. Several threads may ask at once; one at a time is served.

    ``space_at(size)`` prepares the network for an input size; it is called once for each size that is used and not yet
    in ``spaces``.
    """

    def __init__(
        self,
        images: ImageSet,
        space_at: Callable[[int], Space],
        store: FeatureStore,
        *,
        spaces: dict[int, Space] | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.images = images
        self.store = store
        self.progress = progress or Silent()
        self.seconds = 0.0
        self._lock = Lock()
        self._space_at = space_at
        self._spaces = {} if spaces is None else spaces
        self._rate: tuple[float, int] | None = None  # pictures per second, measured at this size

    def space(self, size: int) -> Space:
        """The space of an input size."""
        if size not in self._spaces:
            with self.progress.stage(f"preparing the network at {size}", 1):
                self._spaces[size] = self._space_at(size)
        return self._spaces[size]

    def through(self, space: Space) -> FeatureTable:
        """The same pictures through one network, whatever the size asked for."""
        spaces = {space.geometry.size: space}
        return FeatureTable(self.images, lambda size: space, self.store, spaces=spaces, progress=self.progress)

    def fill(
        self, size: int, index: NDArray[np.int64] | None = None, views: Sequence[View] = (View.CENTRE,)
    ) -> dict[int, str]:
        """Compute what is missing; returns ``{index of a picture: why it cannot be read}``."""
        wanted = np.arange(len(self.images)) if index is None else index
        start, space = time.monotonic(), self.space(size)
        before = self.store.known(space.key(views[0], "last"), [self.images.digests[i] for i in wanted])
        began = time.monotonic()
        failed = extract_to_store(
            [self.images.paths[i] for i in wanted],
            [self.images.digests[i] for i in wanted],
            space,
            self.store,
            views=views,
            progress=self.progress,
        )
        computed = len({self.images.digests[i] for i in wanted} - before) * len(views)
        if computed >= space.runtime.batch:
            self._rate = computed / (time.monotonic() - began), size
        self.seconds += time.monotonic() - start
        return {int(wanted[i]): reason for i, reason in failed.items()}

    def rows(
        self, size: int, output: str, index: NDArray[np.int64], views: Sequence[View] = (View.CENTRE,)
    ) -> NDArray[np.float32]:
        """The rows of the pictures ``index``, one block of them after the other for each view: (views · n, d)."""
        with self._lock:
            try:
                return self._read(size, output, index, views)
            except KeyError:  # not all are there yet
                failed = self.fill(size, index, views)
            if failed:
                i, reason = next(iter(failed.items()))
                raise RuntimeError(f"{self.images.paths[i]} could be read before and cannot now: {reason}")
            return self._read(size, output, index, views)

    def remembered(
        self, space: str, compute: Callable[[Path], bytes | None], *, stage: str, index: NDArray[np.int64] | None = None
    ) -> Iterator[bytes | None]:
        """What ``compute`` makes of each picture's file, in threads and only where the store has nothing in ``space``.

        ``space`` names everything but the picture that changes the value. None is not kept: such a file is asked for
        again the next time. Few values are in memory at a time.
        """
        wanted = range(len(self.images)) if index is None else index.tolist()
        digests = [self.images.digests[i] for i in wanted]
        known = self.store.known(space, set(digests))
        todo = {digest: self.images.paths[i] for i, digest in zip(wanted, digests, strict=True) if digest not in known}
        fresh: dict[str, bytes] = {}
        with (
            self.progress.stage(stage, len(todo)) as advance,
            ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="decode") as pool,
        ):
            for done, (digest, value) in enumerate(zip(todo, pool.map(compute, todo.values()), strict=True), start=1):
                if value is not None:
                    fresh[digest] = value
                if len(fresh) >= _KEEP_TOGETHER or done == len(todo):
                    self.store.keep(space, fresh)
                    fresh = {}
                advance(done)
        for start in range(0, len(digests), _KEEP_TOGETHER):
            block = digests[start : start + _KEEP_TOGETHER]
            values = self.store.values(space, set(block))
            yield from (values.get(digest) for digest in block)

    def _read(self, size: int, output: str, index: NDArray[np.int64], views: Sequence[View]) -> NDArray[np.float32]:
        space = self.space(size)
        digests = [self.images.digests[i] for i in index]
        width = space.runtime.widths[output]
        blocks = [self.store.read(space.key(view, output), digests, width) for view in views]
        return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)

    def estimate(self, size: int, index: NDArray[np.int64], views: Sequence[View] = (View.CENTRE,)) -> float:
        """Seconds that :meth:`rows` would take to compute what is missing, from the rate seen so far; 0 if unknown.

        The cost of a convolutional network grows with the number of pixels.
        """
        if self._rate is None:
            return 0.0
        wanted = {self.images.digests[i] for i in index}
        known = len(self.store.known(self.space(size).key(views[0], "last"), wanted)) if size in self._spaces else 0
        return (len(wanted) - known) * len(views) / self.rate(size)

    def rate(self, size: int) -> float:
        """Pictures per second at an input size, from the rate seen so far; else measured on made-up pictures."""
        if self._rate is None:
            runtime = self.space(size).runtime
            batch = np.zeros((runtime.batch, size, size, 3), np.uint8)
            start = time.monotonic()
            for _ in runtime.run([batch] * 3):
                pass
            self._rate = 3 * runtime.batch / (time.monotonic() - start), size
        rate, measured_at = self._rate
        return rate * (measured_at / size) ** 2
