"""Views of pictures: their pixels, which follow from picture, seed and number, and what of them is kept on disk."""

from __future__ import annotations

import hashlib
import math
import os
import shutil
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart.arrays import Mask, Pixels
from headstart.errors import DataError, Problem, UnreadableImageError
from headstart.files import write_bytes
from headstart.finetune.plan import Augment
from headstart.images import transforms
from headstart.images.reading import contents
from headstart.images.threads import in_order
from headstart.images.transforms import Geometry

PLAIN = -1
"""The number of the view that is not varied; varied ones count from 0."""
TOGETHER = 4
"""The most views that are made of a picture while it is decoded."""
WAITING = 64
"""The most views that are decoded and not yet used."""

Wanted = Sequence[tuple[int, int]]
"""Pictures, by their position, each with the number of a view."""
SPARED = 500_000_000
"""Bytes that are left free on the disk."""
FILLING = "filling"
"""The file that stands beside maps while they are written; touched from time to time."""
BUSY = 600.0
"""Seconds without a touch after which its writer is held to be dead."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """How a picture becomes pixels: everything that decides them but the picture and the view's number."""

    geometry: Geometry
    augment: Augment
    seed: int

    def pixels(self, data: bytes, digest: str, views: Sequence[int]) -> list[Pixels]:
        """The views ``views`` of a picture, each (s, s, 3), all plain or none. Raises UnreadableImageError."""
        options, kind = self.augment, "none" if PLAIN in views else self.augment.kind
        hashes = [hashlib.sha256(f"{self.seed} {digest} {view}".encode()).hexdigest() for view in views]
        seeds = [int(name[:16], 16) for name in hashes]
        return transforms.vary(data, self.geometry, kind, seeds, area=options.area, turn=options.turn)

    def key(self, view: int) -> str:
        """The name of a view's pixels."""
        options = self.augment
        if view == PLAIN or options.kind == "none":
            return self.geometry.key()
        varied = f"{options.kind}-{options.area}-{options.turn}-{self.seed}-{view}"
        return f"{self.geometry.key()}-augment{transforms.VARIED_ALGORITHM}-{varied}"


