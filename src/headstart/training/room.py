"""Room on the disk for maps that are kept, and the removal of old ones."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

SPARED = 500_000_000
"""Bytes that are left free on the disk."""
BUSY = 600.0
"""Seconds for which a set of maps that was written to is held to be in use."""


def spare(folder: Path) -> int:
    """Bytes that may be written to the disk of ``folder``, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    return max(shutil.disk_usage(folder).free - SPARED, 0)


def trim(folder: Path, limit: int, *, used: Sequence[Path]) -> None:
    """Remove the sets of maps that were least recently used until the rest keeps to ``limit`` bytes.

    What was touched within `BUSY` seconds stays: another process may be filling it.
    """
    found: list[tuple[float, Path]] = []
    for path in folder.iterdir():
        with suppress(OSError):  # another process removed it
            found.append((path.stat().st_mtime, path))
    total = sum(_bytes(path) for _, path in found)
    for touched, path in sorted(found):
        if total <= limit:
            return
        if path not in used and time.time() - touched > BUSY:
            total -= _bytes(path)
            shutil.rmtree(path, ignore_errors=True)


def _bytes(folder: Path) -> int:
    with suppress(OSError):
        return sum(file.stat().st_size for file in folder.iterdir())
    return 0
