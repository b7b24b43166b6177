"""Room on the disk for maps that are kept, and the removal of old ones."""

from __future__ import annotations

import shutil
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

SPARED = 500_000_000
"""Bytes that are left free on the disk."""
FILLING = "filling"
"""The file that stands beside maps while they are written; touched from time to time."""
BUSY = 600.0
"""Seconds without a touch after which its writer is held to be dead."""


def spare(folder: Path) -> int:
    """Bytes that may be written to the disk of ``folder``."""
    return max(shutil.disk_usage(folder).free - SPARED, 0)


def make(folder: Path, needed: int, *, limit: int, used: Collection[Path]) -> bool:
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
