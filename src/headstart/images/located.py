"""The files that labels name: as written, or as they lie here when the labels come from another machine or folder.

All names of a list are read in one way, so that a row whose file is missing never takes another's: so many leading
folders are taken off each name, and one folder is put before it. Names without an ending get that of the file there.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import NamedTuple
from unicodedata import normalize

from headstart.files import display, some
from headstart.images.split_names import split_name, split_of
from headstart.images.walk import children

_SAMPLE = 200
"""Names from which it is told how all of them are meant."""
_MOST_FOLDERS = 1000
"""Folders in which files are looked for, beside the one from which names begin. Chosen: more are classes."""
_LABELS = (".xml", ".json", ".jsonl", ".txt", ".csv", ".tsv", ".cls", ".md")
"""Endings of files beside a picture that have its name, and are none."""
_DEPTH = 2
"""Folders in folders that are looked into: ``data/train``."""


class Moved(NamedTuple):
    """How names are read if not as they are written."""

    below: str
    """The folder that is put before them; empty for none."""
    taken_off: int
    """How many of their leading folders are taken off."""


@dataclass(frozen=True, kw_only=True)
class Located:
    """Where the files of n names are."""

    paths: tuple[Path, ...]
    """(n,) that of a file which is not there is where it would be."""
    wrong: tuple[str, ...]
    """(n,) why there is no such file, in a few words; empty where there is one."""
    moved: Moved | None = None
    """None where names are read as they are written."""
    rivals: tuple[str, ...] = ()
    """Folders below which as many of the files exist; empty unless it cannot be told which is meant."""


@dataclass(frozen=True)
class _Reading:
    taken_off: int = 0
    """Leading parts of each name."""
    base: Path = Path()
    """Put before what is left, relative to the folder."""


def spelled(folder: Path, name: str) -> Path:
    """The file of that name, which may have been written on Windows, or in another form of Unicode."""
    for spelling in _spellings(name):
        if os.path.exists(folder / spelling):  # noqa: PTH110, a NUL is survived
            return folder / spelling
    return folder / name


def located(folder: Path, names: Sequence[Sequence[str]], *, inside: bool = False, near: str = "") -> Located:
    """Find the files of ``names`` (n,), each with all spellings that it may have, the likeliest first.

    Args:
        folder: from where names begin.
        names: relative to the folder, or whole paths, perhaps of another machine.
        inside: whether files outside of ``folder`` are out of reach, also through links.
        near: what the list is called; of folders that would do as well, one of that name is meant.
    """
    readings, rivals = _reading(folder, names, inside, near)
    endings = _Endings()
    paths, wrong = [], []
    for spellings in names:
        found = next(_existing(folder, spellings, readings, endings, inside), None)
        first = spellings[0] if spellings else ""
        paths.append(found or folder / first)
        leads_out = inside and _leads_out(folder, folder / first) and not found
        several = [] if found or leads_out or not first else endings.all_of(folder / first)
        which = f", of which there are {some([display(file.name) for file in several])}" if several else ""
        wrong.append("" if found else f"{display(first)}{' leads out of the source' if leads_out else which}")
    used = readings[0]
    below = f"{display(used.base.as_posix())}/" if used.base.parts else ""
    moved = None if used == _Reading() else Moved(below, used.taken_off)
    return Located(paths=tuple(paths), wrong=tuple(wrong), moved=moved, rivals=rivals)


def _reading(
    folder: Path, names: Sequence[Sequence[str]], inside: bool, near: str
) -> tuple[list[_Reading], tuple[str, ...]]:
    """How names are read, the usual way among the rest, and the folders that would do as well."""
    plain = _Reading()
    names = [each for each in names if each and each[0]]
    sample = [names[i] for i in sorted({len(names) * k // _SAMPLE for k in range(_SAMPLE)})] if names else []
    endings = _Endings()

    def count(reading: _Reading) -> int:
        return sum(any(_existing(folder, each, [reading], endings, inside)) for each in sample)

    if not sample or 2 * count(plain) >= len(sample):
        return [plain], ()
    common = min(len(_parts(each[0])) for each in sample if each) - 1
    shared = _shared(sample)
    readings = [
        _Reading(taken, base)
        for base in (Path(), *_folders(folder))
        for taken in range(max(min(common, shared), 0) + 1)
    ]
    scores = {reading: count(reading) for reading in readings}
    best = max(scores.values())
    if not best:
        return [plain], ()
    winners = [reading for reading in readings if scores[reading] == best]
    same = {_where(folder, sample, reading, endings, inside): reading for reading in reversed(winners)}
    named = [reading for reading in same.values() if _is_near(reading.base.name, near)]
    rest = named if len(named) == 1 else list(same.values())
    rivals = tuple(sorted(display(reading.base.as_posix()) for reading in rest)) if len(rest) > 1 else ()
    return [rest[-1] if len(rest) > 1 else rest[0]], rivals


def _is_near(folder: str, near: str) -> bool:
    """Whether a folder is called as the list is, or after the same split."""
    split = split_name(near)
    return folder.casefold() == near.casefold() or bool(split and split_of(folder) == split.split)


def _where(
    folder: Path, sample: Sequence[Sequence[str]], reading: _Reading, endings: _Endings, inside: bool
) -> tuple[Path | None, ...]:
    """The files of a sample: two ways of reading that find the same are one."""
    return tuple(next(_existing(folder, each, [reading], endings, inside), None) for each in sample)


def _existing(
    folder: Path, spellings: Sequence[str], readings: Iterable[_Reading], endings: _Endings, inside: bool
) -> Iterator[Path]:
    """The files that there are under any of the spellings."""
    for reading in readings:
        for name in spellings:
            for spelling in _spellings(name):
                whole = reading == _Reading()
                rest = (spelling,) if whole else _parts(spelling)[reading.taken_off :]
                if not rest:
                    continue
                path = folder.joinpath(reading.base, *rest)
                if inside and _leads_out(folder, path):
                    continue
                if os.path.isfile(path):  # noqa: PTH113, a NUL is survived
                    yield path
                elif (ended := endings.of(path)) is not None:
                    yield ended
                elif whole and name and os.path.exists(path):  # noqa: PTH110
                    yield path


class _Endings:
    """Files by their names without the ending, folder by folder."""

    def __init__(self) -> None:
        self._folders: dict[Path, dict[str, list[Path]]] = {}

    def of(self, path: Path) -> Path | None:
        """The only file of that name with an ending."""
        found = self.all_of(path)
        return found[0] if len(found) == 1 else None

    def all_of(self, path: Path) -> list[Path]:
        """The files of that name with an ending."""
        if path.parent not in self._folders:
            files: dict[str, list[Path]] = {}
            try:
                others = children(path.parent)[1]
            except (OSError, ValueError):
                others = []
            for file in others:
                if file.suffix.lower() not in _LABELS:
                    files.setdefault(file.stem, []).append(file)
            self._folders[path.parent] = files
        return self._folders[path.parent].get(path.name, [])


def _spellings(name: str) -> Iterator[str]:
    given = name, name.replace("\\", "/")
    yield from dict.fromkeys((*given, *(normalize(form, text) for text in given for form in ("NFC", "NFD"))))


def _parts(name: str) -> tuple[str, ...]:
    """The folders and the file of a name, without drive, root and what says nothing."""
    pure = PureWindowsPath(name) if "\\" in name or PureWindowsPath(name).drive else PurePosixPath(name)
    return tuple(part for part in pure.parts if part not in (pure.anchor, ".", ".."))


def _shared(sample: Sequence[Sequence[str]]) -> int:
    """How many leading folders all names have in common."""
    folders = [_parts(each[0])[:-1] for each in sample if each]
    shared = 0
    for level in zip(*folders, strict=False):
        if len(set(level)) > 1:
            break
        shared += 1
    return shared


def _folders(folder: Path, depth: int = _DEPTH) -> list[Path]:
    """The folders below, relative to it, the upper ones first."""
    found: list[Path] = []
    level = [folder]
    for _ in range(depth):
        inner: list[Path] = []
        for each in level:
            try:
                inner += children(each)[0]
            except OSError:
                continue
            if len(found) + len(inner) > _MOST_FOLDERS:
                return found
        found += [each.relative_to(folder) for each in inner]
        level = inner
    return found


def _leads_out(folder: Path, path: Path) -> bool:
    try:
        return not path.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError):
        return True


def common_folders(root: Path, paths: Iterable[Path]) -> tuple[Path, ...]:
    """The folders of files: below ``root`` the uppermost that hold them at any depth, elsewhere those they lie in."""
    folders: Counter[Path] = Counter()
    for file in paths:
        if not file.is_relative_to(root):
            folders[file.parent] += 1
        elif file.parent != root:
            folders[root / file.relative_to(root).parts[0]] += 1
    return tuple(folders)
