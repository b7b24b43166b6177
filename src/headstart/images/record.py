"""What a run was made from, file by file, small enough to keep with it; and what has changed since."""

from __future__ import annotations

import json
import os
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from headstart.files import display
from headstart.images.folder import ImageSet
from headstart.images.names import some

SCHEMA = 1


def record(images: ImageSet) -> dict[str, Any]:
    """Plain JSON types: fingerprint, and ``[name, SHA-256, class, split, group]`` of every picture, sorted by name."""
    number: dict[int, int] = {}
    rows = []
    for i in sorted(range(len(images)), key=lambda i: _name(images, images.paths[i])):
        group = number.setdefault(int(images.groups[i]), len(number))
        name, label = _name(images, images.paths[i]), images.classes[images.y[i]]
        rows.append([name, images.digests[i], label, str(images.split[i]), group])
    return {
        "schema": SCHEMA,
        "fingerprint": images.fingerprint(),
        "columns": ["name", "sha256", "class", "split", "group"],
        "pictures": rows,
        "left_out": sorted([_name(images, out.path), out.reason] for out in images.left_out),
    }


def write(path: Path, images: ImageSet) -> None:
    """Write the record as JSON with a picture per line, whole or not at all."""
    document = record(images)
    rows = ",\n".join(json.dumps(row, ensure_ascii=False) for row in document.pop("pictures"))
    head = json.dumps(document, indent=1, ensure_ascii=False).removesuffix("\n}")
    scratch = path.with_name(f".{path.name}-{os.getpid()}")
    scratch.write_text(f'{head},\n "pictures": [\n{rows}\n]}}\n', encoding="utf-8")
    scratch.replace(path)


def changes(recorded: Mapping[str, Any], images: ImageSet) -> tuple[str, ...]:
    """What is different about the pictures now, in words; empty where nothing that counts is.

    ``images`` is a new scan, in which what could not be decoded may still be listed as a picture.
    """
    left_out = {name for name, _ in recorded["left_out"]}
    before = {name: row for name, *row in recorded["pictures"]}
    after = {name: row for name, *row in record(images)["pictures"] if name not in left_out or name in before}
    gone, new = sorted(before.keys() - after.keys()), sorted(after.keys() - before.keys())
    moved = {after[name][0]: name for name in new}
    renamed = [name for name in gone if before[name][0] in moved]
    both = sorted(before.keys() & after.keys())
    found = [
        _said([name for name in gone if name not in renamed], "missing"),
        _said([name for name in new if after[name][0] not in {before[one][0] for one in renamed}], "added"),
        _said([f"{name} → {moved[before[name][0]]}" for name in renamed], "renamed or moved"),
        _said([name for name in both if before[name][0] != after[name][0]], "with other contents"),
        _said([name for name in both if before[name][1] != after[name][1]], "with another class"),
        _said([name for name in both if before[name][2] != after[name][2]], "in another split"),
    ]
    said = tuple(line for line in found if line)
    if not said and _together(before) != _together(after):
        return ("The pictures are the same, and grouped differently.",)
    return said


def _together(rows: Mapping[str, Sequence[Any]]) -> list[int]:
    """Groups numbered in the order of the names: only who is together counts."""
    number: dict[int, int] = {}
    return [number.setdefault(int(rows[name][3]), len(number)) for name in sorted(rows)]


def _said(names: Sequence[str], what: str) -> str:
    count = f"{len(names)} picture{'s' if len(names) != 1 else ''}"
    return f"{count} {what}: {some(names, 5)}." if names else ""


def _name(images: ImageSet, path: Path) -> str:
    """Relative to the folder that was scanned, so that the folder may lie elsewhere; printable."""
    inside = images.root is not None and path.is_relative_to(images.root)
    name = path.relative_to(images.root).as_posix() if inside and images.root else path.name
    return display(unicodedata.normalize("NFC", name))
