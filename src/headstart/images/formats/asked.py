"""What a reader of a format is asked for: label files, the folder that they describe, and how to read them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.errors import DataError
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


def document_of(part: Part, asked: Asked, **kinds: type) -> Any:
    """The JSON object of a label file. Raises DataError unless it holds values of ``kinds``, list or dict, by name."""
    glance = Glance(part.file)
    if glance.document is None:
        found, todo = f"{display(part.file.name)}, which is none", "export it again: it is cut off or damaged"
        raise DataError.of(asked.what, expected="a document of JSON", found=found, todo=todo)
    if not glance.has(*kinds) or not all(isinstance(glance.document[name], kind) for name, kind in kinds.items()):
        expected = f"a document with {' and '.join(f'{name}, {_KINDS[kind]}' for name, kind in kinds.items())}"
        found, todo = f"{display(part.file.name)} without it", "export it again, or leave --format out"
        raise DataError.of(asked.what, expected=expected, found=found, todo=todo)
    return glance.document


_KINDS: dict[type, str] = {list: "a list", dict: "an object"}


def as_list(value: Any) -> list[Any]:
    """The list that a value of a document is; an empty one where it is none."""
    return value if isinstance(value, list) else []
