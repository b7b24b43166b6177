"""What a run was made from, file by file, small enough to keep with it; and what has changed since."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from headstart.files import display, write_text
from headstart.images.folder import ImageSet, in_turn

SCHEMA = 1
FILE = "data.json"
"""Its name in the folder of a run."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """What `record` gives, as it must be to be compared."""

    schema: int
    fingerprint: str
    columns: tuple[str, ...]
    pictures: tuple[tuple[str, str, str, str, int], ...]
    left_out: tuple[tuple[str, str], ...]


def record(images: ImageSet) -> dict[str, Any]:
    """Plain JSON types: fingerprint, and ``[name, SHA-256, class, split, group]`` of every picture, sorted by name."""
    names = [display(name) for name in images.names]
    order = sorted(range(len(images)), key=names.__getitem__)
    rows = [
        [names[i], images.digests[i], images.classes[images.y[i]], str(images.split[i]), group]
        for i, group in zip(order, in_turn(images.groups[order].tolist()), strict=True)
    ]
    return {
        "schema": SCHEMA,
        "fingerprint": images.fingerprint(),
        "columns": ["name", "sha256", "class", "split", "group"],
        "pictures": rows,
        "left_out": sorted([display(images.name_of(out.path)), out.reason] for out in images.left_out),
    }


def write(path: Path, images: ImageSet) -> None:
    """Write the record as JSON with a picture per line, whole or not at all."""
    document = record(images)
    rows = ",\n".join(json.dumps(row, ensure_ascii=False) for row in document.pop("pictures"))
    head = json.dumps(document, indent=1, ensure_ascii=False).removesuffix("\n}")
    write_text(path, f'{head},\n "pictures": [\n{rows}\n]}}\n')


def trained_on(run: Path) -> frozenset[str]:
    """SHA-256 of the pictures that a run, or the run of a ``model`` directory, was trained on; empty if unknown."""
    folder = run.absolute().parent if (run / "model.json").is_file() else run
    try:
        pictures = json.loads((folder / FILE).read_text(encoding="utf-8"))["pictures"]
        return frozenset(digest for _, digest, _, split, _ in pictures if split == "train")
    except (OSError, ValueError, KeyError, TypeError):
        return frozenset()


@dataclass(frozen=True, kw_only=True)
class Changes:
    """Names of the pictures that are not as they were recorded; false where there are none."""

    missing: tuple[str, ...]
    added: tuple[str, ...]
    renamed: tuple[tuple[str, str], ...]
    """The name that was recorded, and the name of a new picture with the same bytes."""
    contents: tuple[str, ...]
    """With other bytes."""
    classes: tuple[str, ...]
    """With another class."""
    splits: tuple[str, ...]
    """In another split."""
    grouped: bool
    """Whether of the pictures that are still there others belong together than before."""

    def __bool__(self) -> bool:
        return any(getattr(self, field.name) for field in fields(self))


def changes(recorded: Mapping[str, Any], images: ImageSet) -> Changes:
    """What is different about the pictures now.

    ``images`` is a new scan, in which what could not be decoded may still be listed as a picture.
    """
    left_out = {name for name, _ in recorded["left_out"]}
    before = {name: row for name, *row in recorded["pictures"]}
    after = {name: row for name, *row in record(images)["pictures"] if name not in left_out or name in before}
    missing, added = sorted(before.keys() - after.keys()), sorted(after.keys() - before.keys())
    moved_to = {after[name][0]: name for name in added}
    renamed = [name for name in missing if before[name][0] in moved_to]
    contents_moved = {before[name][0] for name in renamed}
    both = sorted(before.keys() & after.keys())
    digest, label, split = (tuple(name for name in both if before[name][at] != after[name][at]) for at in range(3))
    group_before, group_after = (in_turn(int(rows[name][3]) for name in both) for rows in (before, after))
    return Changes(
        missing=tuple(name for name in missing if name not in renamed),
        added=tuple(name for name in added if after[name][0] not in contents_moved),
        renamed=tuple((name, moved_to[before[name][0]]) for name in renamed),
        contents=digest,
        classes=label,
        splits=split,
        grouped=group_before != group_after,
    )
