"""Tables: a row a picture, with a column of files and one of classes, in CSV, TSV or JSON lines."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from headstart.errors import DataError
from headstart.files import display
from headstart.images import tables
from headstart.images.columns import Columns, chosen, split_in
from headstart.images.formats.asked import Asked, Part, each_part
from headstart.images.formats.given import Given
from headstart.images.formats.glance import Glance
from headstart.images.formats.said import Listing, Said, classes_in, gathered, several
from headstart.images.labelled import Entries, Understood
from headstart.images.located import located, spelled
from headstart.images.tables import encoding_of

_WIDTH, _LINES = "every row has as many cells as the header", "every cell ends on its line"
_RULES = {
    _WIDTH: "put names that contain the separator between double quotes",
    _LINES: "close the quote, or take the line end out",
}


def is_table(glance: Glance) -> bool:
    """Whether a text has a header with a column of files and one of classes."""
    if not glance.text or glance.text.lstrip()[:1] in "[{<":
        return False
    table = glance.table
    return not isinstance(table, DataError) or table.problems[0].expected.startswith("one column")


def is_records(glance: Glance) -> bool:
    """Whether each line, or each item of a list, is a JSON object, with one value for a file and one for a class."""
    records = records_in(glance)
    if not records or 2 * sum(isinstance(record, dict) for record in records) <= len(records):
        return False
    try:
        return columns_of(glance.file, records) is not None
    except DataError:
        return True


def read_table(asked: Asked) -> Entries:
    """The entries of tables. Columns beyond the four known are kept for grouping.

    Raises:
        DataError: no columns of files and classes, or bad rows: all of them, with their line numbers.
    """
    given = asked.given
    read: list[tables.Table] = []

    def listing(part: Part) -> Listing:
        read.append(table := _table(part, given))
        return Listing(file=part.file, folder=table.folder, said=_rows(table, part))

    def together(listings: Sequence[Listing]) -> Entries:
        first = read[0]
        read_as = "" if first.is_utf else f", read as {first.encoding}"
        columns = _told(first.columns)
        return gathered(
            listings,
            what=f"table {display(given.address)}{read_as}",
            root=asked.root,
            layout="table",
            inside=asked.inside,
            unit="line",
            rules=_RULES,
            understood=Understood(
                encoding=first.encoding, separator=first.separator, columns=columns, label_files=asked.label_files
            ),
        )

    return each_part(asked, listing, together)


def _table(part: Part, given: Given) -> tables.Table:
    """The table, as it was recognised unless its columns are named. Raises DataError where it is none."""
    if given.path_column or given.label_column or part.glance is None:
        return tables.read(part.file, path_column=given.path_column, label_column=given.label_column)
    if isinstance(part.glance.table, DataError):
        raise part.glance.table
    return part.glance.table


def _rows(table: tables.Table, part: Part) -> list[Said]:
    labels = several([row.cells.get("label", "") for row in table.rows])
    said = []
    for row, classes in zip(table.rows, labels, strict=True):
        name, split = row.cells.get("path", ""), row.cells.get("split", part.split or "train")
        broken = {_WIDTH: f"{row.width} cells"} if row.width > len(table.header) else {}
        is_named = "\n" in name and spelled(table.folder, name).exists()
        if ended := [cell for cell in ("" if is_named else name, row.cells.get("label", ""), split) if "\n" in cell]:
            broken[_LINES] = display("".join(ended)[:40])
        others = {column: row.cells.get(column, "") for column in table.header}
        group = row.cells.get("group") or None
        line = row.line
        said.append(Said(at=line, names=(name,), labels=classes, split=split, group=group, cells=others, broken=broken))
    return said


def _told(columns: Columns) -> tuple[tuple[str, str], ...]:
    """What is worth telling of columns: nothing where all are called as they are in our own tables."""
    return columns.roles if any(role != name for role, name in columns.roles) else ()


def read_records(asked: Asked) -> Entries:
    """The entries of JSON lines, or of a list of JSON objects.

    Raises:
        DataError: no values of files and classes, or bad records: all of them, with their numbers.
    """
    return of_records(asked, lambda part: records_in(Glance(part.file)) or [])


def of_records(
    asked: Asked, records_of: Callable[[Part], Sequence[Any]], *, columns: Columns | None = None, unlabelled: str = ""
) -> Entries:
    """The entries of the records of each part, which are objects with a file and a class, in ``columns`` if those are
    known.

    ``unlabelled``: why those without a class are left out; where it is empty, that is a fault.

    Raises:
        DataError: as `read_records`, and what ``records_of`` raises.
    """
    told: dict[Part, tuple[tuple[str, str], ...]] = {}

    def listing(part: Part) -> Listing:
        records = records_of(part)
        found = columns or columns_of(part.file, records, asked.given.path_column, asked.given.label_column)
        if found is None:
            names = sorted({display(name) for record in records[:100] if isinstance(record, dict) for name in record})
            todo = "name them: --path-column and --label-column"
            what = f"{display(part.file.name)}: {', '.join(names) or 'no record that is an object'}"
            raise DataError.of(asked.what, expected="values that name a file and a class", found=what, todo=todo)
        told[part] = _told(found)
        said = _of_one_kind([_record(at, record, found, part) for at, record in enumerate(records, 1)], records, found)
        return Listing(file=part.file, folder=part.file.parent, said=said)

    def together(listings: Sequence[Listing]) -> Entries:
        return gathered(
            listings,
            what=asked.what,
            root=asked.root,
            layout="table",
            inside=asked.inside,
            rules=_RECORD_RULES,
            understood=Understood(columns=[*told.values()][-1], label_files=asked.label_files),
            unlabelled=unlabelled,
        )

    return each_part(asked, listing, together)


_FLAT = "every record is a JSON object, in UTF-8"
_ONCE = "no value is there twice, under names that differ in case alone"
_CLASS, _KIND = "every class is a text or a number", "all classes are text, or all of them numbers, or true and false"
_RECORD_RULES = {
    _FLAT: "write one JSON object a line, with a file and a class",
    _CLASS: "write the name of the class, which the source must declare if it declares any",
    _ONCE: "keep the one that is meant",
    _KIND: 'write all of them in the same way: 1 and "1" may or may not be the same class',
}


def records_in(glance: Glance) -> list[Any] | None:
    """The objects of JSON lines, or of a list; what cannot be read as JSON is text."""
    if isinstance(glance.document, list):
        return glance.document
    if glance.text.lstrip()[:1] != "{" or isinstance(glance.document, dict):
        return [glance.document] if glance.is_one_line else None
    raw = glance.file.read_bytes()
    lines = raw.decode(encoding_of(raw), "surrogateescape").removeprefix("\ufeff").split("\n")
    return [_parsed(line) for line in lines if line.strip()]


def _parsed(line: str) -> Any:
    try:
        line.encode()  # fails for bytes that are none of the encoding
        return json.loads(line)
    except (ValueError, RecursionError):
        return line


def columns_of(
    file: Path, records: Sequence[Any], path: str = "", label: str = "", *, labelled: bool = True
) -> Columns | None:
    """The columns of records that hold files and, if they must be ``labelled``, classes; see `columns.chosen`."""
    rows = [cells_of(record) for record in records if isinstance(record, Mapping)]
    header = list(dict.fromkeys(name for row in rows[:1000] for name in row))

    def existing(names: Sequence[str]) -> int:
        return located(file.parent, [(name,) for name in names]).wrong.count("")

    return chosen(header, rows, existing, path=path, label=label, labelled=labelled) if rows else None


def cells_of(record: Mapping[str, Any]) -> dict[str, str]:
    """The values of a record that are text or a number, by names in lower case; a list of one is what it holds."""
    cells = {}
    for name, value in record.items():
        only = value[0] if isinstance(value, list) and len(value) == 1 else value
        if isinstance(only, (str, int, float)) and only == only:  # NaN is not
            cells[name.lower()] = str(only)
        elif isinstance(only, list) and all(isinstance(item, (str, int)) for item in only):
            cells[name.lower()] = "|".join(map(str, only))
    return cells


def _record(at: int, record: Any, columns: Columns, part: Part) -> Said:
    if not isinstance(record, Mapping):
        return Said(at=at, names=("",), labels=(), broken={_FLAT: display(str(record)[:40])})
    cells = cells_of(record)
    name, label = cells.get(columns.path, ""), _value(record, columns.label)
    classes = classes_in(label)
    split = split_in(columns.split, cells.get(columns.split, "")) if columns.split else ""
    broken = {_CLASS: f"{display(name)}: {_shown(label)}"} if classes is None else {}
    times = Counter(each.lower() for each in record)
    if twice := [column for _, column in columns.roles if times[column] > 1]:
        broken[_ONCE] = f"{display(name)}: {display(twice[0])}"
    return Said(
        at=at,
        names=(name,),
        labels=classes or (),
        broken=broken,
        split=split or part.split or "train",
        group=cells.get(columns.group) or None if columns.group else None,
        cells=cells,
    )


def _of_one_kind(said: Sequence[Said], records: Sequence[Any], columns: Columns) -> list[Said]:
    """What records say; where their classes are of several kinds, those of a rarer kind break a rule."""
    labels = [_value(record, columns.label) if isinstance(record, Mapping) else None for record in records]
    kinds = [_kind(label) for label in labels]
    usual = Counter(filter(None, kinds)).most_common(1)
    return [
        one if kind in ("", *(name for name, _ in usual)) else replace(one, broken={**one.broken, _KIND: _shown(label)})
        for one, label, kind in zip(said, labels, kinds, strict=True)
    ]


def _kind(label: Any) -> str:
    """What kind of class a value of JSON names; empty where it names none, or several."""
    only = label[0] if isinstance(label, list) and len(label) == 1 else label
    if isinstance(only, bool):
        return "truth"
    if isinstance(only, str):
        return "text" if only else ""
    return "number" if isinstance(only, (int, float)) and only == only else ""  # NaN is missing


def _value(record: Mapping[str, Any], column: str) -> Any:
    """The value under a name in any case."""
    return {name.lower(): value for name, value in record.items()}.get(column)


def _shown(value: Any) -> str:
    """The beginning of a value as it is in JSON, for people."""
    return display(json.dumps(value, default=str)[:80])
