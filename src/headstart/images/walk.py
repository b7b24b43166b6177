"""Folders, files and links on a disk, listed without opening a file."""

from __future__ import annotations

import glob
import os
from collections import deque
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


def names_in(folder: str | Path) -> tuple[list[str], list[str]]:
    """Names of the folders, and of all else, directly in ``folder``: in string order, without junk. Links are followed.

    Raises:
        OSError: the folder cannot be listed.
    """
    folders: list[str] = []
    others: list[str] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if not is_junk(entry.name):
                is_folder = os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()  # noqa: PTH112
                (folders if is_folder else others).append(entry.name)
    return sorted(folders), sorted(others)


def children(folder: Path) -> tuple[list[Path], list[Path]]:
    """As `names_in`, as paths."""
    folders, others = names_in(folder)
    return [folder / name for name in folders], [folder / name for name in others]


def identity(folder: str | Path) -> tuple[int, int]:
    """Device and inode: the same for a folder and for every link to it."""
    status = os.stat(folder)  # noqa: PTH116, text or a path
    return status.st_dev, status.st_ino


def files_below(folder: Path, closed: frozenset[tuple[int, int]] = frozenset()) -> tuple[list[Path], list[LeftOut]]:
    """All files at any depth, in string order, and the folders that could not be listed.

    Each folder is entered once, by its own path if that is below ``folder``, however many links lead to it, and those
    in ``closed`` never: links may go in circles.
    """
    files, unreadable = _below(os.fspath(folder), closed)
    return [Path(file) for file in files], unreadable


def _below(folder: str, closed: frozenset[tuple[int, int]] = frozenset()) -> tuple[list[str], list[LeftOut]]:
    """As `files_below`, as text: of very many files a path each would take several times the memory."""
    files: list[str] = []
    unreadable = []
    entered = set(closed)
    waiting, linked = [folder], deque[str]()
    while waiting or linked:
        current = waiting.pop() if waiting else linked.popleft()
        try:
            if identity(current) in entered:
                continue
            entered.add(identity(current))
            folders, others = names_in(current)
        except OSError as error:
            gone, path = isinstance(error, FileNotFoundError), Path(current)
            refusal = vanished(path) if gone else refused(path, error)
            if isinstance(refusal, DiskError):
                raise refusal from error
            unreadable.append(LeftOut(path, f"folder cannot be listed: {error.strerror}"))
        else:
            before = "" if current == "." else os.path.join(current, "")  # noqa: PTH118
            files += [before + name for name in others]
            for inner in (before + name for name in folders):
                (linked if os.path.islink(inner) else waiting).append(inner)  # noqa: PTH114
    return sorted(files, key=lambda file: file.replace(os.sep, "/")), unreadable


def find_images(inputs: Sequence[str | Path]) -> list[Path]:
    """Files to predict, in the order given: files as they are, folders with all below them, glob patterns.

    Nothing is opened here: a file that is missing or no picture is kept, for the caller to report.
    """
    return [Path(name) for name in find_names(inputs)]


def find_names(inputs: Sequence[str | Path]) -> list[str]:
    """As `find_images`, as text, in less memory."""
    names: list[str] = []
    for item in (os.fspath(item) for item in inputs):
        if os.path.lexists(item) or not glob.has_magic(item):
            names += _expanded(item)
        else:
            matches = sorted(glob.glob(item, recursive=True))  # noqa: PTH207, may be absolute
            below = [file for match in matches if not is_junk(Path(match).name) for file in _expanded(match)]
            names += dict.fromkeys(below) or [os.fspath(Path(item))]
    return names


def _expanded(item: str) -> list[str]:
    name = os.fspath(Path(item))
    if not os.path.isdir(name):  # noqa: PTH112, an impossible name is no folder
        return [name]
    files, unreadable = _below(name)
    return files + [os.fspath(left_out.path) for left_out in unreadable]
