"""Folders, files and links on a disk, listed without opening a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

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
            unreadable.append(LeftOut(current, f"folder cannot be listed: {error.strerror}"))
        else:
            files += others
            waiting += folders
    return sorted(files, key=lambda file: file.as_posix()), unreadable