def decoded(paths: Sequence[Path], digests: Sequence[str], look: Look, wanted: Wanted) -> Iterator[Pixels]:
    """The pixels (s, s, 3) of ``wanted``, in order, decoded in threads a few ahead.

    Args:
        paths: of the pictures.
        digests: SHA-256 of each file; one that has changed since is not used.
        look: how they become pixels.
        wanted: positions in ``paths``, each with a view.

    Raises:
        DataError: naming every picture that cannot be read, once the rest has been gone through.
    """

    def read(picture: tuple[int, list[int]]) -> list[Pixels] | str:
        """The pixels of some views of a picture, or why there are none."""
        path, digest, views = paths[picture[0]], digests[picture[0]], picture[1]
        try:
            with contents(path) as data:
                if hashlib.sha256(data).hexdigest() != digest:
                    return f"{path}: changed while it was being used"
                return look.pixels(data, digest, views)
        except UnreadableImageError as error:
            return f"{path}: {error.reason}"

    reasons: list[str] = []
    for views in in_order(read, _by_picture(wanted), window=WAITING // TOGETHER):
        if isinstance(views, str):
            reasons.append(views)
        elif not reasons:
            yield from views
    if reasons:
        expected, todo = "a picture that can be read", "replace it or leave it out"
        problems = [Problem(expected=expected, found=reason, todo=todo) for reason in dict.fromkeys(reasons)]
        raise DataError("pictures that cannot be read", problems)


def _by_picture(wanted: Wanted) -> Iterator[tuple[int, list[int]]]:
    """Pictures with the views of each that are ``wanted`` in a row, a few at a time: they are decoded together."""
    for (i, _), pairs in groupby(wanted, key=lambda pair: (pair[0], pair[1] == PLAIN)):
        views = [view for _, view in pairs]
        for start in range(0, len(views), TOGETHER):
            yield i, views[start : start + TOGETHER]


class ViewFile:
    """A folder with the rows of a view in ``maps.bin``, and in ``done.bin`` a byte for each: whether it is there.

    Rows reach the disk before the word that they are there. So, killed at any instant, the folder holds what it says.

    Args:
        folder: of this view alone.
        shape: (n, …) of all rows.
        dtype: of their numbers.
    """

    def __init__(self, folder: Path, shape: tuple[int, ...], dtype: type[np.generic]) -> None:
        self.folder, self.shape, self.dtype = folder, shape, dtype
        self._path, self._done_path, self._filling = folder / "maps.bin", folder / "done.bin", folder / FILLING
        self._rows: np.memmap[tuple[int, ...], np.dtype[np.generic]]
        self._done = np.zeros(shape[0], np.bool_)
        self._unsaved = False

    def done(self) -> Mask:
        """(n,) whether each row is on disk."""
        n, done = self.shape[0], b""
        with suppress(FileNotFoundError):
            done = self._done_path.read_bytes()
        return np.frombuffer(done if len(done) == n else bytes(n), np.bool_).copy()

    def open(self) -> NDArray[np.generic]:
        """All rows as memory that stands for the file, made if need be; rows that are not there take no room."""
        self.folder.mkdir(parents=True, exist_ok=True)
        size = math.prod(self.shape) * np.dtype(self.dtype).itemsize
        if not self._path.is_file() or self._path.stat().st_size != size:
            self.forget()
            with self._path.open("ab") as stream:
                stream.truncate(size)
        os.utime(self.folder)
        return np.memmap(self._path, dtype=self.dtype, mode="r+", shape=self.shape)

    def begin(self, rows: NDArray[np.generic]) -> None:
        """Say to other processes that ``rows``, from `open`, are being written."""
        assert isinstance(rows, np.memmap)
        self._rows, self._done, self._unsaved = rows, self.done(), False
        self._filling.touch()

    def write(self, i: int, row: NDArray[np.generic]) -> None:
        """Write a row, which is there from the next `commit` on."""
        self._rows[i] = row
        self._done[i] = self._unsaved = True

    def commit(self) -> None:
        """First the rows written since the last time, then the word that they are there."""
        if self._unsaved:
            self._rows.flush()
            write_bytes(self._done_path, self._done.tobytes())
            self._unsaved = False
        self._filling.touch()

    def end(self) -> None:
        """Say to other processes that nothing is being written any more, and let go of the rows."""
        del self._rows
        self._filling.unlink(missing_ok=True)

    def forget(self) -> None:
        """Take no row for being there."""
        self._done_path.unlink(missing_ok=True)


def spare(folder: Path) -> int:
    """Bytes that may be written to the disk of ``folder``."""
    return max(shutil.disk_usage(folder).free - SPARED, 0)


def make_room(folder: Path, needed: int, *, limit: int, used: Collection[Path]) -> bool:
    """Remove the least recently used sets of maps until ``needed`` more bytes keep to the limit and fit on the disk.

    Args:
        folder: of the sets, a folder each; made if need be.
        needed: bytes to be written.
        limit: the most bytes to keep in all.
        used: sets that stay, beside those that another process is filling.

    Returns:
        Whether they fit on the disk; if they never could, nothing is removed. What cannot be removed may exceed the
        limit.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sets: list[tuple[float, Path]] = []
    for path in folder.iterdir():
        with suppress(OSError):  # another process removed it
            sets.append((path.stat().st_mtime, path))
    total = sum(_bytes(path) for _, path in sets)
    removable = [path for _, path in sorted(sets) if path not in used and not _is_being_filled(path)]
    if needed > spare(folder) + sum(map(_bytes, removable)):
        return False
    for path in removable:
        if total + needed <= limit and needed <= spare(folder):
            break
        total -= _bytes(path)
        shutil.rmtree(path, ignore_errors=True)
    return needed <= spare(folder)


def _is_being_filled(path: Path) -> bool:
    with suppress(OSError):
        return time.time() - (path / FILLING).stat().st_mtime < BUSY
    return False


def _bytes(folder: Path) -> int:
    """What its files take up: rows that were never written take nothing."""
    with suppress(OSError):
        stats = [file.stat() for file in folder.iterdir()]
        return sum(min(stat.st_size, 512 * getattr(stat, "st_blocks", stat.st_size)) for stat in stats)
    return 0
