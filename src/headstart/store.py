"""A content-addressed store of feature rows on disk, shared by every run on the machine.

One SQLite file, ``features.sqlite`` in the cache folder, holds one row for each space and image (column ``picture``):
the space names everything that changes the value except the image (weights, runtime and precision, geometry, view,
output), the image is the SHA-256 of its bytes. Rows are written in transactions, so a process killed at any instant
leaves the rows that were committed.

Each row has a checksum over space, image and value: one that does not fit is dropped when it is read, as if it had
never been there. A file that SQLite cannot read is begun anew; where there can be no file, rows are kept in memory.
"""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import time
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from headstart import cache_folder
from headstart.arrays import Rows

FORMAT = 2
"""``user_version`` of the file; one of another version is begun anew."""
SCHEMA = (
    "CREATE TABLE spaces (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE)",
    "CREATE TABLE features (space INTEGER NOT NULL, picture BLOB NOT NULL, value BLOB NOT NULL, used INTEGER NOT NULL,"
    " checksum INTEGER NOT NULL)",
    "CREATE UNIQUE INDEX by_picture ON features (space, picture)",
    "CREATE INDEX by_use ON features (used)",
    f"PRAGMA user_version = {FORMAT}",
)
WAIT = 10.0
"""Seconds after which a store that another process has locked is done without. Chosen: a transaction takes
milliseconds, dropping a gigabyte of rows seconds."""
SPARED = 500_000_000
"""Bytes that are left free on the disk. Chosen."""
_CHUNK = 500  # images looked up in one statement; SQLite takes at most 999 parameters in older builds
_DAY = 86_400
_REFUSED = ("locked", "readonly", "full", "unable to open", "I/O error", "locking protocol", "denied")
"""In SQLite's messages where the machine refuses; any other error means that the file is damaged."""
_SPACE = "space = (SELECT id FROM spaces WHERE key = ?)"

Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class CacheSummary:
    """What a cache folder holds."""

    path: Path
    rows: int | None
    """Of features and other values of pictures; None where their file cannot be opened."""
    bytes: Mapping[str, int]
    """On the disk, by kind: one of `headstart.cache_folder.KINDS`."""
    limit_bytes: int
    """The most that is kept of everything together."""


