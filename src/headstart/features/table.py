"""The rows of one image set, fetched when they are asked for, and what one piece of work shares to compute them.

Whoever chooses a model asks for (size, output, images) and gets an array; what is not in the store yet is computed
on the way. So a candidate that is never looked at costs nothing, and one that was looked at before costs a read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from threading import Lock

import numpy as np

from headstart.arrays import Index, Rows
from headstart.backbones.space import NetworkSpec, Space
from headstart.cache_folder import cache_folder
from headstart.errors import UnreadableImageError
from headstart.features.cluster import Cluster
from headstart.features.extract import Engine, extract_to_store, here
from headstart.features.spread import Spread, in_threads
from headstart.images.decode import DECODER, read_extent
from headstart.images.folder import ImageSet
from headstart.images.grey_levels import Extent
from headstart.images.notes import Note
from headstart.images.reading import changed
from headstart.images.threads import in_order
from headstart.images.transforms import View
from headstart.options import FitOptions
from headstart.progress import Clock, Progress, Silent
from headstart.store import FeatureStore, open_store

LEAST_TIMED = 16
"""Images from which their number over their time is a rate."""
_EXTENTS = f"extents1|{DECODER}"
"""The space of extents in the store. Its number is raised with every change to what `read_extent` answers."""
_KEEP_TOGETHER = 256  # values of `remembered` in one transaction
_LOSSES = 3  # rows are missing at first, and where the store is begun anew, and where it goes on in memory


@dataclass(kw_only=True, eq=False)
class Workbench:
    """Made once and closed once, with `open`. Several threads may share it."""

    store: FeatureStore
    network: NetworkSpec
    progress: Progress = field(default_factory=Silent)
    clock: Clock = field(default_factory=Clock)
    engine: Engine = here
    """Who computes the rows."""
    lock: Lock = field(default_factory=Lock)
    """Held while rows are computed or read: the store serves one thread at a time."""
    _spaces: dict[int, Space] = field(default_factory=dict)
    _begun: dict[int, Future[Space]] = field(default_factory=dict)
    _only: Space | None = None
    """The one space there is, where this is a bench made by `through`."""
    _unrounded: Workbench | None = None
    measured: tuple[float, int] | None = None
    """Images per second, and the input size that they were measured at; None before any were seen."""

    @classmethod
    @contextmanager
    def open(
        cls,
        network: NetworkSpec,
        *,
        progress: Progress | None = None,
        budget: float | None = None,
        engine: Engine | None = None,
    ) -> Iterator[Workbench]:
        """The workbench of a pretrained network; its store is trimmed and closed when the block is left."""
        with open_store(network.cache) as store:
            progress, clock = progress or Silent(), Clock(budget)
            yield cls(store=store, network=network, progress=progress, clock=clock, engine=engine or here)

    @property
    def spread(self) -> Spread:
        """Who does the parts of work on rows that falls into some."""
        return self.engine.spread if isinstance(self.engine, Cluster) else in_threads

    @classmethod
    @contextmanager
    def of(
        cls, options: FitOptions, progress: Progress | None = None, engine: Engine | None = None
    ) -> Iterator[Workbench]:
        """The workbench of the network that ``options`` name. Raises OptionError or WeightsError if there is none."""
        cache = Path(options.cache) if options.cache else cache_folder()
        network = NetworkSpec.named(
            options.backbone, options.weights, cache=cache, device=options.device, precision=options.precision
        )
        with cls.open(network, progress=progress, budget=options.budget, engine=engine) as bench:
            yield bench

    def space(self, size: int) -> Space:
        """The network, ready to run at an input size in pixels; preparing it takes seconds, once."""
        if self._only is not None:
            return self._only
        if size not in self._spaces:
            with self.progress.stage(f"preparing the network at {size}", None):
                begun = self._begun.pop(size, None)
                self._spaces[size] = begun.result() if begun else self.network.at(size).open()
        return self._spaces[size]

    def begin(self, size: int) -> None:
        """Prepare the network at an input size while other work is done, for which `space` then waits.

        Not where that may need torch, which no thread should import beside others that import.
        """
        if self.network.needs_no_torch:
            pool = ThreadPoolExecutor(1, thread_name_prefix="headstart")
            self._begun[size] = pool.submit(self.network.at(size).open)
            pool.shutdown(wait=False)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Show a stage, and add the seconds that the block takes to those of the stage."""
        with self.clock.timed(stage), self.progress.stage(stage, None):
            yield

    def with_network(self, network: NetworkSpec) -> Workbench:
        """The same store, progress and clock with another network."""
        return replace(self, network=network, _spaces={}, _begun={}, _only=None, _unrounded=None, measured=None)

    def unrounded(self) -> Workbench:
        """The same with the network as it computes where 8 bits are not asked for; one and the same bench each time."""
        if self._unrounded is None:
            self._unrounded = self.with_network(replace(self.network, precision="auto"))
        return self._unrounded

    def through(self, space: Space) -> Workbench:
        """The same store, progress and clock with one open network, whatever the size asked for."""
        return replace(self, _spaces={}, _begun={}, _only=space, measured=None)

    def saw(self, images: int, seconds: float, size: int) -> None:
        """Remember how fast rows were computed; of a few images that says nothing."""
        if images >= max(self.space(size).runtime.batch, LEAST_TIMED):
            self.measured = images / seconds, size

    def rate(self, size: int) -> float:
        """Images per second at an input size, from the rate seen so far; else measured on made-up images.

        The cost of a convolutional network grows with the number of pixels.
        """
        if self.measured is None:
            runtime = self.space(size).runtime
            batch = np.zeros((runtime.batch, size, size, 3), np.uint8)
            number = -(-3 * LEAST_TIMED // runtime.batch)
            start = time.monotonic()
            for _ in runtime.run([batch] * number):
                pass
            self.measured = number * runtime.batch / (time.monotonic() - start), size
        rate, measured_at = self.measured
        return rate * (measured_at / size) ** 2

    def is_open(self, size: int) -> bool:
        """Whether the network was prepared at this input size."""
        return self._only is not None or size in self._spaces


class FeatureTable:
    """Rows of ``images`` at any input size. Several threads may ask at once; one at a time is served."""

    def __init__(self, images: ImageSet, bench: Workbench) -> None:
        self.images, self.bench = images, bench

    def of(self, images: ImageSet) -> FeatureTable:
        """The table of other images on the same workbench."""
        return FeatureTable(images, self.bench)

    def through(self, space: Space, output: str, index: Index) -> Rows:
        """The rows (n, d) of the images ``index`` as another open network gives them."""
        return FeatureTable(self.images, self.bench.through(space)).rows(space.geometry.size, output, index)

    def space(self, size: int) -> Space:
        """The space of an input size, for the levels of the images."""
        return self.bench.space(size).levelled(self.images.levels)

    def fill(
        self,
        size: int,
        index: Index | None = None,
        views: Sequence[View] = (View.CENTRE,),
        *,
        notes: Sequence[Note] = (),
    ) -> dict[int, str]:
        """Compute what is missing, and ``notes`` with it; returns ``{index of an image: why it cannot be read}``."""
        wanted = np.arange(len(self.images)) if index is None else index
        space, digests = self.space(size), [self.images.digests[i] for i in wanted]
        store, progress, began = self.bench.store, self.bench.progress, time.monotonic()
        before = store.known(space.key(views[0], "last"), digests)
        paths = [self.images.paths[i] for i in wanted]
        failed = extract_to_store(
            paths, digests, space, store, views=views, notes=notes, progress=progress, engine=self.bench.engine
        )
        self.bench.saw(len(set(digests) - before) * len(views), time.monotonic() - began, size)
        return {int(wanted[i]): reason for i, reason in failed.items()}

    def levelled(self) -> FeatureTable:
        """The table of the same images with their levels, for which the deep training images are decoded once."""
        index = self.images.deep_training()
        if not len(index):
            return self
        kept = self.remembered(_EXTENTS, _extent, stage="grey levels", index=index)
        return self.of(self.images.levelled(Extent.unpacked(data) for data in kept if data is not None))

    def readable(self, size: int, notes: Sequence[Note] = ()) -> FeatureTable:
        """The table of what can be decoded, rows at ``size`` computed; the rest is left out with the reason.

        The ``notes`` that will be asked for are taken in the same pass over the files.

        Raises:
            DataError: too few images of a class are left.
        """
        failed = self.fill(size, notes=notes)
        return self.of(self.images.without({self.images.paths[i]: reason for i, reason in failed.items()}))

    def rows(self, size: int, output: str, index: Index, views: Sequence[View] = (View.CENTRE,)) -> Rows:
        """The rows of the images ``index``, one block of them after the other for each view: (views · n, d)."""
        with self.bench.lock:
            for _ in range(len(views) + _LOSSES):
                try:
                    return self._read(size, output, index, views)
                except KeyError:  # not all are there yet, or some were damaged and are gone
                    failed = self.fill(size, index, views)
                if failed:
                    raise changed({self.images.paths[i]: reason for i, reason in failed.items()})
            return self._read(size, output, index, views)

    def noted(self, note: Note, *, stage: str, index: Index | None = None) -> Iterator[bytes | None]:
        """What a note says of each image; None where one cannot be read. Taken now where that is not done yet."""
        levels = self.images.levels
        return self.remembered(note.space(levels), partial(note.of_file, levels=levels), stage=stage, index=index)

    def remembered(
        self, space: str, compute: Callable[[Path], bytes | None], *, stage: str, index: Index | None = None
    ) -> Iterator[bytes | None]:
        """What ``compute`` makes of each image's file, in threads and only where the store has nothing in ``space``.

        ``space`` names everything but the image that changes the value. None is not kept: such a file is asked for
        again the next time. Few values are in memory at a time.
        """
        wanted = range(len(self.images)) if index is None else index.tolist()
        digests = [self.images.digests[i] for i in wanted]
        paths = {digest: self.images.paths[i] for i, digest in zip(wanted, digests, strict=True)}
        store, known, none = self.bench.store, self.bench.store.known(space, paths), set[str]()
        todo = [digest for digest in paths if digest not in known]
        fresh: dict[str, bytes] = {}
        begun = self.bench.progress.stage(stage, len(todo)) if todo else nullcontext(lambda done: None)
        with begun as advance:
            values = in_order(compute, (paths[digest] for digest in todo), window=_KEEP_TOGETHER)
            for done, (digest, value) in enumerate(zip(todo, values, strict=True), start=1):
                if value is not None:
                    fresh[digest] = value
                else:
                    none.add(digest)
                if len(fresh) >= _KEEP_TOGETHER or done == len(todo):
                    store.keep(space, fresh)
                    fresh = {}
                advance(done)
        for start in range(0, len(digests), _KEEP_TOGETHER):
            block = digests[start : start + _KEEP_TOGETHER]
            kept: dict[str, bytes | None] = dict(store.values(space, set(block)))
            if damaged := [digest for digest in dict.fromkeys(block) if digest not in kept and digest not in none]:
                kept |= zip(damaged, in_order(compute, (paths[digest] for digest in damaged)), strict=True)
                store.keep(space, {digest: value for digest in damaged if (value := kept[digest]) is not None})
            yield from (kept.get(digest) for digest in block)

    def _read(self, size: int, output: str, index: Index, views: Sequence[View]) -> Rows:
        space = self.space(size)
        digests = [self.images.digests[i] for i in index]
        width = space.runtime.widths[output]
        blocks = [self.bench.store.read(space.key(view, output), digests, width) for view in views]
        return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)

    def estimate(self, size: int, index: Index, views: Sequence[View] = (View.CENTRE,)) -> float:
        """Seconds that :meth:`rows` would take to compute what is missing, from the rate seen so far; 0 if unknown."""
        if self.bench.measured is None:
            return 0.0
        wanted = {self.images.digests[i] for i in index}
        opened = self.bench.is_open(size)
        known = len(self.bench.store.known(self.space(size).key(views[0], "last"), wanted)) if opened else 0
        return (len(wanted) - known) * len(views) / self.bench.rate(size)


def _extent(path: Path) -> bytes | None:
    try:
        extent = read_extent(path)
    except UnreadableImageError:  # said where its rows are computed
        return None
    return extent.packed() if extent else None
