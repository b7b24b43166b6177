"""Names of files and classes, as people read them."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path

from headstart.files import display


def below(root: Path | None, path: Path) -> str:
    """A picture's path below ``root``, for people; the whole path if it lies elsewhere."""
    return display(path.relative_to(root) if root is not None and path.is_relative_to(root) else path)


def class_name(text: str) -> str:
    """The same spelling for names that look the same: Unicode's NFC, printable."""
    return display(unicodedata.normalize("NFC", text))


def some(items: Sequence[str], limit: int = 10) -> str:
    """The first few of ``items``, then how many more there are."""
    rest = len(items) - limit
    return ", ".join(items[:limit]) + (f" and {rest} more" if rest > 0 else "")
