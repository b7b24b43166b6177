"""One column a class with 1 where a picture is of it, as Roboflow writes ``_classes.csv``."""

from __future__ import annotations

import csv
import io
from functools import partial
from pathlib import Path

from headstart.errors import DataError
from headstart.files import display
from headstart.images.columns import PATHS, plain_name
from headstart.images.formats.asked import Asked, Part, each_part
from headstart.images.formats.glance import Glance
from headstart.images.formats.said import Listing, Said, gathered, require_one_name_each
from headstart.images.labelled import Entries, Understood
from headstart.images.tables import encoding_of
from headstart.images.walk import LeftOut

_MARKS = {"0": False, "1": True, "0.0": False, "1.0": True}
_WIDTH, _MARKED = "every row has as many cells as the header", "every mark is 0 or 1"
_RULES = {_WIDTH: "write the row anew", _MARKED: "write 1 under the class of the picture, 0 under all others"}


def is_one_hot(glance: Glance) -> bool:
    """Whether the first column names files and all others, two or more, hold marks."""
    rows = glance.rows[:20]
    if len(rows) < 2 or len(rows[0]) < 3 or plain_name(rows[0][0]) not in PATHS:
        return False
    complete = rows[1:] if len(rows) == 2 else rows[1:-1]  # the last may be cut off
    marked = [all(cell.strip() in _MARKS for cell in row[1:]) for row in complete if row]
    return 2 * sum(marked) > len(marked)


def read_one_hot(asked: Asked) -> Entries:
    """The entries of tables of marks; pictures without a mark are left out.

    Raises:
        DataError: bad rows, all of them, with their line numbers; also pictures of several classes.
    """
    left_out: list[LeftOut] = []
    together = partial(
        gathered,
        what=asked.what,
        root=asked.root,
        layout="one-hot",
        inside=asked.inside,
        unit="line",
        rules=_RULES,
        understood=Understood(label_files=asked.label_files, separator=","),
        left_out=left_out,
    )
    return each_part(asked, lambda part: _listing(asked, part, left_out), together)


def _listing(asked: Asked, part: Part, left_out: list[LeftOut]) -> Listing:
    (_, first), *rows = rows_of(part.file, asked.what) or [(1, [])]
    header = [cell.strip() for cell in first]
    require_one_name_each(header[1:], asked.what)
    said = []
    for line, row in rows:
        name, marks = row[0].strip(), [cell.strip() for cell in row[1:]]
        labels = tuple(label for label, mark in zip(header[1:], marks, strict=False) if _MARKS.get(mark))
        broken = {_WIDTH: f"{len(row)} cells"} if len(row) != len(header) else {}
        if odd := [mark for mark in marks if mark not in _MARKS]:
            broken[_MARKED] = f"{display(name)}: {display(odd[0])!r}"
        if not labels and not broken:
            left_out.append(LeftOut(part.file.parent / name, "no class is marked"))
        else:
            said.append(Said(at=line, names=(name,), labels=labels, split=part.split or "train", broken=broken))
    return Listing(file=part.file, folder=part.file.parent, said=said)


def rows_of(file: Path, what: str) -> list[tuple[int, list[str]]]:
    """The rows of a table with commas that are not blank, each with the line on which it ends.

    Raises:
        DataError: no text of Unicode, or a quote that is not closed.
    """
    raw = file.read_bytes()
    try:
        text = raw.decode(encoding_of(raw))
    except UnicodeDecodeError as error:
        found = f"{display(file.name)}: byte {error.start:,} is none"
        raise DataError.of(what, expected="labels in UTF-8", found=found, todo="save the file as UTF-8") from error
    reader = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True)
    try:
        return [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        found = f"{display(file.name)}: {error} at line {reader.line_num}"
        todo = "close the quote, or save the table anew"
        raise DataError.of(what, expected="cells that end where they began", found=found, todo=todo) from error
