"""Files that somebody labelled, by class folders or by a table, before any of them is opened."""

from __future__ import annotations

import os
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from headstart.errors import DataError, Problem
from headstart.files import below, display, some
from headstart.images import tables
from headstart.images.layout import find_classes
from headstart.images.split_names import split_of
from headstart.images.walk import LeftOut, files_below, identity


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One file that somebody labelled."""

    path: Path
    label: str
    split: str = "train"
    group: Hashable | None = None
    """Files that share a group belong together; None stands alone."""


@dataclass(frozen=True, kw_only=True)
class Understood:
    """How labels were read, as far as it is not plain from the classes themselves."""

    looked_through: str = ""
    """The folder below the root that holds the classes or the splits; empty for the root itself."""
    splits: tuple[tuple[str, str], ...] = ()
    """Names of the splits, of folders or in a table, and ours for each."""
    classes_like_splits: tuple[str, ...] = ()
    """Class folders that have the name of a split."""
    in_every_class: tuple[str, ...] = ()
    """Names of folders that lie in each of the class folders."""
    twins: tuple[tuple[str, ...], ...] = ()
    """Classes whose names differ in case or blanks alone."""
    merged: tuple[str, ...] = ()
    """Classes that were given in several forms of Unicode, which look the same."""
    repeated: tuple[str, ...] = ()
    """Files that several rows name alike; they are taken once."""
    encoding: str = "utf-8"
    """Of a table, as `headstart.images.tables.Table` has it."""
    separator: str = ""
    """Between the cells of a table; empty for folders."""


PLAIN = Understood()
"""Nothing to say."""


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
    understood: Understood = PLAIN

    @classmethod
    def listed(
        cls, entries: Sequence[Entry], *, root: Path | None, layout: str, understood: Understood = PLAIN
    ) -> Entries:
        """The entries of a table or of arrays, which declare no class but those of their rows."""
        declared: dict[str, set[str]] = {"train": set()}
        for entry in entries:
            declared.setdefault(entry.split, set()).add(entry.label)
        return cls(root=root, layout=layout, entries=tuple(entries), declared=declared, understood=understood)


def read_folders(root: Path) -> Entries:
    """Label every file by the class folder that it lies in, at any depth; see `headstart.images.layout`.

    Raises:
        DataError: the folders of splits contradict each other, or may be classes as well.
        OSError: a folder cannot be listed.
    """
    found = find_classes(root)
    above = {folder for inner in found.class_folders for folder in inner.path.parents if folder.is_relative_to(root)}
    closed = frozenset(map(identity, above))
    left_out = list(found.left_out)
    declared: dict[str, set[str]] = {split: set() for split in ("train", *found.splits)}
    entries: list[Entry] = []
    for class_folder in found.class_folders:
        label = class_name(class_folder.name)
        declared[class_folder.split].add(label)
        files, unreadable = files_below(class_folder.path, closed)
        left_out += unreadable
        entries += [Entry(path=path, label=label, split=class_folder.split) for path in files]
    names = sorted({class_folder.name for class_folder in found.class_folders})
    understood = Understood(
        looked_through="" if found.top == root else below(root, found.top),
        splits=tuple((display(name), split) for name, split in found.split_names),
        classes_like_splits=tuple(display(name) for name in names if split_of(name)) if not found.splits else (),
        in_every_class=tuple(map(display, found.in_every_class)),
        twins=_twins(names),
        merged=_merged_names(names),
    )
    return Entries(
        root=root,
        layout="split folders" if found.splits else "class folders",
        entries=tuple(entries),
        declared=declared,
        left_out=tuple(left_out),
        understood=understood,
    )


_LABELLED, _ALIKE = "every row has a label", "every file is named once, or each time alike"
_REMEDIES = {
    "every row has as many cells as the header": "put names that contain the separator between double quotes",
    "every cell ends on its line": "close the quote, or take the line end out of the name",
    "every row has a path": "fill in the path, or delete the row",
    _LABELLED: "fill in the label, or delete the row",
    "every split is one of train, val, test": "correct the name, or leave the column out",
    "every file exists": "correct the path; it is relative to the folder of the table",
    _ALIKE: "keep the row that is right, and delete the others",
}


@dataclass
class Faults:
    """What is wrong with the lines of a table, gathered rule by rule, for a single error at the end."""

    remedies: Mapping[str, str]
    """Each rule that a line must keep, and what to do where one does not."""
    whole: Collection[str] = ()
    """Rules of which every line that breaks them is named; of the others the first ten are."""
    _found: dict[str, list[tuple[int, str]]] = field(default_factory=dict)

    def none_in(self, line: int, checks: Mapping[str, tuple[bool, str]]) -> bool:
        """Whether a line keeps every rule of ``checks``: rule → (whether it is kept, what was found)."""
        bad = [rule for rule, (holds, _) in checks.items() if not holds]
        for rule in bad:
            self._found.setdefault(rule, []).append((line, checks[rule][1]))
        return not bad

    def tell(self, what: str) -> None:
        """Raise DataError with every fault that was gathered, if there is any."""
        problems = [
            Problem(expected=rule, found=self._listed(rule), todo=todo)
            for rule, todo in self.remedies.items()
            if rule in self._found
        ]
        if problems:
            raise DataError(what, problems)

    def _listed(self, rule: str) -> str:
        found = self._found[rule]
        if len(found) > 10 and rule in self.whole and len({text for _, text in found}) == 1:
            return f"lines {_ranges([line for line, _ in found])}: {found[0][1]}"
        lines = [f"line {line}: {text}" for line, text in found]
        return some(lines, len(lines) if rule in self.whole else 10)


def _ranges(numbers: Sequence[int]) -> str:
    """Rising numbers, those that follow each other as “2-5”."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    return ", ".join("-".join(map(str, run)) for run in runs)


