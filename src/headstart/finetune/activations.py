"""Pictures × frozen prefix → the maps that are trained on, computed once for each fixed view.

A view is a number: ``PLAIN``, or k ≥ 0 for the k-th varied view, whose pixels follow from the picture's bytes, the
seed and k alone. Maps are rounded to bf16 whether they come from the file or are computed anew, so nothing depends
on which. With no prefix the same code hands on the pictures themselves, uint8.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from headstart.backbones.catalog import Backbone
from headstart.backbones.graph import digest
from headstart.backbones.parity import Rows
from headstart.backbones.runtime import Runtime, prepare_module
from headstart.backbones.split import FrozenPrefix
from headstart.errors import DataError, Problem, UnreadableImageError
from headstart.finetune import quota
from headstart.finetune.notes import DiskFull, Note, NotRepeatable, Remade, TooLarge
from headstart.finetune.plan import Augment
from headstart.images import augment
from headstart.images.threads import in_order
from headstart.images.transforms import Geometry
from headstart.progress import Progress, Silent

PLAIN = -1
CHECKED = 4
"""How many maps are computed again and compared before they are trained on."""
_COMMIT_EVERY = 256
_TOGETHER = 4
"""The most views that are made of a picture while it is decoded."""
_IN_MEMORY = 8_000_000
"""Bytes of a view up to which its maps are read into memory: a file each would use up the handles of a process."""
FRESH_VIEWS, FRESH_BYTES = 100, 500_000_000
"""The most views that are new in every epoch and kept all the same, and the most bytes of them."""

Wanted = Sequence[tuple[int, int]]
"""Pictures, by their position in ``paths``, each with the number of a view."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """How a picture becomes pixels: everything that decides them but the picture and the view's number."""

    geometry: Geometry
    augment: Augment
    seed: int

    def pixels(self, data: bytes, digest: str, views: Sequence[int]) -> list[NDArray[np.uint8]]:
        """The views ``views`` of a picture, each (s, s, 3), all plain or none. Raises UnreadableImageError."""
        kind = "none" if PLAIN in views else self.augment.kind
        numbers = [hashlib.sha256(f"{self.seed} {digest} {view}".encode()).hexdigest()[:16] for view in views]
        options = self.augment
        return augment.vary(
            data, self.geometry, kind, [int(number, 16) for number in numbers], area=options.area, turn=options.turn
        )

    def key(self, view: int) -> str:
        """The name of a view's pixels."""
        if view == PLAIN or self.augment.kind == "none":
            return self.geometry.key()
        one = self.augment
        varied = f"{one.kind}-{one.area}-{one.turn}-{self.seed}-{view}"
        return f"{self.geometry.key()}-augment{augment.ALGORITHM}-{varied}"


@dataclass(frozen=True, kw_only=True)
class Source:
    """What gives the maps that are trained on."""

    runtime: Runtime | None
    """None: nothing is frozen, the maps are the pictures themselves."""
    shape: tuple[int, ...]
    """Of one map, or ``(s, s, 3)``."""
    name: str = "map0"
    """Of the map among what the runtime gives."""

    @property
    def key(self) -> str:
        """Tells one source from another."""
        return "pictures" if self.runtime is None else f"{self.runtime.key}-{self.name}"


def sources(
    backbone: Backbone, frozen: FrozenPrefix, cuts: Sequence[int], *, reads: str, size: int, **where: Any
) -> tuple[Source, ...]:
    """Everything that the frozen part of a network gives in one pass, a source for each cut.

    Args:
        backbone: whose network it is.
        frozen: the part.
        cuts: where it is cut, as in `headstart.backbones.split.Split.at`.
        reads: the part of the plan that tells one whole trunk from another.
        size: side in pixels of the pictures.
        where: ``cache``, ``device`` and ``precision`` as for `headstart.backbones.runtime.prepare`.
    """
    content = hashlib.sha256()
    for name, value in sorted(frozen.state_dict().items()):  # an earlier phase may have trained a part of it
        content.update(name.encode() + value.contiguous().numpy().tobytes())
    identity = {
        "architecture": backbone.architecture,
        "weights": content.hexdigest(),
        "cuts": list(cuts),
        "reads": reads,
        "size": size,
        "timm": importlib.metadata.version("timm"),
        "torch": importlib.metadata.version("torch"),
    }
    runtime = prepare_module(backbone, frozen, identity, **where)
    return tuple(Source(runtime=runtime, shape=shape, name=name) for name, shape in frozen.shapes.items())


