"""Pictures without labels as somebody names them: files, folders and patterns; archives, addresses, tables of files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from headstart.errors import DataError
from headstart.files import display
from headstart.images import archives, tables
from headstart.images.formats.asked import Asked, Part
from headstart.images.formats.given import Given
from headstart.images.formats.glance import Glance
from headstart.images.formats.parquet import is_parquet, picture_columns, rows_of
from headstart.images.formats.reading import archive_files
from headstart.images.formats.registry import special
from headstart.images.formats.said import files_named
from headstart.images.formats.table import cells_of, columns_of, records_in
from headstart.images.formats.webdataset import CLASSES, is_webdataset
from headstart.images.layout import named_as_picture
from headstart.images.remote import fetched
from headstart.images.walk import find_images, find_names

_EXPECTED = "pictures: files, folders, archives, addresses, or a table with a column of files"
_ENDINGS = (".csv", ".tsv", ".tab", ".jsonl", ".ndjson", ".json", ".parquet", ".xml")
"""Of files that are taken for a list of pictures; one of another name that is no archive is a picture itself."""


@dataclass
class Pictures:
    """n pictures, in the order in which they were given."""

    files: list[str] = field(default_factory=list)
    """(n,) their paths, as text: of very many that is a third of the memory."""
    names: dict[int, str] = field(default_factory=dict)
    """By position, what those are called that lie in an archive, at an address, or in a table; for people."""
    in_cache: bool = False
    """Whether some of them are copies in the cache, which may be gone tomorrow."""

    @property
    def paths(self) -> list[Path]:
        """(n,) the same as paths."""
        return list(map(Path, self.files))

    def name(self, position: int) -> str:
        """What a picture is called, for people."""
        return self.names.get(position) or display(self.files[position])

    def add(self, paths: Sequence[Path], root: Path) -> None:
        """Add pictures of a source, named as they are below ``root``."""
        for path in paths:
            self.names[len(self.files)] = display(path.relative_to(root).as_posix())
            self.files.append(os.fspath(path))


def pictures_of(inputs: Sequence[str | Path], *, without: Path | None = None) -> Pictures:
    """The pictures of ``inputs``: of a table one a row, of all else in string order.

    Nothing is opened but what is no picture by its name: a file that is missing is kept, for the caller to report.
    ``without``: a file that is none of them where it lies among others, because the answers go there.

    Raises:
        DataError: an archive or a table that cannot be read, with all that is wrong with it; a table whose files are
            not there; an export of labels, which names no files to be answered.
    """
    found = Pictures()
    for item in (os.fspath(each) for each in inputs):
        given = Given.of(item)
        if given.is_remote:
            local = fetched(item)
            found.in_cache = True
            if local.is_dir():
                found.add(find_images([local]), local)
            elif named_as_picture(local) or not _add_file(found, given, local, inside=True):
                found.add([local], local.parent)
        elif not os.path.isfile(item) or named_as_picture(Path(item)) or not _add_file(found, given, Path(item)):  # noqa: PTH113, a NUL is survived
            found.files += [name for name in find_names([item]) if not _is(name, without)]
    return found


def _is(name: str, file: Path | None) -> bool:
    """Whether ``name`` is the name of ``file``, seen from here."""
    return file is not None and name.endswith(file.name) and os.path.abspath(name) == os.path.abspath(file)  # noqa: PTH100


def _add_file(found: Pictures, given: Given, file: Path, *, inside: bool = False) -> bool:
    """Add what lies in an archive, or what a table names; False for a file that is neither."""
    glance = Glance(file)
    if archives.is_zip(glance.head) or archives.is_tar(file, glance.head):
        folder = archive_files(given, file)
        beside = [f".{ending}" for ending in CLASSES] if is_webdataset(glance) else []
        found.add([path for path in find_images([folder]) if path.suffix.lower() not in beside], folder)
        found.in_cache = True
        return True
    if file.suffix.lower() not in _ENDINGS:
        return False
    asked = Asked(given=given, root=file.parent, parts=(Part(file=file),), inside=inside)
    rows = list(_named(asked, file, glance))
    unit = "record" if is_parquet(glance) or _is_json(glance) else "line"
    for path, (_, name) in zip(files_named(rows, file, what=asked.what, inside=inside, unit=unit), rows, strict=True):
        found.names[len(found.files)] = display(name)
        found.files.append(os.fspath(path))
    return True


def _named(asked: Asked, file: Path, glance: Glance) -> Iterator[tuple[int, str]]:
    """Line or number of each row of a table, and the file that it names."""
    formats = [each.name for each in special(glance)]
    has_pictures = is_parquet(glance) and bool(picture_columns(file, asked.what)[0])
    if has_pictures or (formats and "parquet" not in formats):
        what = "Parquet with the pictures in it" if has_pictures else f"labels in the format {formats[0]}"
        todo = f"give the pictures themselves, or first: headstart convert {display(file.name)} OUT --to csv"
        raise DataError.of(asked.what, expected=_EXPECTED, found=what, todo=todo)
    if not is_parquet(glance) and not _is_json(glance):
        yield from ((row.line, row.cells.get("path", "")) for row in tables.read(file, labelled=False).rows)
        return
    records = [*rows_of(file, asked.what)] if is_parquet(glance) else records_in(glance) or []
    columns = columns_of(file, records, labelled=False)
    if columns is None:
        todo = "call the column of the files `path`, and export it again if it is damaged"
        found = f"{display(file.name)}: {glance.damage or 'none'}"
        raise DataError.of(asked.what, expected=_EXPECTED, found=found, todo=todo)
    for at, record in enumerate(records, 1):
        yield at, cells_of(record).get(columns.path, "") if isinstance(record, Mapping) else ""


def _is_json(glance: Glance) -> bool:
    return glance.text.lstrip()[:1] in ("{", "[")
