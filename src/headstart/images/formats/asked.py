"""What a reader of a format is asked for: label files, the folder that they describe, and how to read them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from headstart.errors import DataError, Problem
from headstart.files import display
from headstart.images.formats.given import Given
from headstart.images.formats.glance import Glance


@dataclass(frozen=True, kw_only=True)
class Part:
    """A label file of a source."""

    file: Path
    split: str = ""
    """The split of all in it, as its name or its folder says; empty where neither does."""


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


_Read = TypeVar("_Read")


def each_part(asked: Asked, read: Callable[[Part], _Read]) -> list[_Read]:
    """What is read of each label file. Raises DataError with what is wrong with any of them."""
    done: list[_Read] = []
    problems: list[Problem] = []
    for part in asked.parts:
        try:
            done.append(read(part))
        except DataError as error:
            what, problems = error.what, [*problems, *error.problems]
    if problems:
        raise DataError(what if len(asked.parts) == 1 else asked.what, problems)
    return done


def document_of(part: Part, asked: Asked, *names: str) -> Any:
    """The JSON object of a label file. Raises DataError where it is none with all of ``names``."""
    glance = Glance(part.file)
    if glance.document is None:
        found = f"{_name(part, asked)}: {glance.damage or 'something else'}"
        todo = "export it again, or leave --format out"
        raise DataError.of(asked.what, expected="a document of JSON", found=found, todo=todo)
    if not glance.has(*names):
        found = f"{_name(part, asked)} without it"
        todo = "export it again, or leave --format out"
        raise DataError.of(asked.what, expected=f"a document with {' and '.join(names)}", found=found, todo=todo)
    return glance.document


def _name(part: Part, asked: Asked) -> str:
    return display(part.file.relative_to(asked.root).as_posix())
