"""A CSV of pictures, ``path,label[,group][,split]``, becomes entries; every bad row is reported with its line."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from headstart.errors import DataError, Problem
from headstart.files import display
from headstart.images.entries import SPLITS, Entry
from headstart.images.names import class_name, some

_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")

_REMEDIES = {
    "every row has as many cells as the header": "put names that contain the delimiter between double quotes",
    "every row has a path": "fill in the path, or delete the row",
    "every row has a label": "fill in the label, or delete the row",
    "every split is one of train, val, test": "correct the name, or leave the column out",
    "every file exists": "correct the path; it is relative to the folder of the table",
    "every file is named once": "delete the repeated row",
}


@dataclass
class Faults:
    """What is wrong with the lines of a table, gathered rule by rule, for a single error at the end."""

    remedies: Mapping[str, str]
    """Each rule that a line must keep, and what to do where one does not."""
    _found: dict[str, list[str]] = field(default_factory=dict)

    def none_in(self, line: int, checks: Mapping[str, tuple[bool, str]]) -> bool:
        """Whether a line keeps every rule of ``checks``: rule → (whether it is kept, what was found)."""
        bad = [rule for rule, (holds, _) in checks.items() if not holds]
        for rule in bad:
            self._found.setdefault(rule, []).append(f"line {line}: {checks[rule][1]}")
        return not bad

    def tell(self, what: str) -> None:
        """Raise DataError with every fault that was gathered, if there is any."""
        problems = [
            Problem(expected=rule, found=some(self._found[rule]), todo=todo)
            for rule, todo in self.remedies.items()
            if rule in self._found
        ]
        if problems:
            raise DataError(what, problems)


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a table, and the names of all its columns, in lower case."""

    names: tuple[str, ...]
    values: Mapping[Path, str]
    """By the path of the picture; empty where there is no such column."""


def read_column(source: Path, name: str) -> Column:
    """What a CSV that `read_table` has read says of its pictures under the column ``name``, in any case."""
    header, rows = parse(source)
    values = {}
    for _, cells in rows:
        cell = dict(zip(header, (text.strip() for text in cells), strict=False))
        values[source.parent / cell.get("path", "")] = cell.get(name.lower(), "")
    return Column(names=tuple(header), values=values if name.lower() in header else {})


def read_table(source: Path) -> list[Entry]:
    """Read a CSV with a header; columns beyond the four known are ignored.

    Paths are relative to the table's folder. Comma, semicolon and tab delimit; BOM, CRLF and UTF-16 are understood.

    Raises:
        DataError: no columns ``path`` and ``label``, or bad rows: all of them, with their line numbers.
    """
    header, rows = parse(source)
    faults = Faults(_REMEDIES)
    seen: dict[str, int] = {}
    entries = []
    for line, cells in rows:
        cell = dict(zip(header, (text.strip() for text in cells), strict=False))
        name, label, split = cell.get("path", ""), class_name(cell.get("label", "")), cell.get("split", "train")
        path = source.parent / name
        first = seen.setdefault(os.path.normpath(path), line)
        checks = {
            "every row has as many cells as the header": (len(cells) <= len(header), f"{len(cells)} cells"),
            "every row has a path": (bool(name), "no path"),
            "every row has a label": (bool(label), "no label"),
            "every split is one of train, val, test": (split.lower() in SPLITS, repr(split)),
            "every file exists": (not name or os.path.exists(path), display(name)),  # noqa: PTH110, a NUL is survived
            "every file is named once": (not name or first == line, f"{display(name)} as in line {first}"),
        }
        if faults.none_in(line, checks):
            group = cell.get("group") or None
            entries.append(Entry(path=path, label=label, split=SPLITS[split.lower()], group=group))
    faults.tell(f"table {display(source)}")
    return entries


def parse(source: Path) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """Header in lower case, and the rows that are not blank with the line each ends on.

    Raises:
        DataError: no columns ``path`` and ``label``.
    """
    raw = source.read_bytes()
    # Names that are no UTF-8 come through unchanged, as they do from the file system.
    encoding = "utf-16" if raw.startswith(_UTF16_MARKS) else "utf-8-sig"
    text = raw.decode(encoding, "surrogateescape" if encoding == "utf-8-sig" else "replace")
    for delimiter in ",;\t":
        try:
            reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
            rows = [(reader.line_num, cells) for cells in reader if any(text.strip() for text in cells)]
        except csv.Error:
            continue
        header = [text.strip().lower() for text in rows[0][1]] if rows else []
        if {"path", "label"} <= set(header):
            return header, iter(rows[1:])
    first = display(text.strip().splitlines()[0][:80]) if text.strip() else "an empty file"
    problem = Problem(
        expected="a first line that names the columns path,label[,group][,split]",
        found=first,
        todo="add the header line, or give a folder with one folder of pictures for each class",
    )
    raise DataError(f"table {display(source)}", [problem])
