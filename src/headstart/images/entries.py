"""Files that somebody labelled, by folder, table or hand, before any of them is opened."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from headstart.images.walk import LeftOut

SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
"""Names of splits as people write them, in lower case, and ours for each."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One file that somebody labelled."""

    path: Path
    label: str
    split: str = "train"
    group: Hashable | None = None
    """Files that share a group belong together; None stands alone."""


@dataclass(frozen=True, kw_only=True)
class Entries:
    """All files that were labelled, and where the labels come from."""

    root: Path | None
    """The folder or the table's folder; None for files given one by one."""
    layout: str
    """"class folders", "split folders", "table" or "arrays"."""
    entries: tuple[Entry, ...]
    declared: Mapping[str, set[str]]
    """The classes of each split that folders or rows name, also those without a file."""
    left_out: tuple[LeftOut, ...] = ()

    @classmethod
    def listed(cls, entries: Sequence[Entry], *, root: Path | None, layout: str) -> Entries:
        """The entries of a table or of arrays, which declare no class but those of their rows."""
        declared: dict[str, set[str]] = {"train": set()}
        for entry in entries:
            declared.setdefault(entry.split, set()).add(entry.label)
        return cls(root=root, layout=layout, entries=tuple(entries), declared=declared)