def read_column(source: Path, name: str) -> tuple[list[str], dict[Path, str]]:
    """What a CSV that `read_table` has read says of its pictures, by path, under the column ``name``, in any case.

    The names of all columns come first, in lower case; where there is no such column, nothing is said of any picture.
    """
    table = tables.read(source)
    values = {table.file(row): row.cells.get(name.lower(), "") for row in table.rows}
    return list(table.header), values if name.lower() in table.header else {}


def read_table(source: Path) -> Entries:
    """Read a table with a header, as `headstart.images.tables` does; columns beyond the four known are ignored.

    Paths are relative to the table's folder. A row that says of a file what an earlier one did is passed over.

    Raises:
        DataError: no columns ``path`` and ``label``, or bad rows: all of them, with their line numbers.
    """
    table = tables.read(source)
    faults = Faults(_REMEDIES, whole=(_LABELLED, _ALIKE))
    seen: dict[str, tuple[int, Entry]] = {}
    repeated: dict[str, None] = {}
    splits: dict[str, str] = {}
    for row in table.rows:
        name, label, said = (row.cells.get(*column) for column in (("path", ""), ("label", ""), ("split", "train")))
        split, path = split_of(said), table.file(row)
        entry = Entry(path=path, label=class_name(label), split=split or "", group=row.cells.get("group") or None)
        line, first = seen.setdefault(os.path.normpath(path), (row.line, entry))
        was, now = (_without_path(other) for other in (first, entry))
        broken = [cell for cell in (name, label, said) if "\n" in cell]
        checks = {
            "every row has as many cells as the header": (row.width <= len(table.header), f"{row.width} cells"),
            "every cell ends on its line": (not broken, display("".join(broken)[:40])),
            "every row has a path": (bool(name), "no path"),
            _LABELLED: (bool(label), "no label"),
            "every split is one of train, val, test": (split is not None, repr(said)),
            "every file exists": (not name or os.path.exists(path), display(name)),  # noqa: PTH110, a NUL is survived
            _ALIKE: (not name or was == now, f"{display(name)} as in line {line}, there {was}, here {now}"),
        }
        if faults.none_in(row.line, checks):
            splits[said] = entry.split
            if line != row.line:
                repeated[display(name)] = None
    read_as = "" if table.is_utf else f", read as {table.encoding}"
    faults.tell(f"table {display(source)}{read_as}")
    names = sorted({row.cells["label"] for row in table.rows})
    understood = Understood(
        splits=tuple(splits.items()) if "split" in table.header else (),
        twins=_twins(names),
        merged=_merged_names(names),
        repeated=tuple(repeated),
        encoding=table.encoding,
        separator=table.separator,
    )
    entries = [entry for _, entry in seen.values()]
    return Entries.listed(entries, root=source.parent, layout="table", understood=understood)


def _without_path(entry: Entry) -> str:
    """What a row says of its file, such as “'cat'” or “'cat', test, group 7”."""
    split = "" if entry.split == "train" else f", {entry.split}"
    return f"{entry.label!r}{split}" + (f", group {entry.group}" if entry.group else "")


def picture_folders(source: Path) -> tuple[Path, ...]:
    """The folders of the pictures of a table: beside the table those that hold them at any depth; none for a folder.

    Raises:
        DataError: no columns ``path`` and ``label``.
    """
    if not source.is_file():
        return ()
    table = tables.read(source)
    folders: dict[Path, None] = {}
    for file in map(table.file, table.rows):
        if not file.is_relative_to(table.folder):
            folders[file.parent] = None
        elif file.parent != table.folder:
            folders[table.folder / file.relative_to(table.folder).parts[0]] = None
    return tuple(folders)


def _twins(names: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """Names of classes that differ in case or blanks alone, each set in order."""
    alike: dict[str, set[str]] = defaultdict(set)
    for name in map(class_name, names):
        alike[" ".join(name.casefold().split())].add(name)
    return tuple(tuple(sorted(same)) for same in alike.values() if len(same) > 1)


def _merged_names(names: Iterable[str]) -> tuple[str, ...]:
    """Classes that are named in several forms."""
    forms: dict[str, set[str]] = defaultdict(set)
    for name in names:
        forms[class_name(name)].add(name)
    return tuple(name for name, same in forms.items() if len(same) > 1)


def class_name(text: str) -> str:
    """The same spelling for names that look the same: Unicode's NFC, printable."""
    return display(unicodedata.normalize("NFC", text))
