"""Tables as people and spreadsheets save them: which encoding, which separator, what stands in the cells."""

from __future__ import annotations

import codecs
import csv
import io
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from headstart.errors import DataError, Problem
from headstart.files import display, original
from headstart.images.columns import Columns, chosen, split_in
from headstart.images.located import located, spelled

SEPARATORS = ",;\t|"
"""Tried in this order; a first line ``sep=;``, as Excel writes it, decides."""
MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before that of UTF-16, which begins it
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""What a text begins with, and the encoding that it says."""
CODE_PAGES = (
    "cp1252", "cp1250", "cp1251", "mac_roman", "cp850", "cp437", "cp932", "gb18030", "cp949", "big5",
    "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "iso8859_2", "koi8_r", "cp866", "euc_jp",
)  # fmt: skip
"""Tried in this order where the text is no UTF-8. The first is taken in which most of the files that it names exist."""
_BEGINNING = 64
"""Bytes by which it is told that a text without a mark is UTF-16."""
_SEEN = 4096
"""Bytes by which it is told that a text of few ASCII characters is UTF-16."""
_AS_ON_DISK = "utf-8 and other bytes"
"""UTF-8 but for names of files that are no text: they come through unchanged, as they do from the file system."""
_SEP = re.compile(r'"?sep=(.)"?[;,\t|]*(?=\r|\n)', re.IGNORECASE)
_KNOWN = ("path", "label", "group", "split", "decision")


class _Named(NamedTuple):
    """What is known of the columns before a table is read."""

    path: str
    label: str
    labelled: bool


class Row(NamedTuple):
    """A row that is not blank."""

    line: int
    """On which it ends, from 1."""
    cells: dict[str, str]
    """By the name of the column."""
    width: int
    """How many there are."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table that names files and classes."""

    folder: Path
    """From where its paths begin."""
    header: tuple[str, ...]
    """Names of the columns in lower case."""
    columns: Columns
    """Which of them are meant; in rows their cells are "path", "label", "split" and "group" as well."""
    rows: tuple[Row, ...]
    encoding: str
    """A name of Python's codecs; "utf-8 and other bytes" where names of files are no text in any of them."""
    separator: str

    @property
    def is_utf(self) -> bool:
        """Whether the encoding is one of Unicode's, about which there is no doubt."""
        return self.encoding.startswith("utf")


def read(source: Path, *, path_column: str = "", label_column: str = "", labelled: bool = True) -> Table:
    """Read a table with a header; `headstart.images.columns` tells which columns are meant where that is not said.

    ``labelled``: whether it must hold classes; else files are enough.

    Its encoding is what its mark says (UTF-8, UTF-16, UTF-32), else UTF-8, or UTF-16 without a mark, else one of
    `CODE_PAGES`. A cell that `headstart.files.write_csv` has kept from being run as a formula is what it was.

    Raises:
        DataError: no columns of files and classes, several of one name, or a quote that is not closed.
    """
    named = _Named(path_column, label_column, labelled)
    raw = source.read_bytes()
    encoding = encoding_of(raw)
    try:
        return _parsed(source, raw.decode(encoding), encoding, named)
    except UnicodeDecodeError:
        if encoding != "utf-8":  # a mark does not lie: the file is damaged, and what is lost shows as such
            return _parsed(source, raw.decode(encoding, "replace"), encoding, named)
    tables, errors = [], []
    for page in CODE_PAGES:
        try:
            tables.append(_parsed(source, raw.decode(page), page, named))
        except UnicodeDecodeError:
            pass
        except DataError as error:  # another may have names of columns that are known, or of files that exist
            errors.append(error)
    with suppress(DataError):
        as_on_disk = _parsed(source, raw.decode("utf-8", "surrogateescape"), _AS_ON_DISK, named)
        if not any(_is_no_text(row.cells[name]) for row in as_on_disk.rows for name in _KNOWN[1:] if name in row.cells):
            tables.append(as_on_disk)
    if not tables:
        raise errors[0]
    return max(tables, key=_files_with_marks)  # the first of those that are equal


def encoding_of(raw: bytes) -> str:
    """The encoding of Unicode that a text's mark says, or its zeros: UTF-16 has one in each of its ASCII characters.

    Where few of them are ASCII, it is UTF-16 if that gives lines of characters that can be seen: bytes in the wrong
    order make of a line's end what is no character.
    """
    if mark := next((name for mark, name in MARKS.items() if raw.startswith(mark)), ""):
        return mark
    first, second = (raw[at:_BEGINNING:2] for at in (0, 1))
    zeros = [half[:1] == b"\0" and 2 * half.count(0) > len(half) for half in (first, second)]
    if zeros in ([True, False], [False, True]):
        return "utf-16-be" if zeros[0] else "utf-16-le"
    beginning = raw[:_SEEN] if b"\0" in raw[:_SEEN] else b""
    return next((name for name in ("utf-16-le", "utf-16-be") if _has_lines(beginning, name)), "utf-8")


