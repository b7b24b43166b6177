"""Activations on disk: the rows of one view of a set of pictures, and which of them are there."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart.files import write_bytes
from headstart.finetune.quota import FILLING


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
        self._rows: np.memmap[tuple[int, ...], np.dtype[np.generic]] | None = None
        self._done = np.zeros(shape[0], np.bool_)
        self._unsaved = False

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return int(np.prod(self.shape[1:])) * np.dtype(self.dtype).itemsize

    def done(self) -> NDArray[np.bool_]:
        """(n,) whether each row is on disk."""
        try:
            done = np.frombuffer(self._done_path.read_bytes(), np.bool_)
        except FileNotFoundError:
            done = np.zeros(0, np.bool_)
        return done.copy() if len(done) == self.shape[0] else np.zeros(self.shape[0], np.bool_)

    def open(self) -> NDArray[np.generic]:
        """All rows as memory that stands for the file, made if need be; rows that are not there take no room."""
        self.folder.mkdir(parents=True, exist_ok=True)
        size = self.shape[0] * self.row_bytes
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
        assert self._rows is not None
        self._rows[i] = row
        self._done[i] = self._unsaved = True

    def commit(self) -> None:
        """First the rows written since the last time, then the word that they are there."""
        if self._unsaved:
            assert self._rows is not None
            self._rows.flush()
            write_bytes(self._done_path, self._done.tobytes())
            self._unsaved = False
        self._filling.touch()

    def end(self) -> None:
        """Say to other processes that nothing is being written any more, and let go of the rows."""
        self._rows = None
        self._filling.unlink(missing_ok=True)

    def forget(self) -> None:
        """Take no row for being there."""
        self._done_path.unlink(missing_ok=True)
