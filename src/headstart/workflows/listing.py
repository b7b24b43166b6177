"""What of a source of pictures is understood, before anything is computed."""

from __future__ import annotations

from dataclasses import dataclass

from headstart.errors import DataError, Problem
from headstart.images.folder import ImageSet, look
from headstart.images.formats.given import Given, Source
from headstart.images.grouping import grouped_by


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The labelled pictures of a source."""

    source: Given
    images: ImageSet
    problems: tuple[Problem, ...]
    """What keeps them from being trained on."""


def list_pictures(source: Source, group_by: str | None = None) -> Listing:
    """Read labels, splits and groups, and the header of each picture; see `headstart.images.grouping.read`.

    Raises:
        DataError: the labels cannot be read.
        OptionError: ``group_by`` is no regular expression.
    """
    images, problems = look(source)
    if group_by is not None and not problems:
        try:
            images = grouped_by(images, group_by)
        except DataError as error:
            problems = error.problems
    return Listing(source=Given.of(source), images=images, problems=problems)