def _has_lines(raw: bytes, encoding: str) -> bool:
    """Whether bytes are lines of characters that can be seen."""
    text = raw.decode(encoding, "replace")
    return (
        "\n" in text
        and "\ufffd" not in text
        and all(line.replace("\t", "").isprintable() for line in text.splitlines())
    )


def _files_with_marks(table: Table) -> int:
    """How many files exist whose names are not ASCII: of all others, every encoding says the same."""
    names = [(name,) for row in table.rows if not (name := row.cells.get("path", "")).isascii()]
    return located(table.folder, names).wrong.count("")


def _is_no_text(cell: str) -> bool:
    """Whether a cell holds bytes that are no text in its encoding."""
    return any("\udc80" <= character <= "\udcff" for character in cell)


def _parsed(source: Path, text: str, encoding: str, named: _Named) -> Table:
    line = _SEP.match(text)
    content = text[line.end() :] if line else text  # the line stays, as a blank one
    for separator in dict.fromkeys((line[1] if line else "") + SEPARATORS):
        reader = csv.reader(io.StringIO(content, newline=""), delimiter=separator, skipinitialspace=True)
        rows: list[tuple[int, list[str]]] = []
        unfinished = ""
        try:
            rows += ((reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells))
        except csv.Error as error:  # such as a cell without end
            unfinished = f"{error} after line {rows[-1][0] if rows else 0}"
        header = tuple(_cell(cell).lower() for cell in rows[0][1]) if rows else ()
        cells = [dict(zip(header, map(_cell, cells), strict=False)) for _, cells in rows[1:]]
        if (columns := _columns(source.parent, header, cells, named)) and not _is_row(source.parent, rows[0][1]):
            _refuse(source, header, unfinished)
            counted = zip(cells, rows[1:], strict=True)
            return Table(
                folder=source.parent,
                header=header,
                columns=columns,
                rows=tuple(Row(line, _with_roles(row, columns), len(given)) for row, (line, given) in counted),
                encoding=encoding,
                separator=separator,
            )
    options = zip(("--path-column", "--label-column"), named[:2], strict=True)
    asked = " and ".join(f"{name!r}, as {option} says" for option, name in options if name)
    ours = "path,label[,group][,split]" if named.labelled else "path"
    expected = f"a first line that names the columns {asked or ours}"
    found = display(text.strip().splitlines()[0][:80]) if text.strip() else "an empty file"
    instead = "a folder with one folder of pictures for each class" if named.labelled else "the pictures themselves"
    todo = f"add the header line, or give {instead}"
    raise DataError.of(f"table {display(source)}", expected=expected, found=found, todo=todo)


def _columns(folder: Path, header: Sequence[str], rows: Sequence[dict[str, str]], named: _Named) -> Columns | None:
    if len(header) < 1 + named.labelled:
        return None

    def existing(names: Sequence[str]) -> int:
        return located(folder, [(name,) for name in names]).wrong.count("")

    return chosen(header, rows, existing, path=named.path, label=named.label, labelled=named.labelled)


def _is_row(folder: Path, header: Sequence[str]) -> bool:
    """Whether what should be the header names a picture that is there, as the first row of a table without one does."""
    names = [cell for cell in map(_cell, header) if Path(cell).suffix]
    return any(os.path.isfile(spelled(folder, name)) for name in names)  # noqa: PTH113, any name is survived


def _with_roles(row: dict[str, str], columns: Columns) -> dict[str, str]:
    """The cells of a row, under the names of their roles too."""
    roles = {role: row[name] for role, name in columns.roles if name in row}
    if "split" in roles:
        roles["split"] = split_in(columns.split, roles["split"])
    return {**row, **roles}


def _refuse(source: Path, header: Sequence[str], unfinished: str) -> None:
    """Raise DataError where columns share a name, or the text ends inside a cell; ``unfinished`` says where."""
    problems = []
    if twice := [f"{header.count(name)} × {name}" for name in _KNOWN if header.count(name) > 1]:
        todo = "rename or remove the columns that are not meant"
        problems.append(Problem(expected="one column of each name", found=", ".join(twice), todo=todo))
    if unfinished:
        todo = "close the quote, or save the table anew"
        problems.append(Problem(expected="cells that end where they began a quote", found=unfinished, todo=todo))
    if problems:
        raise DataError(f"table {display(source)}", problems)


def _cell(text: str) -> str:
    """What a cell says, without the blanks around it unless it was written as `headstart.files.inert`."""
    return text.strip() if (was := original(text)) == text else was
