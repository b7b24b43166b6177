"""Files that somebody labelled, by class folders or by a table, before any of them is opened."""

from __future__ import annotations

import csv
import io
import os
import unicodedata
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from headstart.errors import DataError, Problem
from headstart.files import display, some
from headstart.images.walk import LeftOut, children, files_below, identity

SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
"""Names of splits as people write them, in lower case, and ours for each."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One file that somebody labelled."""

    path: Path
    label: str
    split: str = "train"
    group: Hashable | None = None
    """Files that share a group belong together; None stands alone."""


@dataclass(frozen=True, kw_only=True)
class Entries:
    """All files that were labelled, and where the labels come from."""

    root: Path | None
    """The folder or the table's folder; None for files given one by one."""
    layout: str
    """"class folders", "split folders", "table" or "arrays"."""
    entries: tuple[Entry, ...]
    declared: Mapping[str, set[str]]
    """The classes of each split that folders or rows name, also those without a file."""
    left_out: tuple[LeftOut, ...] = ()

    @classmethod
    def listed(cls, entries: Sequence[Entry], *, root: Path | None, layout: str) -> Entries:
        """The entries of a table or of arrays, which declare no class but those of their rows."""
        declared: dict[str, set[str]] = {"train": set()}
        for entry in entries:
            declared.setdefault(entry.split, set()).add(entry.label)
        return cls(root=root, layout=layout, entries=tuple(entries), declared=declared)


def read_folders(root: Path) -> Entries:
    """Label every file by the class folder that it lies in, at any depth.

    Raises:
        DataError: the folders of splits contradict each other.
        OSError: a folder cannot be listed.
    """
    folders, files = children(root)
    split_folders = _split_folders(root, folders)
    outside = [child for child in folders + files if child not in split_folders.values()] if split_folders else []
    left_out = [LeftOut(child, f"beside the folders {', '.join(split_folders)}, so in no split") for child in outside]
    entries: list[Entry] = []
    declared: dict[str, set[str]] = {}
    for split, folder in (split_folders or {"train": root}).items():
        class_folders, beside = children(folder)
        declared[split] = {class_name(class_folder.name) for class_folder in class_folders}
        left_out += [LeftOut(file, "beside the class folders, so without a label") for file in beside]
        for class_folder in class_folders:
            below, unreadable = files_below(class_folder, frozenset({identity(root), identity(folder)}))
            left_out += unreadable
            entries += [Entry(path=path, label=class_name(class_folder.name), split=split) for path in below]
    return Entries(
        root=root,
        layout="split folders" if split_folders else "class folders",
        entries=tuple(entries),
        declared=declared,
        left_out=tuple(left_out),
    )


def _split_folders(root: Path, folders: Sequence[Path]) -> dict[str, Path]:
    """The folder of each split, or nothing if the folders are classes.

    A folder ``train`` beside ``car`` and ``bus`` may be a class: splits are meant only if it holds folders itself.
    """
    named = [(SPLITS[folder.name.lower()], folder) for folder in folders if folder.name.lower() in SPLITS]
    what, names = f"pictures {display(root)}", some([display(folder.name) for _, folder in named])
    if any(split == "train" and children(folder)[0] for split, folder in named):
        if len(dict(named)) == len(named):
            return {split: dict(named)[split] for split in ("train", "val", "test") if split in dict(named)}
        todo = "merge or rename the folders that mean the same split"
        raise DataError.of(what, expected="one folder for each split", found=names, todo=todo)
    if named and len(named) == len(folders):
        expected = "a folder train with one folder of pictures for each class"
        found, todo = f"only {names}, and no class folder in train", "sort the pictures into train/<class>/"
        raise DataError.of(what, expected=expected, found=found, todo=todo)
    return {}


_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")

_REMEDIES = {
    "every row has as many cells as the header": "put names that contain the delimiter between double quotes",
    "every row has a path": "fill in the path, or delete the row",
    "every row has a label": "fill in the label, or delete the row",
    "every split is one of train, val, test": "correct the name, or leave the column out",
    "every file exists": "correct the path; it is relative to the folder of the table",
    "every file is named once": "delete the repeated row",
}


