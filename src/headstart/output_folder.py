"""Where results are written: never among the pictures, never over anything but earlier results of the same kind."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from headstart.errors import OptionError, Problem
from headstart.files import display, write_text

MARK = ".headstart"
"""The file that says which kind of results a folder holds."""


def refuse_unsafe(
    source: Path | None, folder: Path, *, what: str, writes: Sequence[str] = (), never: Sequence[str] = ()
) -> None:
    """Refuse an output folder before any work is done.

    Args:
        source: the folder of pictures or the file that is read, if there is one.
        folder: where results are to be written.
        what: the kind of results, such as ``"run"``: for the error, and as in `claim`.
        writes: names in ``folder`` that will be written or replaced. What is there under one of them must come from
            results of the same kind.
        never: names of files there, none of which may be ``source`` itself.

    Raises:
        OptionError: naming everything that is wrong.
    """
    problems = [
        Problem(
            expected=f"a {name} of its own", found=f"{display(source)} itself", todo="choose another folder with -o"
        )
        for name in never
        if source is not None and (folder / name).resolve() == source.resolve()
    ]
    if source is not None and source.is_dir() and folder.resolve().is_relative_to(source.resolve()):
        todo = "choose a folder elsewhere with -o: the pictures are only ever read"
        problems.append(Problem(expected="a folder outside the pictures", found=display(folder), todo=todo))
    elif found := obstacle(nearest(folder)):
        todo = "choose another folder with -o"
        problems.append(Problem(expected="a folder that can be written", found=found, todo=todo))
    elif _kind(folder) != what and (there := [name for name in writes if (folder / name).exists()]):
        found = f"{display(folder)} with {', '.join(there)} of something else"
        todo = "choose another name with -o: that would be replaced"
        problems.append(Problem(expected=f"a new folder, or one of an earlier {what}", found=found, todo=todo))
    if problems:
        raise OptionError(f"where to write the {what}", problems)


def check_files(files: Mapping[str, Path | None]) -> None:
    """Refuse files to write before any work is done.

    ``files``: by the option that names each; None where it was not given.

    Raises:
        OptionError: naming everything that is wrong.
    """
    problems = []
    for option, file in files.items():
        found = f"{display(file)} is a folder" if file and file.is_dir() else file and obstacle(file.parent)
        if found:
            todo = "create the folder, or check the path"
            problems.append(Problem(expected=f"a file that {option} can write", found=found, todo=todo))
    if problems:
        raise OptionError("where to write", problems)


def nearest(folder: Path) -> Path:
    """``folder``, or what is there of the folders above it, the nearest."""
    return next(path for path in (folder, *folder.absolute().parents) if path.exists())


def obstacle(folder: Path) -> str:
    """Why no files can be made in ``folder``, in a few words; empty where they can."""
    if not folder.is_dir():
        return f"{display(folder)} is a file" if folder.exists() else f"no folder {display(folder)}"
    return "" if os.access(folder, os.W_OK | os.X_OK) else f"{display(folder)} cannot be written"


def claim(folder: Path, what: str) -> None:
    """Make ``folder``, and mark it as one of this kind of results."""
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / MARK, f"{what}\n")


def default_name(source: Path) -> str:
    """The name of results of ``source`` where none is given: a folder's whole name, a file's without its ending.

    ``photos.v1`` and ``photos.v2`` are two folders, and get two names.
    """
    resolved = source.resolve()
    return resolved.stem if resolved.is_file() else resolved.name


def _kind(folder: Path) -> str:
    try:
        return (folder / MARK).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
