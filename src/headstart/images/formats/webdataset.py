"""WebDataset: tars in which the files of a picture follow each other under one name, ``1.jpg`` and ``1.cls``."""

from __future__ import annotations

import json
import tarfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any

from headstart.cache_folder import size_limit
from headstart.errors import DataError
from headstart.files import display, some
from headstart.images.archives import DAMAGED, Archive, Member, is_tar, opened
from headstart.images.columns import LABELS, plain_name
from headstart.images.formats.asked import Asked, Part
from headstart.images.formats.embedded import Embedded, taken_out
from headstart.images.formats.glance import Glance
from headstart.images.labelled import Entries

_READER = "webdataset 4"
_PICTURES = ("jpg", "jpeg", "png", "webp", "bmp", "gif", "tif", "tiff", "ppm", "heic", "jxl", "avif")
CLASSES = ("cls", "json", "txt")
"""Endings of what says the class, the likeliest first."""
_SAMPLE = 64
"""Entries of a tar by which it is recognised."""
_MOST_TEXT = 1 << 20
"""Bytes of a file that says a class."""


def is_webdataset(glance: Glance) -> bool:
    """Whether a tar holds, at its beginning, a picture and its class under one name."""
    if not is_tar(glance.file, glance.head):
        return False
    names: list[str] = []
    with suppress(*DAMAGED, OSError), tarfile.open(glance.file) as tar:  # one that is cut off is one nevertheless
        names += (info.name for info in islice(tar, _SAMPLE) if info.isreg())
    endings: dict[str, set[str]] = defaultdict(set)
    for name in names:
        key, ending = _key(name)
        endings[key].add(ending)
    kinds = ({ending.rpartition(".")[2] for ending in found} for found in endings.values())
    return any(found & {*_PICTURES} and found & {*CLASSES} for found in kinds)


def read_webdataset(asked: Asked) -> Entries:
    """The entries of tars.

    Raises:
        DataError: damaged tars, or what has no place in them; no class for a picture; also pictures of several.
    """
    return taken_out(asked, _READER, _pictures, lambda part: part.file.stat().st_size)


def _pictures(asked: Asked) -> Iterator[Embedded]:
    for part in asked.parts:
        what = f"{asked.what}, {display(part.file.name)}"
        with opened(part.file, what, most=size_limit()) as archive:
            yield from _of_tar(asked, part, archive, what)


def _of_tar(asked: Asked, part: Part, archive: Archive, what: str) -> Iterator[Embedded]:
    groups: dict[str, dict[str, Member]] = defaultdict(dict)
    for member in archive.members:
        key, ending = _key(member.name)
        groups[key][ending] = member
    if alone := [f"{key}.cls" for key, found in groups.items() if "cls" in found and not _pictures_in(found)]:
        expected, todo = "a picture beside every class", "add the pictures, or take these out"
        raise DataError.of(what, expected=expected, found=some([*map(display, alone)]), todo=todo)
    for together in groups.values():
        _, picture = _of_kind(together, _PICTURES)
        if picture is None:
            continue
        for other in _pictures_in(together):  # a mask, another view: without a class of its own
            if other is not picture:
                yield Embedded(name=other.name, data=_read(archive, other, other.size), label=None, split=part.split)
        ending, label = _of_kind(together, CLASSES)
        said = b"" if label is None else _read(archive, label, _MOST_TEXT)
        found, group = _label(asked, ending, said)
        if ending == "cls" and "json" in together:
            other, group = _label(asked, "json", _read(archive, together["json"], _MOST_TEXT))
            found = {"cls": found, "json": other} if _contradict(found, other) else found
        data = _read(archive, picture, picture.size)
        yield Embedded(name=picture.name, data=data, label=found, split=part.split, group=group)


def _contradict(one: Any, other: Any) -> bool:
    """Whether two classes are both names, or both numbers, and are not the same."""
    if not isinstance(other, (str, int)) or isinstance(other, bool) or not isinstance(one, str):
        return False
    return one.isdigit() == str(other).isdigit() and one != str(other)


def _pictures_in(together: Mapping[str, Member]) -> list[Member]:
    return [together[ending] for ending in sorted(together) if ending.rpartition(".")[2] in _PICTURES]


def _of_kind(together: Mapping[str, Member], kinds: Sequence[str]) -> tuple[str, Member | None]:
    """The file of a sample with the first of some endings: the whole of it, else its last part, as in ``image.png``."""
    for ending in kinds:
        if ending in together:
            return ending, together[ending]
    for kind in kinds:
        for ending in sorted(together):
            if ending.rpartition(".")[2] == kind:
                return kind, together[ending]
    return "", None


def _read(archive: Archive, member: Member, most: int) -> bytes:
    with archive.open(member) as stream:
        data = stream.read(most)
    if len(data) < min(member.size, most):
        raise EOFError(f"{display(member.name)} is cut off")
    return data


def _label(asked: Asked, ending: str, data: bytes) -> tuple[Any, str | None]:
    """The class that a file beside a picture says, and the group if it says one; an object where that is no class."""
    try:
        text = data.decode("utf-8-sig").strip()
        document = json.loads(text) if ending == "json" else {"label": text or None}
    except (ValueError, RecursionError):
        return {"in": ending, "which is damaged": data[:40].decode("utf-8", "backslashreplace")}, None
    values = document if isinstance(document, dict) else {"label": document}
    wanted = asked.given.label_column
    found = [wanted] if wanted else [name for name in values if plain_name(name) in LABELS]
    if len(found) != 1 or found[0] not in values:
        return {"--label-column": "which of these", "in": list(values)}, None
    group = values.get("group")
    return values[found[0]], group if isinstance(group, str) else None


def _key(name: str) -> tuple[str, str]:
    """What the files of a picture have in common, and the ending, in lower case: all after the first dot."""
    folder, slash, last = name.rpartition("/")
    stem, _, ending = last.partition(".")
    return f"{folder}{slash}{stem}", ending.lower()
