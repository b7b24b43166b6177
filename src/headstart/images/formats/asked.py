"""What a reader of a format is asked for: label files, the folder that they describe, and how to read them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from headstart.errors import DataError
from headstart.files import display
from headstart.images.formats.given import Given
from headstart.images.formats.glance import Glance
from headstart.images.formats.said import Listing
from headstart.images.labelled import Entries


@dataclass(frozen=True, kw_only=True)
class Part:
    """A label file of a source."""

    file: Path
    split: str = ""
    """The split of all in it, as its name or its folder says; empty where neither does."""
    glance: Glance | None = field(default=None, repr=False, compare=False)
    """By which it was recognised."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Label files of one format, to be read into entries."""

    given: Given
    root: Path
    """The folder of the source."""
    parts: tuple[Part, ...]
    inside: bool = False
    """Whether the source is not a folder of the user's, so that nothing outside of ``root`` may be opened."""

    @property
    def what(self) -> str:
        """The source in errors."""
        return f"pictures {display(self.given.address)}"

    @property
    def label_files(self) -> tuple[str, ...]:
        """Names of the label files below the root, for people."""
        return tuple(display(part.file.relative_to(self.root).as_posix()) for part in self.parts)


def each_part(
    asked: Asked, read: Callable[[Part], Listing], together: Callable[[Sequence[Listing]], Entries]
) -> Entries:
    """The entries of label files that are read one by one, and then together.

    Raises:
        DataError: what is wrong with any of the files, and with the rows of those that can be read.
    """
    listings: list[Listing] = []
    errors: list[DataError] = []
    for part in asked.parts:
        try:
            listings.append(read(part))
        except DataError as error:
            errors.append(in_part(part, asked, error))
            listings.append(Listing(file=part.file, folder=part.file.parent, said=()))
    if len(errors) < len(asked.parts):
        try:
            entries = together(listings)
        except DataError as error:
            errors.append(error)
    if not errors:
        return entries
    what = errors[0].what if len(errors) == 1 else asked.what
    raise DataError(what, [problem for error in errors for problem in error.problems])


def in_part(part: Part, asked: Asked, error: DataError) -> DataError:
    """What is wrong with one label file; of several with its name below the root."""
    if len(asked.parts) == 1:
        return error
    name, whole = display(part.file.name), _name(part, asked)
    problems = []
    for problem in error.problems:
        rest = problem.found.removeprefix(name) if problem.found.startswith(name) else f": {problem.found}"
        problems.append(problem if whole in problem.found else replace(problem, found=f"{whole}{rest}"))
    return DataError(asked.what, problems)


def document_of(part: Part, asked: Asked, *names: str) -> Any:
    """The JSON document of a label file. Raises DataError where it is none, or no object with all of ``names``."""
    glance = Glance(part.file)
    if glance.document is None:
        found = f"{_name(part, asked)}: {glance.damage or 'something else'}"
        todo = "export it again, or leave --format out"
        raise DataError.of(asked.what, expected="a document of JSON", found=found, todo=todo)
    if names and not glance.has(*names):
        found = f"{_name(part, asked)} without it"
        todo = "export it again, or leave --format out"
        raise DataError.of(asked.what, expected=f"a document with {' and '.join(names)}", found=found, todo=todo)
    return glance.document


def _name(part: Part, asked: Asked) -> str:
    return display(part.file.relative_to(asked.root).as_posix())