@dataclass(kw_only=True)
class ActivationCache:
    """The maps of a set of pictures, from a file where they are kept, else computed as they are asked for."""

    paths: Sequence[Path]
    digests: Sequence[str]
    """SHA-256 of each file; one that has changed since is not used."""
    look: Look
    source: Source
    folder: Path
    """Where files of maps are kept."""
    limit: int
    """The most bytes to keep there."""
    notes: list[Note] = field(default_factory=list)
    """What was decided on the way."""
    beside: ActivationCache | None = None
    """The same pictures at another cut of the same pass: kept along, while there is room."""
    _kept: dict[int, NDArray[np.generic]] = field(default_factory=dict, init=False)

    @property
    def dtype(self) -> type[np.generic]:
        """Of the rows: uint16 holds the bits of a bf16."""
        return np.uint8 if self.source.runtime is None else np.uint16

    def batches(self, wanted: Wanted, sizes: Sequence[int]) -> Iterator[Tensor]:
        """The maps ``wanted``, in order, in batches of ``sizes``: float32 (b, *shape), or uint8 (b, s, s, 3).

        Raises:
            DataError: pictures that cannot be read, all of them.
        """
        if all(view in self._kept for _, view in wanted):
            start = 0
            for size in sizes:
                yield self._tensor(np.stack([self._kept[view][i] for i, view in wanted[start : start + size]]))
                start += size
            return
        rows = (row for (row,) in self._computed(wanted, [self]))
        for size in sizes:
            yield self._tensor(np.stack(list(islice(rows, size))))

    def keep(self, wanted: Wanted, progress: Progress | None = None) -> bool:
        """Compute the maps ``wanted`` and keep them on disk, as far as they are not there; False if they do not fit.

        Killed at any instant, the file holds what it says it holds, and the next run goes on from there. A few maps
        are computed again and compared before any is used.

        Raises:
            DataError: pictures that cannot be read, all of them.
        """
        views = sorted({view for _, view in wanted})
        needed = self._needed(views)
        if needed > self.limit:
            self.notes.append(TooLarge(needed=needed, limit=self.limit))
            return False
        together = self._with_room(wanted, views)
        if not together:
            self.notes.append(DiskFull(folder=str(self.folder)))
            return False
        if not self._kept_soundly(wanted, views, together, progress):
            return False
        for view in views:
            if len(self.paths) * self._row_bytes <= _IN_MEMORY:
                self._kept[view] = np.array(self._kept[view])
        return True

    def keep_fresh(self, rows: Sequence[int], views: range, progress: Progress | None = None) -> bool:
        """`keep` views that are shown in one epoch each, where they are so small that other runs may as well use them.

        As a rule that is so behind the cut before the head, where a view is a row of features.
        """
        if len(views) > FRESH_VIEWS or len(views) * len(self.paths) * self._row_bytes > min(
            FRESH_BYTES, self.limit / 4
        ):
            return False
        return self.keep([(i, view) for i in rows for view in views], progress)

    def _with_room(self, wanted: Wanted, views: Sequence[int]) -> list[ActivationCache]:
        """These maps and those `beside` them, these alone, or none: as many as there is room for, which is made.

        Writing to memory that stands for a file ends the process where the disk is full.
        """
        alone, both = [self], [self]
        if self.beside is not None and self._needed(views) + self.beside._needed(views) <= self.limit:
            both = [self, self.beside]
        for together in (both, alone):
            used = {one._file(view).parent for one in together for view in one._kept.keys() | views}
            missing = sum(one._missing(wanted, views) for one in together)
            if quota.make(self.folder, missing, limit=self.limit, used=used):
                return together
        return []

    def _kept_soundly(
        self, wanted: Wanted, views: Sequence[int], together: Sequence[ActivationCache], progress: Progress | None
    ) -> bool:
        """Fill the open files of ``views``; False, and nothing is kept, where the machine does not repeat itself."""
        for one in together:
            for view in views:
                one._open(view)
        self._fill(wanted, views, together, progress)
        if not self._holds(wanted):
            self.notes.append(Remade())
            for view in views:
                self._done_file(view).unlink(missing_ok=True)
            self._fill(wanted, views, [self], progress)
            if not self._holds(wanted):
                self.notes.append(NotRepeatable())
                self._kept.clear()
                return False
        return True

    # ── files ───────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def _row_bytes(self) -> int:
        return int(np.prod(self.source.shape)) * np.dtype(self.dtype).itemsize

    def _needed(self, views: Sequence[int]) -> int:
        """Bytes of everything that is kept once ``views`` are."""
        return len(self._kept.keys() | views) * len(self.paths) * self._row_bytes

    def _missing(self, wanted: Wanted, views: Sequence[int]) -> int:
        """Bytes of the rows ``wanted`` that are not on disk."""
        done = {view: self._done(view) for view in views}
        return sum(not done[view][i] for i, view in set(wanted)) * self._row_bytes

    def _file(self, view: int) -> Path:
        name = digest({"network": self.source.key, "look": self.look.key(view), "pictures": list(self.digests)})
        return self.folder / name / "maps.bin"

    def _done_file(self, view: int) -> Path:
        return self._file(view).with_name("done.bin")

    def _filling(self, view: int) -> Path:
        return self._file(view).with_name(quota.FILLING)

    def _open(self, view: int) -> None:
        """Map the file of a view into memory, made if need be; empty rows take no room on disk."""
        file = self._file(view)
        file.parent.mkdir(parents=True, exist_ok=True)
        size = len(self.paths) * self._row_bytes
        if not file.is_file() or file.stat().st_size != size:
            self._done_file(view).unlink(missing_ok=True)
            with file.open("ab") as stream:
                stream.truncate(size)
        os.utime(file.parent)
        self._kept[view] = np.memmap(file, dtype=self.dtype, mode="r+", shape=(len(self.paths), *self.source.shape))

    def _done(self, view: int) -> NDArray[np.bool_]:
        """(n,) whether the row of each picture is in the file."""
        try:
            done = np.frombuffer(self._done_file(view).read_bytes(), np.bool_)
        except FileNotFoundError:
            done = np.zeros(0, np.bool_)
        return done.copy() if len(done) == len(self.paths) else np.zeros(len(self.paths), np.bool_)

    def _fill(
        self, wanted: Wanted, views: Sequence[int], together: Sequence[ActivationCache], progress: Progress | None
    ) -> None:
        """Write what is missing of ``wanted``, in one pass for all sets of maps in ``together``."""
        done = [{view: one._done(view) for view in views} for one in together]
        todo = [(i, view) for i, view in dict.fromkeys(wanted) if not all(flags[view][i] for flags in done)]
        if not todo:
            return
        for one in together:
            for view in views:
                one._filling(view).touch()
        with (progress or Silent()).stage("frozen part of the network", len(todo)) as advance:
            for count, ((i, view), rows) in enumerate(zip(todo, self._computed(todo, together), strict=True), start=1):
                for one, flags, row in zip(together, done, rows, strict=True):
                    one._kept[view][i] = row
                    flags[view][i] = True
                if count % _COMMIT_EVERY == 0 or count == len(todo):
                    for one, flags in zip(together, done, strict=True):
                        one._commit(flags)
                advance(count)
        for one in together:
            for view in views:
                one._filling(view).unlink(missing_ok=True)

    def _commit(self, done: dict[int, NDArray[np.bool_]]) -> None:
        """First the rows, then the word that they are there."""
        for view, flags in done.items():
            rows = self._kept[view]
            assert isinstance(rows, np.memmap)
            rows.flush()
            unfinished = self._done_file(view).with_name(f".done-{os.getpid()}")
            unfinished.write_bytes(flags.tobytes())
            unfinished.replace(self._done_file(view))
            self._filling(view).touch()

    def _holds(self, wanted: Wanted) -> bool:
        """Whether a few of the kept maps are, bit for bit, what the network computes now."""
        places = np.linspace(0, len(wanted) - 1, min(CHECKED, len(wanted))).round().astype(int)
        some = [wanted[int(place)] for place in places]
        return all(
            np.array_equal(self._kept[view][i], row)
            for (i, view), (row,) in zip(some, self._computed(some, [self]), strict=True)
        )

    # ── computing ───────────────────────────────────────────────────────────────────────────────────────────────

    def _computed(
        self, wanted: Wanted, together: Sequence[ActivationCache]
    ) -> Iterator[tuple[NDArray[np.generic], ...]]:
        """For each of ``wanted``, in order, its row in every set of maps in ``together``."""
        pictures = self._decoded(wanted)
        runtime = self.source.runtime
        if runtime is None:
            yield from ((picture,) for picture in pictures)
            return
        for outputs in runtime.run(_stacked(pictures, runtime.batch)):
            yield from zip(*(one._rounded(outputs) for one in together), strict=True)

    def _rounded(self, outputs: Rows) -> NDArray[np.uint16]:
        """The bits of these maps (n, *shape) as bf16 among what the runtime gave for a batch."""
        rows = torch.from_numpy(outputs[self.source.name]).to(torch.bfloat16)
        return rows.view(torch.int16).numpy().view(np.uint16).reshape(-1, *self.source.shape)

    def _decoded(self, wanted: Wanted) -> Iterator[NDArray[np.uint8]]:
        """The pixels of ``wanted``, in order.

        Raises:
            DataError: naming every picture that cannot be read, once the rest has been gone through.
        """
        reasons: list[str] = []
        for views in in_order(lambda one: self._views(*one), _by_picture(wanted), window=64 // _TOGETHER):
            if isinstance(views, str):
                reasons.append(views)
            elif not reasons:
                yield from views
        if reasons:
            problems = [
                Problem(expected="a picture that can be read", found=reason, todo="replace it or leave it out")
                for reason in dict.fromkeys(reasons)
            ]
            raise DataError("pictures that cannot be read", problems)

    def _views(self, i: int, views: Sequence[int]) -> list[NDArray[np.uint8]] | str:
        """The pixels of a picture's ``views``, or why there are none."""
        try:
            data = self.paths[i].read_bytes()
            if hashlib.sha256(data).hexdigest() != self.digests[i]:
                return f"{self.paths[i]}: changed while it was being used"
            return self.look.pixels(data, self.digests[i], views)
        except UnreadableImageError as error:
            return f"{self.paths[i]}: {error.reason}"
        except OSError as error:
            return f"{self.paths[i]}: cannot be read: {error.strerror}"

    def _tensor(self, rows: NDArray[np.generic]) -> Tensor:
        if self.source.runtime is None:
            return torch.from_numpy(rows)
        return torch.from_numpy(rows.view(np.int16)).view(torch.bfloat16).float()


def _stacked(pictures: Iterator[NDArray[np.uint8]], size: int) -> Iterator[NDArray[np.uint8]]:
    """All ``pictures``, ``size`` or fewer at a time as one array."""
    while batch := list(islice(pictures, size)):
        yield np.stack(batch)


def _by_picture(wanted: Wanted) -> Iterator[tuple[int, list[int]]]:
    """Pictures with the views of each that are ``wanted`` in a row, a few at a time: they are decoded together."""
    for (i, _), same in groupby(wanted, key=lambda one: (one[0], one[1] == PLAIN)):
        views = [view for _, view in same]
        for start in range(0, len(views), _TOGETHER):
            yield i, views[start : start + _TOGETHER]
