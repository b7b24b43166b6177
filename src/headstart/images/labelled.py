"""Files that somebody labelled, by class folders or in any other format, before any of them is opened."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from headstart.files import below, display
from headstart.images.layout import find_classes
from headstart.images.located import Moved
from headstart.images.split_names import split_of
from headstart.images.walk import LeftOut, files_below, identity

_NUMBER = re.compile(r"[+-]?\d{1,99}(\.\d{0,99})?", re.ASCII)


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
    """Classes whose names differ in case or blanks alone, or are the same number."""
    merged: tuple[str, ...] = ()
    """Classes that were given in several forms of Unicode, which look the same."""
    repeated: tuple[str, ...] = ()
    """Files that several rows name alike; they are taken once."""
    encoding: str = "utf-8"
    """Of a table, as `headstart.images.tables.Table` has it."""
    separator: str = ""
    """Between the cells of a table; empty for folders."""
    format: str = ""
    """The name of the format, see `headstart.images.formats.registry`; empty for files given one by one."""
    columns: tuple[tuple[str, str], ...] = ()
    """Of a table: what columns were taken for, "path", "label", "split" or "group", and their names."""
    label_files: tuple[str, ...] = ()
    """Files of a folder that hold the labels, below the root."""
    moved: tuple[Moved, ...] = ()
    """How names of files are read if not as they are written, of each list of them."""
    unpacked: str = ""
    """The folder in the cache to which the source was unpacked, or fetched."""
    source: str = ""
    """What was given, if the root may be another: a label file, an archive, an address."""


PLAIN = Understood()
"""Nothing to say."""


@dataclass(frozen=True, kw_only=True)
class Entries:
    """All files that were labelled, and where the labels come from."""

    root: Path | None
    """The folder, or that of the label file; None for files given one by one."""
    layout: str
    """"class folders", "split folders", "table", "arrays", or the name of another format."""
    entries: tuple[Entry, ...]
    declared: Mapping[str, set[str]]
    """The classes of each split that folders or rows name, also those without a file."""
    left_out: tuple[LeftOut, ...] = ()
    understood: Understood = PLAIN
    columns: Mapping[str, Mapping[Path, str]] = field(default_factory=dict)
    """What a table says of files beyond that, by the name of the column in lower case."""

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
        if identity(class_folder.path) in closed:
            left_out.append(LeftOut(class_folder.path, "a link to a folder that it lies in"))
            continue
        label = class_name(class_folder.name)
        declared[class_folder.split].add(label)
        files, unreadable = files_below(class_folder.path, closed)
        left_out += unreadable
        entries += [Entry(path=path, label=label, split=class_folder.split) for path in files]
    names = sorted({folder.name for folder in found.class_folders})
    understood = Understood(
        looked_through="" if found.top == root else below(root, found.top),
        splits=tuple((display(name), split) for name, split in found.split_names),
        classes_like_splits=tuple(display(name) for name in names if split_of(name)) if not found.splits else (),
        in_every_class=tuple(map(display, found.in_every_class)),
        twins=twins(names),
        merged=merged_names(names),
        format="folders",
    )
    return Entries(
        root=root,
        layout="split folders" if found.splits else "class folders",
        entries=tuple(entries),
        declared=declared,
        left_out=tuple(left_out),
        understood=understood,
    )


def twins(names: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """Names of classes that differ in case or blanks alone, or are the same number, each set in order."""
    alike: dict[str, set[str]] = defaultdict(set)
    for name in map(class_name, names):
        alike[_loosely(name)].add(name)
    return tuple(tuple(sorted(same)) for same in alike.values() if len(same) > 1)


def _loosely(name: str) -> str:
    """What twins have in common."""
    return str(Fraction(name)) if _NUMBER.fullmatch(name) else " ".join(name.casefold().split())


def merged_names(names: Iterable[str]) -> tuple[str, ...]:
    """Classes that are named in several forms."""
    forms: dict[str, set[str]] = defaultdict(set)
    for name in names:
        forms[class_name(name)].add(name)
    return tuple(name for name, same in forms.items() if len(same) > 1)


def class_name(text: str) -> str:
    """The same spelling for names that look the same: Unicode's NFC, printable."""
    return display(unicodedata.normalize("NFC", text))
