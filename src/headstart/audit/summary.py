"""What can be said of a set of pictures before anything is learned from it. Only what was checked is said."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path

from headstart.images.folder import ImageSet
from headstart.images.names import below, some
from headstart.images.walk import LeftOut

_UNEVEN = 3.0  # largest class over smallest from which accuracy alone misleads
_EXAMPLES = 3  # named in a line for people

Paths = tuple[Path, ...]


@dataclass(frozen=True, kw_only=True)
class Audit:
    """What was found. "Copies" are byte-identical files; each tuple holds the paths that belong together."""

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

    def lines(self) -> list[str]:
        """Plain sentences for people; none when there is nothing to say."""
        findings = (
            (
                "Same picture under different labels",
                [self._names(paths) for paths in self.conflicting],
                "At least one of the labels is wrong.",
            ),
            (
                "Same picture in more than one split",
                [self._names(paths) for paths in self.duplicates_across],
                "What is measured on it looks better than it is.",
            ),
            (
                "Group in more than one split",
                [self._names(paths) for paths in self.groups_across],
                "The splits are not independent, so what is measured looks better than it is.",
            ),
            (
                "Same picture more than once in a split",
                [self._names(paths) for paths in self.duplicates_within],
                "Cross-validation keeps such copies in one fold.",
            ),
            (
                "Left out",
                [f"{self._name(left.path)} ({left.reason})" for left in self.left_out],
                "Nothing was put in their place.",
            ),
        )
        lines = [f"{what} ({len(all_)}): {some(all_, _EXAMPLES)}. {so}" for what, all_, so in findings if all_]
        if self.imbalance >= _UNEVEN:
            train = self.counts["train"]
            large, small = max(train, key=train.__getitem__), min(train, key=train.__getitem__)
            lines.append(
                f"Classes are uneven: {train[large]} pictures of {large}, {train[small]} of {small}. "
                "Trust balanced accuracy more than accuracy."
            )
        return lines

    def _names(self, paths: Paths) -> str:
        return "[" + some([self._name(path) for path in paths], _EXAMPLES) + "]"

    def _name(self, path: Path) -> str:
        return below(self.root, path)


def audit(images: ImageSet) -> Audit:
    """Count the classes, find copies by content, and list what was left out."""
    split, digests = images.split.tolist(), images.digests
    labels = [images.classes[label] for label in images.y]
    splits = [name for name in ("train", "val", "test") if name in split]
    pictures = Counter(zip(split, labels, strict=True))
    counts = {name: {label: pictures[name, label] for label in images.classes} for name in splits}
    train = counts.get("train", {"": 1}).values()

    def together(keys: Sequence[Hashable], differ: Callable[[list[int]], bool]) -> tuple[Paths, ...]:
        """Paths of rows that share a key, where there are several and ``differ`` holds for them."""
        rows_of: dict[Hashable, list[int]] = defaultdict(list)
        for row, key in enumerate(keys):
            rows_of[key].append(row)
        found = [rows for rows in rows_of.values() if len(rows) > 1 and differ(rows)]
        return tuple(tuple(images.paths[row] for row in rows) for rows in found)

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
