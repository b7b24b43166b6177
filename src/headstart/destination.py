"""Where results are written: never among the pictures, and never among what is not ours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from headstart.errors import OptionError, Problem
from headstart.images.folder import display


def check(source: Path, folder: Path, *, what: str, ours: Sequence[str] = (), writes: Sequence[str] = ()) -> None:
    """Refuse a destination before any work is done.

    Args:
        source: what is read, a folder of pictures or a file.
        folder: where results are to go.
        what: they are, for the error: ``"the run"``.
        ours: paths within the folder, any of which says that it is one of an earlier run; a folder that holds only
            other things is refused. With none given, what else is there does not matter. Names that begin with a dot
            are passed over.
        writes: names of files written there, none of which may be ``source`` itself.

    Raises:
        OptionError: naming everything that is wrong.
    """
    problems = [
        Problem(
            expected=f"a {name} of its own", found=f"{display(source)} itself", todo="choose another folder with -o"
        )
        for name in writes
        if (folder / name).resolve() == source.resolve()
    ]
    if source.is_dir() and folder.resolve().is_relative_to(source.resolve()):
        todo = "choose a folder elsewhere with -o: the pictures are only ever read"
        problems.append(Problem(expected="a folder outside the pictures", found=display(folder), todo=todo))
    elif folder.exists() and not folder.is_dir():
        found = f"{display(folder)} is a file"
        problems.append(Problem(expected="a folder", found=found, todo="choose another name with -o"))
    elif ours and folder.is_dir() and not any((folder / name).exists() for name in ours):
        others = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
        if others:
            found = f"{display(folder)} with {', '.join(others[:3])}" + " and more" * (len(others) > 3)
            todo = f"choose another name with -o: what is there would be mixed with {what}, or replaced"
            problems.append(Problem(expected="a new folder, or one of an earlier run", found=found, todo=todo))
    if problems:
        raise OptionError(f"where to write {what}", problems)
