"""Views of pictures: their pixels, which follow from picture, seed and number, and what of them is kept on disk."""

from __future__ import annotations

import errno
import hashlib
import math
import os
import weakref
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import FileIO
from itertools import groupby
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from headstart.arrays import Mask, Pixels
from headstart.cache_folder import discard, hold, made, note_damaged, note_unusable
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


class KeptRows:
    """Rows in a file, read when they are asked for: of those read before none stays in memory.

    Args:
        path: of the file, which is `hold`-ed as long as this lives.
        shape: (n, …) of all rows.
        dtype: of their numbers.

    Raises:
        OSError: there is no such file.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: type[np.generic]) -> None:
        self._shape, self._dtype, self._reading = shape, dtype, Lock()
        number = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        weakref.finalize(self, os.close, number)
        hold(number)
        self._stream = FileIO(number, closefd=False)

    def __iter__(self) -> Iterator[NDArray[np.generic]]:
        return (self[i] for i in range(self._shape[0]))

    def __getitem__(self, i: int) -> NDArray[np.generic]:
        """One row. Raises OSError."""
        row = np.empty(self._shape[1:], self._dtype)
        with self._reading:
            self._stream.seek(i * row.nbytes)
            if self._stream.readinto(row.data.cast("B")) != row.nbytes:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
        return row


class ViewFile:
    """A folder with the rows of a view in ``maps.bin``, and in ``sums.bin`` a checksum of each that is there, else 0.

    The last number in ``sums.bin`` is its own checksum. Nothing is waited for: whatever of both files has reached the
    disk when the process or the machine stops, a row counts only if it fits its checksum.

    Where the disk refuses a file, that is noted and ``usable`` becomes False; no error is raised.

    Args:
        folder: of this view alone.
        shape: (n, …) of all rows.
        dtype: of their numbers.
    """

    def __init__(self, folder: Path, shape: tuple[int, ...], dtype: type[np.generic]) -> None:
        self.folder, self.shape, self.dtype, self.usable = folder, shape, dtype, True
        self._path, self._sums_path = folder / "maps.bin", folder / "sums.bin"
        self._row_bytes = math.prod(shape[1:]) * np.dtype(dtype).itemsize
        self._key = zlib.crc32(folder.name.encode())
        self._sums: NDArray[np.uint32] | None = None
        self._stream: FileIO | None = None
        self._unsaved = False

    def done(self) -> Mask:
        """(n,) whether each row is on disk; once they were checked, whether it is sound as well."""
        sums = self._read()[0] if self._sums is None else self._sums
        return np.asarray(sums != 0)

    def check(self) -> None:
        """Make the files if need be, and forget the rows that are not what was written."""
        if self._sums is not None:
            return
        with self._disk():
            made(self.folder)
            sums, sound = self._read()
            if not self._is_whole():
                discard(self._path)
                with self._path.open("ab") as stream:
                    stream.truncate(self.shape[0] * self._row_bytes)
            rows = self.rows()
            damaged = [i for i in np.flatnonzero(sums).tolist() if self._sum(i, rows[i]) != sums[i]]
            sums[damaged] = 0
            self._sums = sums
            if damaged or not sound:
                note_damaged(len(damaged) or 1)
                discard(self._sums_path)
                self._save()
            os.utime(self.folder)

    def rows(self) -> KeptRows:
        """All rows, from a file that no process removes to make room while they are used."""
        return KeptRows(self._path, self.shape, self.dtype)

    def write(self, i: int, row: NDArray[np.generic]) -> None:
        """Write a row, which is there from the next `commit` on."""
        assert self._sums is not None  # `check` was called
        row = np.ascontiguousarray(row)
        with self._disk():
            if self._stream is None:
                self._stream = self._path.open("r+b", buffering=0)
                hold(self._stream.fileno())
            self._stream.seek(i * self._row_bytes)
            if self._stream.write(row.data) != self._row_bytes:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))
            self._sums[i] = self._sum(i, row)
            self._unsaved = True

    def commit(self) -> None:
        """Say of the rows written since the last time that they are there."""
        if self._unsaved:
            with self._disk():
                self._save()
                self._unsaved = False

    def end(self) -> None:
        """`commit`, and close the file."""
        if self._stream is not None:
            self.commit()
            self._stream.close()
            self._stream = None

    def forget(self) -> None:
        """Take no row for being there."""
        if self._sums is not None:
            self._sums[:] = 0
        discard(self._sums_path)

    @contextmanager
    def _disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            note_unusable(self.folder.parent.parent, error)
            self.usable = False

    def _is_whole(self) -> bool:
        return self._path.is_file() and self._path.stat().st_size == self.shape[0] * self._row_bytes

    def _read(self) -> tuple[NDArray[np.uint32], bool]:
        """The checksums (n,) on disk, and whether the files are as they were written."""
        n = self.shape[0]
        with suppress(OSError):
            if not self._sums_path.exists():
                return np.zeros(n, np.uint32), True
            data = self._sums_path.read_bytes()
            if len(data) == 4 * (n + 1) and self._is_whole():
                sums = np.frombuffer(data, np.uint32)
                return sums[:n].copy(), zlib.crc32(data[:-4]) == sums[n]
        return np.zeros(n, np.uint32), False

    def _save(self) -> None:
        assert self._sums is not None
        data = self._sums.tobytes()
        write_bytes(self._sums_path, data + np.uint32(zlib.crc32(data)).tobytes())

    def _sum(self, i: int, row: NDArray[np.generic]) -> int:
        """The CRC-32 of the view's name, the row's number and its bytes; never 0."""
        return zlib.crc32(row.data, zlib.crc32(i.to_bytes(8, "little"), self._key)) or 1
