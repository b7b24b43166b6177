"""Counts, copies by content and files left out: what is known of a set of pictures before anything is learned."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path

from headstart.images.folder import ImageSet
from headstart.images.walk import LeftOut

UNEVEN = 3.0
"""Largest class over smallest from which balanced accuracy is recommended: always giving the larger of two such classes
is right for 75 % of the pictures. Chosen, not measured; harmless, for both figures are shown in any case."""

Paths = tuple[Path, ...]


@dataclass(frozen=True, kw_only=True)
class Audit:
    """The counts and copies of one set of pictures. Copies are byte-identical files; each tuple holds the paths that
    belong together."""

    root: Path | None
    counts: dict[str, dict[str, int]]
    """Pictures by split, then class; every class in every split there is."""
    imbalance: float
    """Largest class over smallest, in training; at least 1."""
    duplicates_within: tuple[Paths, ...]
    """Copies inside one split."""
    duplicates_across: tuple[Paths, ...]
    """Copies in more than one split: what is tested on was trained on."""
    groups_across: tuple[Paths, ...]
    """Groups of different pictures that lie in more than one split."""
    conflicting: tuple[Paths, ...]
    """Copies under different labels."""
    left_out: tuple[LeftOut, ...]
    """Files that are not used, and why."""

    @property
    def uneven(self) -> bool:
        """Whether the classes differ so much in size that accuracy alone misleads."""
        return self.imbalance >= UNEVEN


def audit(images: ImageSet) -> Audit:
    """Count the classes, find copies by content, and list what was left out."""
    split, digests = images.split.tolist(), images.digests
    labels = [images.classes[label] for label in images.y]
    counts = images.counts
    train = counts.get("train", {"": 1}).values()

    def together(keys: Sequence[Hashable], differ: Callable[[list[int]], bool]) -> tuple[Paths, ...]:
        """Paths of rows that share a key, where there are several and ``differ`` holds for them."""
        rows_of: dict[Hashable, list[int]] = defaultdict(list)
        for row, key in enumerate(keys):
            rows_of[key].append(row)
        shared = [rows for rows in rows_of.values() if len(rows) > 1 and differ(rows)]
        return tuple(tuple(images.paths[row] for row in rows) for rows in shared)

    def several(values: Sequence[str], rows: list[int]) -> bool:
        return len({values[row] for row in rows}) > 1

    return Audit(
        root=images.root,
        counts=counts,
        imbalance=max(train) / max(1, min(train)),
        duplicates_within=together(list(zip(split, digests, strict=True)), lambda rows: True),
        duplicates_across=together(digests, lambda rows: several(split, rows)),
        groups_across=together(images.groups.tolist(), lambda rows: several(split, rows) and several(digests, rows)),
        conflicting=together(digests, lambda rows: several(labels, rows)),
        left_out=images.left_out,
    )
