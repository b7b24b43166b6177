"""Which pictures belong together, by what their paths say or by a column of the table: a patient, a burst, a day."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from headstart.errors import DataError, OptionError
from headstart.files import below, some
from headstart.images.folder import ImageSet, scan
from headstart.images.formats.given import Source
from headstart.images.shortfalls import MIN_PER_CLASS
from headstart.progress import Progress

_EXAMPLES = 3


def read(source: Source, group_by: str | None = None, progress: Progress | None = None) -> ImageSet:
    """The labelled pictures of a source, in the groups that ``group_by`` names; see `scan` and `grouped_by`."""
    images = scan(source, progress=progress)
    return images if group_by is None else grouped_by(images, group_by)


def grouped_by(images: ImageSet, group_by: str) -> ImageSet:
    """The pictures in groups: those that share what ``group_by`` finds never cross a fold.

    Args:
        images: the pictures; whatever is a group already stays one.
        group_by: a column of the table, where there is one of that name; else a regular expression, searched in each
            path below the root (with / between folders). Its first group, or the whole match if it has none, names the
            picture's group; where that is empty the picture stands alone.

    Raises:
        OptionError: no regular expression.
        DataError: a path does not match, or a class falls into too few groups to be told from them.
    """
    values = images.columns.get(group_by.lower(), {})
    named = [values.get(path) for path in images.paths] if values else _matched(images, group_by, [*images.columns])
    keys = [name or None for name in named]
    _check(images, keys, group_by)
    names = tuple(key or name for key, name in zip(keys, images.group_names, strict=True))
    return replace(images.grouped(keys), group_names=names)


def _matched(images: ImageSet, group_by: str, columns: Sequence[str]) -> list[str | None]:
    or_column = f", or one of the columns {some(columns)}" if columns else ""
    try:
        pattern = re.compile(group_by)
    except re.error as error:
        expected, todo = f"a regular expression{or_column}", r"write, for instance, --group-by '(patient\d+)'"
        raise OptionError.of("--group-by", expected=expected, found=f"{group_by!r}: {error}", todo=todo) from error
    names = [below(images.root, path).replace("\\", "/") for path in images.paths]
    matches = [pattern.search(name) for name in names]
    if missing := sorted(name for name, match in zip(names, matches, strict=True) if match is None):
        expected = f"a match of {group_by!r} in the path of every picture{or_column}"
        found = f"none in {len(missing)} of {len(names)}: {some(missing, _EXAMPLES)}"
        todo = "correct it, or end it with |$ to let the pictures that do not match stand alone"
        raise DataError.of(f"groups by {group_by!r}", expected=expected, found=found, todo=todo)
    first = 1 if pattern.groups else 0
    return [match[first] for match in matches if match]


def _check(images: ImageSet, keys: list[str | None], group_by: str) -> None:
    """Raise DataError where no picture is named, or a class falls into too few groups."""
    what = f"groups by {group_by!r}"
    if not any(keys):
        expected, found = f"groups named by {group_by!r}", "an empty name for every picture"
        raise DataError.of(what, expected=expected, found=found, todo="correct it, or leave --group-by out")
    few = []
    for label, name in enumerate(images.classes):
        mine = [i for i in range(len(images)) if images.y[i] == label and images.split[i] == "train"]
        groups = {keys[i] or i for i in mine}
        if mine and len(groups) < MIN_PER_CLASS:
            names = some([repr(key) for key in sorted(map(str, groups))], _EXAMPLES)
            few.append(f"{name!r} falls into {len(groups)} group{'s' if len(groups) > 1 else ''} ({names})")
    if few:
        expected = f"at least {MIN_PER_CLASS} groups of each class to train on"
        todo = "name smaller groups, add pictures of other groups, or leave --group-by out"
        raise DataError.of(what, expected=expected, found=some(few), todo=todo)
