"""Where results are written: never among the pictures, never over anything but earlier results of the same kind."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from headstart.errors import OptionError, Problem
from headstart.files import display, sha256, some, write_text

MARK = ".headstart"
"""The file that says which kind of results a folder holds, and how some of its files were left: a line for each."""
PAGE_MARK = '<meta name="generator" content="headstart">'
"""Near the beginning of every page."""
_MARK_WITHIN = 4096
"""Bytes of a file in which its mark is looked for."""
_LOGS = (".log", ".txt", ".out", ".err")
"""Endings of what a shell may have put into a folder that is otherwise new."""


def refuse_unsafe(
    source: Path | None,
    folder: Path,
    *,
    what: str,
    writes: Sequence[str] = (),
    never: Sequence[str] = (),
    as_left: Sequence[str] = (),
    pictures: Sequence[Path] = (),
) -> None:
    """Refuse an output folder before any work is done: one that holds anything but earlier results, or logs.

    Args:
        source: the folder of pictures or the file that is read, if there is one.
        folder: where results are to be written.
        what: the kind of results, such as ``"run"``: for the error, and as in `claim`.
        writes: names in ``folder`` that will be written or replaced. What is there under one of them must come from
            results of the same kind.
        never: names of files there, none of which may be ``source`` itself.
        as_left: names of files there that may be replaced only as `remember` saw them.
        pictures: folders of the pictures, where ``source`` is a table.

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
    read = [source] if source is not None and source.is_dir() else pictures
    if any(folder.resolve().is_relative_to(place.resolve()) for place in read):
        todo = "choose a folder elsewhere with -o: the pictures are only ever read"
        problems.append(Problem(expected="a folder outside the pictures", found=display(folder), todo=todo))
    elif found := obstacle(nearest(folder)):
        todo = "choose another folder with -o"
        problems.append(Problem(expected="a folder that can be written", found=found, todo=todo))
    elif there := _not_ours(folder, what, writes):
        found = f"{display(folder)} with {some([display(name) for name in there])} of something else"
        todo = "choose another name with -o: " + (
            "that would be replaced" if set(there) <= set(writes) else "results lie in a folder of their own"
        )
        problems.append(Problem(expected=f"a new folder, or one of an earlier {what}", found=found, todo=todo))
    elif not problems and (changed := [name for name in as_left if not _is_as_left(folder / name)]):
        found = f"{display(folder)} with another {', '.join(changed)}, or one that was changed since"
        todo = "move it away, or choose another folder with -o: it would be replaced"
        problems.append(Problem(expected=f"what an earlier {what} left there", found=found, todo=todo))
    if problems:
        raise OptionError(f"where to write the {what}", problems)


def _not_ours(folder: Path, what: str, writes: Sequence[str]) -> list[str]:
    """Names in ``folder`` that are not of earlier results, the ones to be replaced before all others."""
    kind = next(iter(_marked(folder)), "")
    if kind != what and (there := [name for name in writes if (folder / name).exists()]):
        return there
    if kind or not folder.is_dir():
        return []
    names = (path for path in sorted(folder.iterdir()) if not path.name.startswith("."))
    return [path.name for path in names if path.is_dir() or path.suffix.lower() not in _LOGS]


def check_files(files: Mapping[str, Path | None], marks: Mapping[str, str] | None = None) -> None:
    """Refuse files to write before any work is done: also those that are there and were not written by headstart.

    Args:
        files: by the option that names each; None where it was not given.
        marks: by option, what stands near the beginning of each such file; `PAGE_MARK` for all others.

    Raises:
        OptionError: naming everything that is wrong.
    """
    problems = []
    for option, file in files.items():
        if file is None:
            continue
        if found := f"{display(file)} is a folder" if file.is_dir() else obstacle(file.parent):
            todo = "create the folder, or check the path"
            problems.append(Problem(expected=f"a file that {option} can write", found=found, todo=todo))
        elif os.path.lexists(file) and not stat.S_ISREG(file.lstat().st_mode):  # which the file would replace
            found, todo = f"{display(file)} is a link, a device or a pipe", f"name a file with {option}"
            problems.append(Problem(expected=f"a file that {option} can write", found=found, todo=todo))
        elif _is_foreign(file, (marks or {}).get(option, PAGE_MARK)):
            expected, found = f"a new file, or one that {option} wrote", f"{display(file)}, which is something else"
            problems.append(Problem(expected=expected, found=found, todo=f"choose another name with {option}"))
    if problems:
        raise OptionError("where to write", problems)


def _is_foreign(file: Path, mark: str) -> bool:
    if not file.is_file():
        return False
    with file.open("rb") as stream:
        beginning = stream.read(_MARK_WITHIN)
    return bool(beginning) and mark.encode() not in beginning


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
    _, *left = _marked(folder) or [what]
    write_text(folder / MARK, "\n".join([what, *left, ""]))


def remember(file: Path, what: str) -> None:
    """Keep how ``file`` was left, in the mark of its folder, which is one of ``what`` unless it has a mark."""
    kind, *left = _marked(file.parent) or [what]
    others = [line for line in left if line.partition(" ")[2] != file.name]
    write_text(file.parent / MARK, "\n".join([kind, *others, _as_left(file), ""]))


def _is_as_left(file: Path) -> bool:
    """Whether there is no such file, or it is as `remember` saw it."""
    return not file.exists() or (file.is_file() and _as_left(file) in _marked(file.parent))


def _as_left(file: Path) -> str:
    return f"{sha256(file)} {file.name}"


def default_name(source: Path) -> str:
    """The name of results of ``source`` where none is given: a folder's whole name, a file's without its ending.

    ``photos.v1`` and ``photos.v2`` are two folders, and get two names.
    """
    resolved = source.resolve()
    return resolved.stem if resolved.is_file() else resolved.name


def _marked(folder: Path) -> list[str]:
    """The lines of the mark, the kind of results first; empty where there is none."""
    try:
        return (folder / MARK).read_text(encoding="utf-8").strip().splitlines()
    except (OSError, UnicodeDecodeError):
        return []
