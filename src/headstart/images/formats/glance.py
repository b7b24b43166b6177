"""A cheap look at a file: what it begins with, and what JSON it holds."""

from __future__ import annotations

import csv
import io
import json
from functools import cached_property
from pathlib import Path
from typing import Any

from headstart.images.tables import encoding_of

HEAD = 64 << 10
"""Bytes that a file is recognised by, where its beginning is enough."""
MOST_DOCUMENT = 1 << 30
"""Bytes of a JSON document that is read. Chosen for memory: a document takes five to ten times as much when it is read.
The largest labels in common use, those of COCO 2017, have 0.47 GB."""


class Glance:
    """A file of a source. Nothing is read before it is asked for."""

    def __init__(self, file: Path) -> None:
        self.file = file

    @cached_property
    def head(self) -> bytes:
        """The first bytes; empty where it is no regular file."""
        if not self.file.is_file():
            return b""
        with self.file.open("rb") as stream:
            return stream.read(HEAD)

    @cached_property
    def text(self) -> str:
        """The beginning as text; empty where it is none."""
        text = self.head.decode(encoding_of(self.head), "replace")
        return "" if "\0" in text else text

    @property
    def whole(self) -> str:
        """All of it as text, in UTF-8 bytes that are none as the lone surrogates that no text has."""
        data = self.file.read_bytes()
        encoding = encoding_of(data)
        return data.decode(encoding, "surrogateescape" if encoding.startswith("utf-8") else "replace")

    @property
    def rows(self) -> list[list[str]]:
        """The beginning as a table with commas; empty where it is none."""
        try:
            return list(csv.reader(io.StringIO(self.text, newline="")))
        except csv.Error:
            return []

    @cached_property
    def document(self) -> Any:
        """The JSON document that the whole file is; None where it is none."""
        if self.text.lstrip()[:1] not in ("{", "[") or self.file.stat().st_size > MOST_DOCUMENT:
            return None
        try:
            return json.loads(self.whole)
        except (ValueError, RecursionError):
            return None

    @property
    def is_one_line(self) -> bool:
        """Whether the document is one object on one line, as a file of JSON lines with a single record is."""
        return isinstance(self.document, dict) and "\n" not in self.text.strip()

    def has(self, *names: str) -> bool:
        """Whether the document is a JSON object with all of ``names``."""
        return isinstance(self.document, dict) and all(name in self.document for name in names)
