"""Answers as they are computed, a line each, in a file beside the table that they become; cut off, it is gone on from.

The first line says of what these are the answers; a file that says otherwise is begun anew. Each further line is the
JSON of one row. What follows the last whole line was cut off, and is computed again.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

if sys.platform != "win32":
    import fcntl

from headstart.errors import OptionError
from headstart.files import display

Row = Mapping[str, Any]


class AnswerLog:
    """Rows in the order of their inputs. To be used as a context, by one process at a time."""

    def __init__(self, path: Path, key: str, file: IO[bytes]) -> None:
        self.path, self._file = path, file
        self.count = 0
        """Rows that are there."""
        self._file.seek(0)
        if self._file.readline() != f"{key}\n".encode():
            self._cut(0)
            self._file.write(f"{key}\n".encode())
            self._file.flush()
            return
        end = self._file.tell()
        while _is_row(line := self._file.readline()):
            self.count, end = self.count + 1, end + len(line)
        self._cut(end)

    @classmethod
    @contextmanager
    def beside(cls, table: Path, key: str) -> Iterator[AnswerLog]:
        """The log of the answers ``key`` that ``table`` is to hold, removed where the block ends without an error.

        Raises:
            OptionError: another process writes it.
            OSError: it cannot be written.
        """
        path = table.with_name(f".{table.name[:100]}.answers")
        with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b") as file:
            _claim(file, table)
            yield cls(path, key, file)
            path.unlink(missing_ok=True)

    def write(self, rows: Sequence[Row]) -> None:
        """Add rows."""
        self._file.write(b"".join(json.dumps(row).encode() + b"\n" for row in rows))
        self._file.flush()
        self.count += len(rows)

    def rows(self) -> Iterator[dict[str, Any]]:
        """All rows from the first."""
        with self.path.open("rb") as file:
            file.readline()
            for line in file:
                yield json.loads(line)

    def _cut(self, end: int) -> None:
        self._file.seek(end)
        self._file.truncate()


def _is_row(line: bytes) -> bool:
    """Whether a line is whole: not cut off, and not damaged when the machine lost its power."""
    try:
        return line.endswith(b"\n") and isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _claim(file: IO[bytes], table: Path) -> None:
    if sys.platform != "win32":
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            found = f"another process that writes {display(table)}"
            todo = "wait for it, or choose another name"
            raise OptionError.of("where to write", expected="a table of one process", found=found, todo=todo) from None
        except OSError:
            pass  # some network drives have no locks