class FeatureStore(AbstractContextManager["FeatureStore"]):
    """Feature rows by space and image. Several processes may use a store at once, and one thread of each."""

    def __init__(self, folder: Path, *, limit: int | None = None) -> None:
        self.path = folder / "features.sqlite"
        self.limit = cache_folder.size_limit() if limit is None else limit
        self.on_disk = True
        """False where there can be no file: rows are kept in memory until the store is closed."""
        self._begun_anew = False
        try:
            cache_folder.made(folder)
            self._db = _connected(self.path)
        except (OSError, sqlite3.Error) as error:
            self._recover(error)

    def close(self) -> None:
        """Close the file. The store cannot be used afterwards."""
        self._db.close()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _recover(self, error: Exception) -> None:
        """Go on with a new file where this one is damaged, once, else in memory."""
        refused = isinstance(error, OSError) or any(words in str(error) for words in _REFUSED)
        if "readonly" in str(error) and os.access(self.path, os.W_OK) and os.access(self.path.parent, os.W_OK):
            refused = False  # a damaged header says that its file can only be read
        if not (refused or self._begun_anew):
            self._begun_anew = True
            cache_folder.note_store_damaged()
            for suffix in ("", "-wal", "-shm", "-journal"):
                cache_folder.discard(self.path.with_name(self.path.name + suffix))
            try:
                self._db = _connected(self.path)
                return
            except sqlite3.Error as again:
                error = again
        if self.path.parent.is_dir() and not os.access(self.path.parent, os.W_OK):
            error = PermissionError(errno.EACCES, "it can only be read")  # which SQLite does not say
        cache_folder.note_unusable(self.path.parent, error)
        self.on_disk, self._db = False, _connected(":memory:")

    def _done(self, work: Callable[[], Result]) -> Result:
        """What ``work`` gives, which is done again after each time that the store had to recover: twice at most."""
        for _ in range(2):
            try:
                return work()
            except sqlite3.ProgrammingError:  # the store was closed
                raise
            except sqlite3.Error as error:
                self._db.close()
                self._recover(error)
        return work()

    def _all(self, query: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        return self._db.execute(query, parameters).fetchall()

    def known(self, space: str, digests: Iterable[str]) -> set[str]:
        """Those of ``digests``, SHA-256 of images in hexadecimal, that have a row in ``space``."""
        known: set[bytes] = set()
        for keys, marks in _chunks(digests):
            query = f"SELECT picture FROM features WHERE {_SPACE} AND picture IN ({marks})"
            rows = self._done(partial(self._all, query, [space, *keys]))
            known.update(key for (key,) in rows if key in keys)
        return {key.hex() for key in known}

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
        """The sound values of ``digests``, few at a time, so that no second copy of all of them is in memory."""
        for keys, marks in _chunks(digests):
            yield from self._done(partial(self._chunk, space, keys, marks))

    def _chunk(self, space: str, keys: Sequence[bytes], marks: str) -> list[tuple[str, bytes]]:
        """The sound values of a few images; what is not is dropped, and those used are marked as used today."""
        today, sums, where = _today(), _checksums(space), f"{_SPACE} AND picture IN ({marks})"
        rows = self._db.execute(
            f"SELECT picture, value, checksum, used < ?, rowid FROM features WHERE {where}", [today, space, *keys]
        ).fetchall()
        wanted = set(keys)
        sound = [row for row in rows if row[0] in wanted and isinstance(row[1], bytes) and sums(*row[:2]) == row[2]]
        if len(sound) < len(rows):
            damaged = {row[4] for row in rows} - {row[4] for row in sound}
            with self._db:
                self._db.executemany("DELETE FROM features WHERE rowid = ?", [(rowid,) for rowid in damaged])
            cache_folder.note_damaged(len(damaged))
        if any(stale for _, _, _, stale, _ in sound):
            with self._db:
                self._db.execute(f"UPDATE features SET used = ? WHERE {where}", [today, space, *keys])
        return [(picture.hex(), value) for picture, value, *_ in sound]

    def write(self, values: Mapping[str, Mapping[str, Rows | bytes]]) -> None:
        """Keep rows and other values, given as ``{space: {digest: (d,) float32 or bytes}}``, all in one transaction."""
        as_bytes = {
            space: {
                digest: value if isinstance(value, bytes) else np.ascontiguousarray(value, np.float32).tobytes()
                for digest, value in of.items()
            }
            for space, of in values.items()
        }
        self._done(lambda: self._insert(as_bytes))

    def keep(self, space: str, values: Mapping[str, bytes]) -> None:
        """Keep values that are no rows, given as ``{digest: bytes}``, in one transaction."""
        self._done(lambda: self._insert({space: values}))

    def _insert(self, values: Mapping[str, Mapping[str, bytes]]) -> None:
        with self._db:
            for space, of in values.items():
                self._db.execute("INSERT OR IGNORE INTO spaces (key) VALUES (?)", [space])
                (number,) = self._db.execute("SELECT id FROM spaces WHERE key = ?", [space]).fetchone()
                today, sums = _today(), _checksums(space)
                self._db.executemany(
                    "INSERT OR REPLACE INTO features VALUES (?, ?, ?, ?, ?)",
                    (
                        (number, key, value, today, sums(key, value))
                        for key, value in ((bytes.fromhex(digest), value) for digest, value in of.items())
                    ),
                )

    def trim(self) -> int:
        """Drop what was least recently used, of all that is in the cache, until the limit is kept; returns the bytes.

        Graphs and maps that a process uses stay.
        """
        return self._drop(lambda total: total <= self.limit, before=_today() + 1)

    def make_room(self, needed: int, *, used: Collection[Path] = ()) -> bool:
        """Do the same until ``needed`` more bytes keep to the limit and fit on the disk, but for rows used today.

        Args:
            needed: bytes to be written.
            used: entries of the cache that stay, beside those that a process holds.

        Returns:
            Whether they fit on the disk; if they never could, nothing is removed. What cannot be removed may exceed
            the limit.
        """
        folder = self.path.parent
        removable = [entry for entry in cache_folder.entries(folder) if entry.path not in used and not entry.is_held()]
        if needed > spare(folder) + sum(entry.bytes for entry in removable):
            return False
        self._drop(lambda total: total + needed <= self.limit and needed <= spare(folder), before=_today(), used=used)
        return needed <= spare(folder)

    def _drop(self, enough: Callable[[int], bool], *, before: int, used: Collection[Path] = ()) -> int:
        """Drop the oldest until ``enough`` holds of the bytes that are left; of rows those used ``before`` a day.

        A row counts as used at the end of its day, for that is all that is known.
        """
        there = cache_folder.entries(self.path.parent)
        total = begin = self.value_bytes() + sum(entry.bytes for entry in there)
        removable = [entry for entry in there if entry.path not in used]
        dropped_rows = False
        while not enough(total):
            day = self._done(self._oldest_day)
            rows_may_go = day is not None and day < before
            if removable and (day is None or not rows_may_go or removable[0].used < (day + 1) * _DAY):
                entry = removable.pop(0)
                if not entry.is_held() and entry.remove():
                    total -= entry.bytes
            elif rows_may_go:
                dropped = self._done(partial(self._drop_rows, day))
                total, dropped_rows = total - dropped, True
                if not dropped:  # another process was faster
                    break
            else:
                break
        if dropped_rows:
            self._done(partial(self._all, "PRAGMA incremental_vacuum"))
        return begin - total

    def _oldest_day(self) -> int | None:
        (day,) = self._db.execute("SELECT min(used) FROM features").fetchone()
        if day is None or isinstance(day, int):
            return day
        raise sqlite3.DatabaseError("a day that is no number")

    def _drop_rows(self, day: int | None) -> int:
        """Drop a thousand of the rows that were last used on ``day``; returns their bytes."""
        query = "SELECT rowid, length(value) FROM features WHERE used = ? ORDER BY rowid LIMIT 1000"
        with self._db:
            oldest = self._db.execute(query, [day]).fetchall()
            self._db.executemany("DELETE FROM features WHERE rowid = ?", [(rowid,) for rowid, _ in oldest])
        return sum(length or 0 for _, length in oldest)

    def count(self) -> int:
        """How many rows there are."""
        ((rows,),) = self._done(partial(self._all, "SELECT count(*) FROM features"))
        return int(rows)

    def value_bytes(self) -> int:
        """Bytes of all values."""
        ((total,),) = self._done(partial(self._all, "SELECT coalesce(sum(length(value)), 0) FROM features"))
        return int(total)


def summarize(folder: Path) -> CacheSummary:
    """What there is in a cache folder now, which is not made."""
    rows: int | None = 0
    if (folder / "features.sqlite").exists():
        with FeatureStore(folder) as store:
            count = store.count()
            rows = count if store.on_disk else None
    return CacheSummary(path=folder, rows=rows, bytes=cache_folder.sizes(folder), limit_bytes=cache_folder.size_limit())


@contextmanager
def open_store(folder: Path | None = None) -> Iterator[FeatureStore]:
    """The shared store; the cache is trimmed to its limit when done."""
    with FeatureStore(folder or cache_folder.cache_folder()) as store:
        try:
            yield store
        finally:
            store.trim()


def spare(folder: Path) -> int:
    """Bytes that may be written to the disk of ``folder``."""
    return max(shutil.disk_usage(folder).free - SPARED, 0)


def _connected(path: Path | str) -> sqlite3.Connection:
    """The file ``path``, made if it is not there. Raises sqlite3.DatabaseError if it is another's or unreadable."""
    db = sqlite3.connect(path, timeout=WAIT, check_same_thread=False)
    try:
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        if _version(db) != FORMAT:
            with db:
                db.execute("BEGIN IMMEDIATE")  # of several processes that come first, one makes the tables
                if _version(db) != FORMAT:
                    if db.execute("SELECT name FROM sqlite_master").fetchone():
                        raise sqlite3.DatabaseError("a store of another version")
                    for statement in SCHEMA:
                        db.execute(statement)
    except sqlite3.Error:
        db.close()
        raise
    return db


def _version(db: sqlite3.Connection) -> int:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    return int(version)


def _checksums(space: str) -> Callable[[bytes, bytes], int]:
    """The checksum of an image's SHA-256 and its value in ``space``: the CRC-32 of all three.

    It finds whatever changes up to 32 bits in a row, and all else but one in four thousand million times.
    """
    begun = zlib.crc32(space.encode())
    return lambda picture, value: zlib.crc32(value, zlib.crc32(picture, begun))


def _chunks(digests: Iterable[str]) -> Iterator[tuple[list[bytes], str]]:
    keys = [bytes.fromhex(digest) for digest in digests]
    for start in range(0, len(keys), _CHUNK):
        part = keys[start : start + _CHUNK]
        yield part, ",".join("?" * len(part))


def _today() -> int:
    return int(time.time() // _DAY)
