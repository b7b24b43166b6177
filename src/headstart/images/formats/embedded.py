"""Pictures that lie in the label files themselves: taken out once, beside a table of their classes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from headstart.cache_folder import size_limit
from headstart.errors import DataError, Problem
from headstart.files import digest, sha256
from headstart.images.archives import safe_name
from headstart.images.columns import Columns
from headstart.images.formats.asked import Asked, Part, in_part
from headstart.images.formats.glance import Glance
from headstart.images.formats.table import of_records, records_in
from headstart.images.labelled import Entries
from headstart.images.split_names import split_of
from headstart.images.unpacked import unpacked

TABLE = "pictures.jsonl"
_COLUMNS = Columns(path="path", label="label", split="split", group="group")
_ENDINGS = {b"\x89PNG": ".png", b"\xff\xd8": ".jpg", b"RIFF": ".webp", b"GIF8": ".gif", b"BM": ".bmp"}
"""By how a file begins; for people alone, since pictures are recognised by their content."""


@dataclass(frozen=True, kw_only=True)
class Embedded:
    """A picture that was taken out."""

    name: str
    """In the source; empty where it has none."""
    data: bytes
    label: Any
    """As it is written: a text or number, a list of such, None; what is none of these is a fault of the source."""
    split: str
    """As it is written."""
    group: str | None = None


def taken_out(
    asked: Asked, reader: str, pictures: Callable[[Asked], Iterable[Embedded]], size: Callable[[Part], int]
) -> Entries:
    """The entries of pictures that lie in the label files.

    Args:
        asked: the label files.
        reader: its name and version, which decide what comes out, beside the files.
        pictures: reads those of label files, all or none.
        size: bytes of all pictures of one, as it says.

    Raises:
        DataError: the label files are damaged, or hold more than the cache; or what is wrong with rows.
    """
    try:
        folder = _unpacked(asked, reader, pictures, size)
    except DataError as error:
        raise _each_alone(asked, reader, pictures, size, error) from error
    table = Part(file=folder / TABLE)
    inner = replace(asked, root=folder, parts=(table,), inside=True)
    records = records_in(Glance(table.file)) or []
    entries = of_records(inner, lambda part: records, columns=_COLUMNS, unlabelled="no class in the source")
    understood = replace(
        entries.understood,
        unpacked=str(folder),
        source=asked.given.address,
        label_files=asked.label_files,
    )
    return replace(entries, understood=understood)


def _unpacked(
    asked: Asked, reader: str, pictures: Callable[[Asked], Iterable[Embedded]], size: Callable[[Part], int]
) -> Path:
    """The folder in the cache where the pictures lie beside their table."""
    parts = [[part.split, sha256(part.file)] for part in asked.parts]
    key = digest([reader, parts, asked.given.path_column, asked.given.label_column])
    needed = sum(map(size, asked.parts))
    return unpacked(key, lambda target: _write(target, pictures(asked), asked.what), needed=needed, what=asked.what)


def _each_alone(
    asked: Asked,
    reader: str,
    pictures: Callable[[Asked], Iterable[Embedded]],
    size: Callable[[Part], int],
    error: DataError,
) -> DataError:
    """What is wrong with each of the label files, one of which cannot be read, which gave ``error``."""
    problems: list[Problem] = []
    for part in asked.parts if len(asked.parts) > 1 else ():
        try:
            taken_out(replace(asked, parts=(part,)), reader, pictures, size)
        except DataError as alone:
            problems += in_part(part, asked, alone).problems
    return DataError(asked.what, problems) if problems else error


def _write(folder: Path, pictures: Iterable[Embedded], what: str) -> None:
    limit, total = size_limit(), 0
    taken: set[str] = set()
    with (folder / TABLE).open("w", encoding="utf-8") as table:
        for number, picture in enumerate(pictures):
            total += len(picture.data)
            if total > limit:
                expected, found = f"at most {limit / 1e9:,.2f} GB of pictures", "more, though it says otherwise"
                raise DataError.of(what, expected=expected, found=found, todo="make the file again")
            name = _name(picture, number, taken)
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(picture.data)
            record = {"path": name, "label": picture.label, "split": picture.split or "train"}
            record |= {"group": picture.group} if picture.group else {}
            table.write(json.dumps(record, default=str) + "\n")


def _name(picture: Embedded, number: int, taken: set[str]) -> str:
    """A name that no other picture has, in a folder of its split, as near as can be to that in the source."""
    safe, refused = safe_name(picture.name)
    ending = next((ending for begin, ending in _ENDINGS.items() if picture.data.startswith(begin)), "")
    name = safe if safe and not refused else f"{number:06}{ending}"
    name = f"{split}/{name}" if (split := split_of(picture.split)) else name
    stem, dot, last = name.rpartition(".")
    candidate, again = name, 1
    while candidate.casefold() in taken or candidate == TABLE:
        again += 1
        candidate = f"{stem}-{again}.{last}" if dot and "/" not in last else f"{name}-{again}"
    taken.add(candidate.casefold())
    return candidate
