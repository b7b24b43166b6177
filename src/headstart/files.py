"""Files, written whole or not at all; what is written in JSON; their hashes; their names as people read them."""

from __future__ import annotations

import csv
import errno
import hashlib
import json
import os
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import fields, is_dataclass
from itertools import chain
from pathlib import Path
from typing import IO, Any


def display(path: str | Path) -> str:
    r"""Text for people: always printable and encodable; bytes that are no UTF-8 and control characters as ``\…``."""
    text = os.fspath(path)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def below(root: Path | None, path: Path) -> str:
    """A picture's path below ``root``, for people; the whole path if it lies elsewhere."""
    if root is None:
        return display(path)
    whole, top = str(path), os.path.join(root, "")  # noqa: PTH118 - as text: pathlib takes seven times as long
    if whole.startswith(top):
        return display(whole[len(top) :])
    return display(path.relative_to(root) if path.is_relative_to(root) else path)


def some(items: Sequence[str], limit: int = 10) -> str:
    """The first few of ``items``, then how many more there are."""
    rest = len(items) - limit
    return ", ".join(items[:limit]) + (f" and {rest} more" if rest > 0 else "")


def sha256(file: Path | IO[bytes]) -> str:
    """Hexadecimal SHA-256 of a file's bytes, of an open one those that follow. Raises OSError if it cannot be read."""
    value = hashlib.sha256()
    with file.open("rb") if isinstance(file, Path) else nullcontext(file) as stream:
        while block := stream.read(1 << 20):
            value.update(block)
    return value.hexdigest()


def digest(description: Any) -> str:
    """A name for everything in ``description``, plain JSON types: 32 hexadecimal digits."""
    return hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()[:32]


def plain(record: Any, *names: str, **computed: Any) -> dict[str, Any]:
    """A record in plain JSON types, for the body of a ``to_dict``.

    The attributes and properties ``names`` in their order, all fields of a dataclass if none is named, then
    ``computed``. Of the values, a record becomes what its own ``to_dict`` gives, else its fields by name, as a named
    tuple does; arrays, tuples and iterators become lists, numbers of NumPy those of Python, and paths text.
    """
    values = {name: getattr(record, name) for name in names or [field.name for field in fields(record)]}
    return {name: _plain(value) for name, value in {**values, **computed}.items()}


def _plain(value: Any) -> Any:
    if hasattr(value, "to_dict"):
        return value.to_dict()
    if is_dataclass(value):
        return plain(value)
    if isinstance(value, Mapping):
        return {_plain(name): _plain(item) for name, item in value.items()}
    if hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if isinstance(value, (list, tuple, Iterator)):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):
        return value.tolist()
    return str(value) if isinstance(value, Path) else value


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A new file to write in place of ``path``, which a reader sees as it was or whole, whatever happens.

    The file lies in the same folder under a name that no other process has, and takes the place of ``path`` when the
    block is left without an error; its mode follows the umask, whatever the library that wrote it thinks. An error of
    such a library for a disk that is full is raised as OSError.
    """
    unfinished = path.with_name(f".{path.name[:100]}-{uuid.uuid4().hex}.part")
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):  # a device or pipe is never replaced
            raise OSError(errno.EINVAL, "not a file", str(path))
        handle = os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    except OSError as error:  # its name is ours, and would tell nobody anything
        raise OSError(error.errno, error.strerror, str(path)) from error
    mode = os.fstat(handle).st_mode & 0o777
    os.close(handle)
    try:
        try:
            yield unfinished
        except (OSError, TypeError, ValueError, LookupError):
            raise
        except Exception as error:
            raise OSError(errno.EIO, f"cannot be written ({error})", str(path)) from error
        unfinished.chmod(mode)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``path`` whole or not at all."""
    with replacing(path) as unfinished:
        unfinished.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write ``path`` in UTF-8, whole or not at all, line ends as they are in ``text``."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, document: Any, *, indent: int = 2, ascii_only: bool = False) -> None:
    """Write JSON in UTF-8, whole or not at all. ``ascii_only`` keeps names of files that are no Unicode."""
    write_text(path, json.dumps(document, indent=indent, ensure_ascii=ascii_only) + "\n")


_RUN = re.compile(r"'*[=+\-@\s\uff1d\uff0b\uff0d\uff20]|.*\s\Z", re.DOTALL)
"""A cell that a spreadsheet would run as a formula (OWASP, CSV Injection), or whose blanks it would drop."""
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?")


def _is_run(cell: str) -> bool:
    return _RUN.match(cell) is not None and _NUMBER.fullmatch(cell) is None


def inert(cell: Any) -> Any:
    """A cell as it is written: text that a spreadsheet would run after an apostrophe, all else as it is."""
    return f"'{cell}" if isinstance(cell, str) and _is_run(cell) else cell


def original(cell: str) -> str:
    """The inverse of `inert`, of any text."""
    return cell[1:] if cell.startswith("'") and _is_run(cell[1:]) else cell


def write_csv(path: Path, header: Sequence[Any], rows: Iterable[Sequence[Any]], *, encoding: str = "utf-8") -> None:
    """Write a table, whole or not at all; None is an empty cell, and names that are no UTF-8 stay as they are.

    No cell is run as a formula by a spreadsheet; `original` gives back what it was. One row at a time is in memory.
    """
    errors = "surrogateescape"
    with replacing(path) as unfinished, unfinished.open("w", newline="", encoding=encoding, errors=errors) as file:
        csv.writer(file).writerows([inert(cell) for cell in row] for row in chain((header,), rows))