@dataclass
class Faults:
    """What is wrong with the lines of a table, gathered rule by rule, for a single error at the end."""

    remedies: Mapping[str, str]
    """Each rule that a line must keep, and what to do where one does not."""
    _found: dict[str, list[str]] = field(default_factory=dict)

    def none_in(self, line: int, checks: Mapping[str, tuple[bool, str]]) -> bool:
        """Whether a line keeps every rule of ``checks``: rule → (whether it is kept, what was found)."""
        bad = [rule for rule, (holds, _) in checks.items() if not holds]
        for rule in bad:
            self._found.setdefault(rule, []).append(f"line {line}: {checks[rule][1]}")
        return not bad

    def tell(self, what: str) -> None:
        """Raise DataError with every fault that was gathered, if there is any."""
        problems = [
            Problem(expected=rule, found=some(self._found[rule]), todo=todo)
            for rule, todo in self.remedies.items()
            if rule in self._found
        ]
        if problems:
            raise DataError(what, problems)


def read_column(source: Path, name: str) -> tuple[list[str], dict[Path, str]]:
    """What a CSV that `read_table` has read says of its pictures, by path, under the column ``name``, in any case.

    The names of all columns come first, in lower case; where there is no such column, nothing is said of any picture.
    """
    header, rows = parse(source)
    values = {source.parent / cell.get("path", ""): cell.get(name.lower(), "") for _, cell, _ in rows}
    return header, values if name.lower() in header else {}


def read_table(source: Path) -> list[Entry]:
    """Read a CSV with a header; columns beyond the four known are ignored.

    Paths are relative to the table's folder. Comma, semicolon and tab delimit; BOM, CRLF and UTF-16 are understood.

    Raises:
        DataError: no columns ``path`` and ``label``, or bad rows: all of them, with their line numbers.
    """
    header, rows = parse(source)
    faults = Faults(_REMEDIES)
    seen: dict[str, int] = {}
    entries = []
    for line, cell, count in rows:
        name, label, split = cell.get("path", ""), class_name(cell.get("label", "")), cell.get("split", "train")
        path = source.parent / name
        first = seen.setdefault(os.path.normpath(path), line)
        checks = {
            "every row has as many cells as the header": (count <= len(header), f"{count} cells"),
            "every row has a path": (bool(name), "no path"),
            "every row has a label": (bool(label), "no label"),
            "every split is one of train, val, test": (split.lower() in SPLITS, repr(split)),
            "every file exists": (not name or os.path.exists(path), display(name)),  # noqa: PTH110, a NUL is survived
            "every file is named once": (not name or first == line, f"{display(name)} as in line {first}"),
        }
        if faults.none_in(line, checks):
            group = cell.get("group") or None
            entries.append(Entry(path=path, label=label, split=SPLITS[split.lower()], group=group))
    faults.tell(f"table {display(source)}")
    return entries


def parse(source: Path) -> tuple[list[str], list[tuple[int, dict[str, str], int]]]:
    """Header in lower case, and of each row that is not blank the line it ends on, its cells by name and their number.

    Raises:
        DataError: no columns ``path`` and ``label``.
    """
    raw = source.read_bytes()
    # Names that are no UTF-8 come through unchanged, as they do from the file system.
    encoding = "utf-16" if raw.startswith(_UTF16_MARKS) else "utf-8-sig"
    text = raw.decode(encoding, "surrogateescape" if encoding == "utf-8-sig" else "replace")
    for delimiter in ",;\t":
        try:
            reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
            rows = [(reader.line_num, cells) for cells in reader if any(text.strip() for text in cells)]
        except csv.Error:
            continue
        header = [text.strip().lower() for text in rows[0][1]] if rows else []
        if {"path", "label"} <= set(header):
            stripped = [(line, [text.strip() for text in cells]) for line, cells in rows[1:]]
            return header, [(line, dict(zip(header, cells, strict=False)), len(cells)) for line, cells in stripped]
    expected = "a first line that names the columns path,label[,group][,split]"
    found = display(text.strip().splitlines()[0][:80]) if text.strip() else "an empty file"
    todo = "add the header line, or give a folder with one folder of pictures for each class"
    raise DataError.of(f"table {display(source)}", expected=expected, found=found, todo=todo)


def class_name(text: str) -> str:
    """The same spelling for names that look the same: Unicode's NFC, printable."""
    return display(unicodedata.normalize("NFC", text))
