"""Two entries of folders that change places, at one instant where the system can do that."""

from __future__ import annotations

import ctypes
import os
import sys
import uuid
from functools import cache
from pathlib import Path
from typing import Any

_AT_FDCWD = -100  # the working directory, for relative paths
_SWAP = 2  # RENAME_EXCHANGE of Linux, RENAME_SWAP of macOS


def exchange(a: Path, b: Path) -> None:
    """Let ``a`` and ``b``, files, folders or links of one file system that both exist, change places.

    Linux (``renameat2``) and macOS (``renamex_np``) do it at one instant. Elsewhere, and on file systems that cannot,
    there is a moment at which ``b`` is not there. Raises OSError.
    """
    if _at_one_instant(os.fsencode(a), os.fsencode(b)):
        return
    aside = b.with_name(f".{b.name[:100]}-{uuid.uuid4().hex}")
    b.rename(aside)
    try:
        a.rename(b)
    except OSError:
        aside.rename(b)
        raise
    aside.rename(a)


def _at_one_instant(a: bytes, b: bytes) -> bool:
    """Whether the system could do it; if not, nothing has changed."""
    library = _library()
    if sys.platform == "linux" and hasattr(library, "renameat2"):
        return not library.renameat2(_AT_FDCWD, a, _AT_FDCWD, b, _SWAP)
    if sys.platform == "darwin" and hasattr(library, "renamex_np"):
        return not library.renamex_np(a, b, _SWAP)
    return False


@cache
def _library() -> Any:
    return ctypes.CDLL(None) if sys.platform in ("linux", "darwin") else None
