"""A content-addressed store of feature rows on disk, shared by every run on the machine.

One SQLite file holds one row for each space and image (column ``picture``): the space names everything that changes
the value except the image (weights, runtime and precision, geometry, view, output), the image is the SHA-256 of its
bytes. Rows are written in transactions, so a process killed at any instant leaves the rows that were committed.

The folder is ``$HEADSTART_CACHE`` where that is set. Else it is ``headstart`` in the platform's cache folder: on Linux
``$XDG_CACHE_HOME`` or ``~/.cache``, on macOS ``~/Library/Caches``, on Windows ``%LOCALAPPDATA%``.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from headstart.arrays import Rows
from headstart.errors import OptionError

DEFAULT_LIMIT_GB = 4.0
"""Gigabytes of values that are kept unless ``$HEADSTART_CACHE_GB`` says otherwise: about 780,000 rows of 1,280."""
SCHEMA = """
CREATE TABLE IF NOT EXISTS spaces (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS features (
    space INTEGER NOT NULL, picture BLOB NOT NULL, value BLOB NOT NULL, used INTEGER NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS by_picture ON features (space, picture);
CREATE INDEX IF NOT EXISTS by_use ON features (used);
"""
_CHUNK = 500  # images looked up in one statement; SQLite takes at most 999 parameters in older builds


def cache_folder() -> Path:
    """The folder in which graphs, features and activations are kept. It may not be there yet."""
    if named := os.environ.get("HEADSTART_CACHE"):
        return Path(named).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("headstart", appauthor=False, opinion=False)


def size_limit() -> int:
    """The most bytes of values to keep, from ``$HEADSTART_CACHE_GB``. Raises OptionError if that is not above 0."""
    text = os.environ.get("HEADSTART_CACHE_GB", str(DEFAULT_LIMIT_GB))
    try:
        gigabytes = float(text)
    except ValueError:
        gigabytes = -1.0
    if not gigabytes > 0:
        todo = "set HEADSTART_CACHE_GB to, say, 4"
        raise OptionError.of(
            "HEADSTART_CACHE_GB", expected="a number of gigabytes above 0", found=repr(text), todo=todo
        )
    return int(gigabytes * 1e9)


@dataclass(frozen=True, kw_only=True)
class StoreSummary:
    """What a store holds: rows, bytes of features and the file's size on disk in bytes."""

    path: Path
    rows: int
    value_bytes: int
    file_bytes: int
    limit_bytes: int


class FeatureStore(AbstractContextManager["FeatureStore"]):
    """Feature rows by space and image. Several processes may use a store at once, and one thread of each."""

    def __init__(self, folder: Path, *, limit: int | None = None) -> None:
        self.path = folder / "features.sqlite"
        self.limit = size_limit() if limit is None else limit
        folder.mkdir(parents=True, exist_ok=True)
        try:
            self._db = self._open()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):  # locked, read-only or full: the file itself is sound
                raise
            self.path.replace(self.path.with_suffix(f".damaged-{time.time_ns()}"))
            self._db = self._open()

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, timeout=60.0, check_same_thread=False)
        try:
            db.execute("PRAGMA auto_vacuum = INCREMENTAL")
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
            db.executescript(SCHEMA)
        except sqlite3.DatabaseError:
            db.close()
            raise
        return db

    def close(self) -> None:
        """Close the file. The store cannot be used afterwards."""
        self._db.close()

    def __exit__(self, *_: object) -> None:
        self.close()

    def known(self, space: str, digests: Iterable[str]) -> set[str]:
        """Those of ``digests``, SHA-256 of images in hexadecimal, that have a row in ``space``."""
        known: set[str] = set()
        for keys, marks in _chunks(digests):
            rows = self._db.execute(
                f"SELECT picture FROM features WHERE space = ? AND picture IN ({marks})", [self._id(space), *keys]
            )
            known.update(picture.hex() for (picture,) in rows)
        return known

    def read(self, space: str, digests: Sequence[str], width: int) -> Rows:
        """The rows of ``digests`` (n,), in order: (n, width) float32. Raises KeyError if any has none."""
        position: dict[str, list[int]] = {}
        for i, digest in enumerate(digests):
            position.setdefault(digest, []).append(i)
        X = np.empty((len(digests), width), np.float32)
        missing = set(position)
        for digest, value in self._values(space, position):
            X[position[digest]] = np.frombuffer(value, np.float32)
            missing.discard(digest)
        if missing:
            raise KeyError(f"{len(missing)} pictures have no row in space {space!r}")
        return X

    def values(self, space: str, digests: Iterable[str]) -> dict[str, bytes]:
        """What was kept under ``digests`` by :meth:`keep`; those without are left out."""
        return dict(self._values(space, digests))

    def _values(self, space: str, digests: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """The values of ``digests`` one after the other, so that no second copy of all of them is in memory."""
        today = _today()
        for keys, marks in _chunks(digests):
            where = f"space = ? AND picture IN ({marks})"
            parameters = [self._id(space), *keys]
            stale = False
            for picture, value, used in self._db.execute(
                f"SELECT picture, value, used FROM features WHERE {where}", parameters
            ):
                yield picture.hex(), value
                stale |= used < today
            if stale:
                with self._db:
                    self._db.execute(f"UPDATE features SET used = ? WHERE {where}", [today, *parameters])

    def write(self, rows: Mapping[str, Mapping[str, Rows]]) -> None:
        """Keep rows, given as ``{space: {digest: (d,) float32}}``, all in one transaction."""
        with self._db:
            for space, values in rows.items():
                self._insert(
                    space, ((digest, np.ascontiguousarray(row, np.float32).tobytes()) for digest, row in values.items())
                )

    def keep(self, space: str, values: Mapping[str, bytes]) -> None:
        """Keep values that are no rows, given as ``{digest: bytes}``, in one transaction."""
        with self._db:
            self._insert(space, values.items())

    def _insert(self, space: str, values: Iterable[tuple[str, bytes]]) -> None:
        self._db.execute("INSERT OR IGNORE INTO spaces (key) VALUES (?)", [space])
        number, today = self._id(space), _today()
        self._db.executemany(
            "INSERT OR REPLACE INTO features VALUES (?, ?, ?, ?)",
            ((number, bytes.fromhex(digest), value, today) for digest, value in values),
        )

    def _id(self, space: str) -> int:
        """The number of a space; 0, which no space has, if nothing was ever written in it."""
        row = self._db.execute("SELECT id FROM spaces WHERE key = ?", [space]).fetchone()
        return int(row[0]) if row else 0

    def trim(self) -> int:
        """Drop the rows least recently used until the limit is kept; returns the bytes given up."""
        total = self._value_bytes()
        freed = 0
        while total - freed > self.limit:
            with self._db:
                oldest = self._db.execute(
                    "SELECT rowid, length(value) FROM features ORDER BY used, rowid LIMIT 1000"
                ).fetchall()
                self._db.executemany("DELETE FROM features WHERE rowid = ?", [(rowid,) for rowid, _ in oldest])
            freed += sum(length for _, length in oldest)
        if freed:
            self._db.execute("PRAGMA incremental_vacuum").fetchall()
        return freed

    def clear(self) -> int:
        """Drop every row; returns the bytes given up."""
        freed = self._value_bytes()
        with self._db:
            self._db.execute("DELETE FROM features")
        self._db.execute("VACUUM")
        return freed

    def summary(self) -> StoreSummary:
        """What the store holds now."""
        (rows,) = self._db.execute("SELECT count(*) FROM features").fetchone()
        files = [self.path, self.path.with_name(self.path.name + "-wal")]
        return StoreSummary(
            path=self.path,
            rows=rows,
            value_bytes=self._value_bytes(),
            file_bytes=sum(file.stat().st_size for file in files if file.exists()),
            limit_bytes=self.limit,
        )

    def _value_bytes(self) -> int:
        (total,) = self._db.execute("SELECT coalesce(sum(length(value)), 0) FROM features").fetchone()
        return int(total)


@contextmanager
def open_store(folder: Path | None = None) -> Iterator[FeatureStore]:
    """The shared store, trimmed to its limit when done."""
    with FeatureStore(folder or cache_folder()) as store:
        try:
            yield store
        finally:
            store.trim()


def _chunks(digests: Iterable[str]) -> Iterator[tuple[list[bytes], str]]:
    keys = [bytes.fromhex(digest) for digest in digests]
    for start in range(0, len(keys), _CHUNK):
        part = keys[start : start + _CHUNK]
        yield part, ",".join("?" * len(part))


def _today() -> int:
    return int(time.time() // 86_400)
