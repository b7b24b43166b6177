"""Labelled pictures as somebody names them, before anything is looked at: where they are, and how to read them."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from headstart.files import display
from headstart.output_folder import default_name

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
"""Two characters at least: ``C:`` is a drive."""


@dataclass(frozen=True, kw_only=True)
class Given:
    """A source of labelled pictures."""

    address: str
    """A folder, a file, or an address such as ``s3://bucket/photos.zip``."""
    format: str = ""
    """The name of a format, if it is insisted on; see `headstart.images.formats.registry`."""
    path_column: str = ""
    """The column of a table that names the files; recognised where it is empty."""
    label_column: str = ""
    """The column of a table that holds the classes; recognised where it is empty."""

    @classmethod
    def of(cls, source: Source) -> Given:
        """What was given as a path or a text, to be recognised by its content."""
        return source if isinstance(source, Given) else cls(address=os.fspath(source))

    @property
    def is_remote(self) -> bool:
        """Whether it is an address and not a path."""
        return _SCHEME.match(self.address) is not None

    @property
    def path(self) -> Path | None:
        """The folder or file; None for an address."""
        return None if self.is_remote else Path(self.address)

    @property
    def name(self) -> str:
        """What results of it are called where no name is given, and what it is called in titles."""
        if self.path is not None:
            return default_name(self.path)
        parts = urlsplit(self.address)
        last = parts.path.rstrip("/").rpartition("/")[2] or parts.netloc
        return last.partition(".")[0] or last

    @property
    def title(self) -> str:
        """Its last part as it is written."""
        if self.path is not None:
            return self.path.resolve().name
        return urlsplit(self.address).path.rstrip("/").rpartition("/")[2] or self.address

    @property
    def whereabouts(self) -> str:
        """The address, or the whole path: where it is found again from any folder."""
        return self.address if self.path is None else display(self.path.resolve())

    @property
    def options(self) -> dict[str, Any]:
        """The options of the command line that say how it is read; None where one was not given."""
        return {f"--{name.replace('_', '-')}": value or None for name, value in self.reading.items()}

    @property
    def reading(self) -> dict[str, str]:
        """How it is read, by the names of the fields; empty texts where that is recognised."""
        return {each.name: getattr(self, each.name) for each in fields(self) if each.name != "address"}

    def at(self, address: str | Path) -> Given:
        """Another place that is read in the same way."""
        return replace(self, address=os.fspath(address))


Source = Given | str | os.PathLike[str]
"""What a function takes for labelled pictures."""
