"""What of a folder or table of pictures is understood, before anything is computed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from headstart.errors import DataError, Problem
from headstart.images.folder import ImageSet, look
from headstart.images.grouping import grouped_by


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The labelled pictures of a source."""

    source: Path
    images: ImageSet
    problems: tuple[Problem, ...]
    """What keeps them from being trained on."""


def list_pictures(source: Path, group_by: str | None = None) -> Listing:
    """Read labels, splits and groups, and the header of each picture; see `headstart.images.grouping.read`.

    Raises:
        DataError: the labels cannot be read.
        OptionError: ``group_by`` is no regular expression.
    """
    images, problems = look(source)
    if group_by is not None and not problems:
        try:
            images = grouped_by(images, group_by, source if source.is_file() else None)
        except DataError as error:
            problems = error.problems
    return Listing(source=source, images=images, problems=problems)
