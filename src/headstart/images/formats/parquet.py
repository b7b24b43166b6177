"""Parquet: rows that name files, or that hold the pictures themselves as Hugging Face's data sets do."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from headstart.errors import DataError, MissingPackageError
from headstart.files import display, some
from headstart.images.columns import LABELS, plain_name
from headstart.images.formats.asked import Asked, Part, in_part
from headstart.images.formats.embedded import Embedded, taken_out
from headstart.images.formats.glance import Glance
from headstart.images.formats.table import of_records
from headstart.images.labelled import Entries

_READER = "parquet 2"
_BATCH = 64
"""Rows that are in memory at a time."""


def is_parquet(glance: Glance) -> bool:
    """Whether a file begins as Parquet does."""
    return glance.head[:4] == b"PAR1"


def read_parquet(asked: Asked) -> Entries:
    """The entries of Parquet files.

    Raises:
        DataError: a damaged file, no column of pictures or classes, or bad rows.
        MissingPackageError: pyarrow is not installed.
    """
    pictures = _pictures(asked)
    if not pictures:
        return of_records(asked, lambda part: list(rows_of(part.file, asked.what)))
    wanted = asked.given.path_column
    if (wanted and wanted not in pictures) or (not wanted and len(pictures) > 1):
        todo = f"say which: --path-column {display(pictures[0])}"
        found = some([*map(display, pictures)])
        raise DataError.of(asked.what, expected="one column of pictures", found=found, todo=todo)
    picture = wanted or pictures[0]
    return taken_out(
        asked, _READER, lambda asked: _taken_out(asked, picture), lambda part: picture_columns(part.file, asked.what)[1]
    )


def _pictures(asked: Asked) -> list[str]:
    """Names of the columns that hold pictures, in the first file that can be read. Raises DataError if none can."""
    errors: list[DataError] = []
    for part in asked.parts:
        try:
            return picture_columns(part.file, asked.what)[0]
        except DataError as error:
            errors.append(in_part(part, asked, error))
    raise DataError(asked.what, [problem for error in errors for problem in error.problems])


def picture_columns(file: Path, what: str) -> tuple[list[str], int]:
    """Names of the columns that hold pictures, and bytes of all."""
    with _opened(file, what) as opened:
        groups = (opened.metadata.row_group(i) for i in range(opened.metadata.num_row_groups))
        columns = [field.name for field in opened.schema_arrow if _is_picture(field.type)]
        return columns, sum(group.total_byte_size for group in groups)


@contextmanager
def _opened(file: Path, what: str) -> Iterator[Any]:
    try:
        import pyarrow
        import pyarrow.parquet as pq
    except ImportError as error:
        command = 'pip install "headstart[parquet]"'
        raise MissingPackageError("pyarrow", "reading Parquet", command) from error
    try:
        with pq.ParquetFile(file) as opened:
            yield opened
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        if isinstance(error, OSError) and error.errno:  # of the disk; those of pyarrow have none
            raise
        found = f"{display(file.name)}: {display((str(error) or type(error).__name__).splitlines()[0])}"
        todo = "fetch or write the file again: it is cut off or damaged"
        raise DataError.of(what, expected="Parquet that can be read to its end", found=found, todo=todo) from error


def _is_picture(kind: Any) -> bool:
    """Whether a column holds files: bytes, alone or beside a path."""
    text = str(kind)
    return text in ("binary", "large_binary") or (text.startswith("struct<") and "bytes: " in text and "binary" in text)


def rows_of(file: Path, what: str) -> Iterator[dict[str, Any]]:
    """The rows as records, classes by their names."""
    with _opened(file, what) as opened:
        names = _class_names(opened.schema_arrow.metadata)
        for batch in opened.iter_batches(_BATCH * _BATCH):
            for row in batch.to_pylist():
                yield {name: _named(value, names.get(name)) for name, value in row.items()}


def _taken_out(asked: Asked, picture: str) -> Iterator[Embedded]:
    for part in asked.parts:
        with _opened(part.file, asked.what) as file:
            names = _class_names(file.schema_arrow.metadata)
            columns = [name for name in file.schema_arrow.names if name != picture]
            label = _label_column(asked, part, columns, [name for name in columns if name in names])
            split, group = (next((name for name in columns if name.lower() == role), "") for role in ("split", "group"))
            wanted = [name for name in (picture, label, split, group) if name]
            for batch in file.iter_batches(_BATCH, columns=list(dict.fromkeys(wanted))):
                for row in batch.to_pylist():
                    value = row[picture] if isinstance(row[picture], Mapping) else {"bytes": row[picture]}
                    yield Embedded(
                        name=value.get("path") or "",
                        data=value.get("bytes") or b"",
                        label=_named(row[label], names.get(label)),
                        split=str(row[split]) if split and row[split] is not None else part.split,
                        group=str(row[group]) if group and row[group] is not None else None,
                    )


def _label_column(asked: Asked, part: Part, columns: list[str], classes: list[str]) -> str:
    """The column of classes: one that is declared as such, else one that is called so, else the only one."""
    wanted = asked.given.label_column
    columns = [name for name in columns if name.lower() not in ("split", "group") or name == wanted]
    called = [name for name in columns if plain_name(name) in LABELS]
    found = [wanted] if wanted in columns else classes or called or columns
    if len(found) == 1 and (not wanted or wanted in columns):
        return found[0]
    todo = f"say which: --label-column {display(found[0])}" if found else "write one"
    listed = f"{display(part.file.name)}: {some([*map(display, found)]) or 'none'}"
    raise DataError.of(asked.what, expected="one column of classes", found=listed, todo=todo)


def _class_names(metadata: Mapping[bytes, bytes] | None) -> dict[str, list[str]]:
    """Names of the classes by column, as Hugging Face keeps them in the schema."""
    try:
        features = json.loads((metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
    except (ValueError, KeyError, TypeError):
        return {}
    found = {}
    for name, feature in features.items() if isinstance(features, dict) else ():
        inner = feature.get("feature", feature) if isinstance(feature, dict) else {}
        if isinstance(inner, dict) and isinstance(inner.get("names"), list):
            found[name] = list(map(str, inner["names"]))
    return found


def _named(value: Any, names: list[str] | None) -> Any:
    """The names of classes that are given by number; None where there is no class, which is written as -1.

    A number that no class has, and bytes that are no text, become an object, which is no class.
    """
    if isinstance(value, list):
        return [_named(each, names) for each in value]
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {"bytes": value[:20].hex()}
    if names is None or not isinstance(value, int):
        return value
    return names[value] if 0 <= value < len(names) else None if value == -1 else {"number": value, "of": len(names)}
