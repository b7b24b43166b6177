"""Folders, files and links on a disk, listed without opening a file."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from headstart.errors import DiskError
from headstart.images.reading import refused, vanished

_JUNK = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "__pycache__"})


@dataclass(frozen=True)
class LeftOut:
    """A file, or a folder, that is not used, and why."""

    path: Path
    reason: str


def is_junk(name: str) -> bool:
    """Whether a file or folder is hidden, or left behind by an operating system or a tool."""
    return name.startswith(".") or name.lower() in _JUNK


def children(folder: Path) -> tuple[list[Path], list[Path]]:
    """Folders, and all else, directly in ``folder``: in string order, without junk. Links are followed.

    Raises:
        OSError: the folder cannot be listed.
    """
    folders: list[Path] = []
    others: list[Path] = []
    for child in sorted(folder.iterdir(), key=lambda child: child.name):
        if not is_junk(child.name):
            (folders if child.is_dir() else others).append(child)
    return folders, others


def identity(folder: Path) -> tuple[int, int]:
    """Device and inode: the same for a folder and for every link to it."""
    status = folder.stat()
    return status.st_dev, status.st_ino


def files_below(folder: Path, closed: frozenset[tuple[int, int]] = frozenset()) -> tuple[list[Path], list[LeftOut]]:
    """All files at any depth, in string order, and the folders that could not be listed.

    Each folder is entered once, however many links lead to it, and those in ``closed`` never: links may go in circles.
    """
    files: list[Path] = []
    unreadable = []
    entered = set(closed)
    waiting = [folder]
    while waiting:
        current = waiting.pop()
        try:
            if identity(current) in entered:
                continue
            entered.add(identity(current))
            folders, others = children(current)
        except OSError as error:
            gone = isinstance(error, FileNotFoundError)
            refusal = vanished(current) if gone else refused(current, error)
            if isinstance(refusal, DiskError):
                raise refusal from error
            unreadable.append(LeftOut(current, f"folder cannot be listed: {error.strerror}"))
        else:
            files += others
            waiting += folders
    return sorted(files, key=lambda file: file.as_posix()), unreadable


def find_images(inputs: Sequence[str | Path]) -> list[Path]:
    """Files to predict, in the order given: files as they are, folders with all below them, glob patterns.

    Nothing is opened here: a file that is missing or no picture is kept, for the caller to report.
    """
    paths: list[Path] = []
    for item in (os.fspath(item) for item in inputs):
        if os.path.lexists(item) or not glob.has_magic(item):
            paths += _expanded(Path(item))
        else:
            matches = [Path(match) for match in sorted(glob.glob(item, recursive=True))]  # noqa: PTH207, may be absolute
            below = [file for match in matches if not is_junk(match.name) for file in _expanded(match)]
            paths += dict.fromkeys(below) or [Path(item)]
    return paths


def _expanded(path: Path) -> list[Path]:
    if not os.path.isdir(path):  # noqa: PTH112, an impossible name is no folder
        return [path]
    files, unreadable = files_below(path)
    return files + [left_out.path for left_out in unreadable]
