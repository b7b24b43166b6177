"""A cheap look at a file: what it begins with, and what JSON it holds."""

from __future__ import annotations

import csv
import io
import json
from functools import cached_property
from pathlib import Path
from typing import Any

from headstart.errors import DataError
from headstart.images import tables
from headstart.images.archives import is_compressed
from headstart.images.tables import encoding_of

HEAD = 64 << 10
"""Bytes that a file is recognised by, where its beginning is enough."""
MOST_DOCUMENT = 1 << 30
"""Bytes of a JSON document that is read. Chosen for memory: a document takes five to ten times as much when it is read.
The largest labels in common use, those of COCO 2017, have 0.47 GB."""


_WANTED = {
    **dict.fromkeys((".json", ".jsonl", ".ndjson"), "JSON"),
    **dict.fromkeys((".csv", ".tsv", ".tab"), "text"),
    **{".xml": "XML", ".parquet": "Parquet"},
}
"""What must be in a file of labels, by the ending of its name."""


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
        is_binary = "\0" in text and ("\ufffd" in text or "\0" in text.partition("\n")[0])
        return "" if is_binary else text  # a text with zeros in it is damaged, and one nevertheless

    @property
    def rows(self) -> list[list[str]]:
        """The beginning as a table with commas; empty where it is none."""
        try:
            return list(csv.reader(io.StringIO(self.text, newline="")))
        except csv.Error:
            return []

    @cached_property
    def table(self) -> tables.Table | DataError:
        """The whole file as a table of files and classes, or why it is none; it is read once."""
        try:
            return tables.read(self.file)
        except DataError as error:
            return error

    @property
    def document(self) -> Any:
        """The JSON document that the whole file is; None where it is none."""
        return self._document[0]

    @cached_property
    def _document(self) -> tuple[Any, str]:
        """The document, and why it cannot be read, which is empty where it is none or can be."""
        if self.text.lstrip()[:1] not in ("{", "["):
            return None, ""
        if (size := self.file.stat().st_size) > MOST_DOCUMENT:
            return None, f"JSON of {size / 1e9:,.2f} GB, of which at most {MOST_DOCUMENT / 1e9:,.2f} GB are read"
        try:
            return json.loads(self.file.read_bytes()), ""
        except UnicodeDecodeError as error:
            return None, f"JSON whose byte {error.start:,} is no {error.encoding.upper()}"
        except json.JSONDecodeError as error:
            has_lines = error.msg == "Extra data"
            return None, "" if has_lines else f"JSON that is cut off or damaged: {error}"
        except ValueError as error:
            return None, f"JSON that is damaged: {error}"
        except RecursionError:
            return None, "JSON that is nested too deep"

    @property
    def damage(self) -> str:
        """Why labels cannot be in a file of this name; empty where they can."""
        if not self.head.strip(b"\0"):
            return "zeros alone" if self.head else "empty"
        if self._document[1]:
            return self._document[1]
        if is_compressed(self.head):
            return "compressed, and no tar"
        wanted = _WANTED.get(self.file.suffix.lower(), "")
        begins = {"JSON": ("{", "["), "XML": ("<",), "Parquet": ("PAR1",)}.get(wanted, ("",))
        text = self.head.decode("latin-1") if wanted == "Parquet" else self.text.lstrip()
        is_wanted = bool(text) and text.startswith(begins)
        return f"no {wanted}" if wanted and not is_wanted else ""

    @property
    def is_one_line(self) -> bool:
        """Whether the document is one object on one line, as a file of JSON lines with a single record is."""
        return isinstance(self.document, dict) and "\n" not in self.text.strip()

    def has(self, *names: str) -> bool:
        """Whether the document is a JSON object with all of ``names``."""
        return isinstance(self.document, dict) and all(name in self.document for name in names)
