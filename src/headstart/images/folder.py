"""Labelled pictures as a set of arrays: every file is either in the set or left out with a reason."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.arrays import Index, Labels
from headstart.errors import DataError, Problem, UnreadableImageError
from headstart.files import display, sha256, some
from headstart.images.deep import Depth
from headstart.images.formats.given import Given, Source
from headstart.images.formats.reading import labels_of
from headstart.images.grey_levels import Extent, Levels, levels_of
from headstart.images.labelled import PLAIN, Entries, Entry, Understood
from headstart.images.labels import TEXT, checked, restored
from headstart.images.reading import opened
from headstart.images.recognise import read_header
from headstart.images.shortfalls import shortfalls
from headstart.images.split_names import SPLITS
from headstart.images.threads import in_order
from headstart.images.walk import LeftOut
from headstart.progress import Progress, Silent

AT_A_TIME = 8
"""Files that a thread reads for one call: with one each, 2,000 small pictures took 0.5 s, with 8 they take 0.35."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageSet:
    """``n`` labelled pictures; entry ``i`` of every field belongs to ``paths[i]``."""

    root: Path | None
    """The folder that was scanned, or the table's folder; None for pictures given one by one."""
    classes: tuple[str, ...]
    """Names, in the order of the labels that they are the text of: names of folders and of tables in string order."""
    paths: tuple[Path, ...]
    y: Labels
    """``(n,)`` positions in ``classes``."""
    split: NDArray[np.str_]
    """``(n,)`` of "train", "val", "test"."""
    groups: Index
    """``(n,)``: pictures of one group, which byte-identical ones always share, never cross a fold."""
    group_names: tuple[str, ...]
    """``(n,)`` what was given to name each picture's group; empty where nothing was."""
    digests: tuple[str, ...]
    """SHA-256 of each file's bytes, in hexadecimal."""
    left_out: tuple[LeftOut, ...] = ()
    layout: str
    """"class folders", "split folders", "table", "arrays", or the name of another format."""
    label_dtype: str = TEXT
    """NumPy's name for the type of the labels that were given."""
    deep: Mapping[Path, Depth] = field(default_factory=dict)
    """Of which kind those of ``paths`` are that have more than 8 bits a channel."""
    levels: Levels | None = None
    """What is black and white in these, by the training pictures among them; None where that is not known."""
    understood: Understood = PLAIN
    """How the labels were read."""
    columns: Mapping[str, Mapping[Path, str]] = field(default_factory=dict)
    """What a table says of pictures, by the name of the column in lower case."""

    def __len__(self) -> int:
        return len(self.paths)

    def in_split(self, name: str) -> NDArray[np.int64]:
        """Positions of the pictures of a split."""
        return np.flatnonzero(self.split == name)

    @property
    def by_name(self) -> NDArray[np.int64]:
        """``(n,)`` positions of the pictures in the order in which people list files."""
        return np.array(sorted(range(len(self)), key=lambda row: self.paths[row].as_posix()), np.int64)

    @property
    def labels(self) -> NDArray[Any]:
        """``(k,)`` the labels as they were given, in the order of `classes`."""
        return restored(self.classes, self.label_dtype)

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Pictures by split, then class; every class in every split there is."""
        pictures = Counter(zip(self.split.tolist(), self.y.tolist(), strict=True))
        splits = [name for name in ("train", "val", "test") if name in self.split]
        return {name: {label: pictures[name, i] for i, label in enumerate(self.classes)} for name in splits}

    @property
    def train_counts(self) -> NDArray[np.int64]:
        """``(k,)`` training pictures of each class."""
        return np.bincount(self.y[self.split == "train"], minlength=len(self.classes))

    def subset(self, index: NDArray[Any]) -> ImageSet:
        """The pictures at ``index``, positions or a mask ``(n,)``, in that order."""
        rows = np.arange(len(self))[index]
        return replace(
            self,
            paths=tuple(self.paths[row] for row in rows),
            y=self.y[rows],
            split=self.split[rows],
            groups=self.groups[rows],
            group_names=tuple(self.group_names[row] for row in rows),
            digests=tuple(self.digests[row] for row in rows),
        )

    def without(self, failures: Mapping[Path, str]) -> ImageSet:
        """Leave out pictures that turned out unreadable, by path with the reason; the others keep their order.

        Raises:
            DataError: too few pictures of a class are left.
        """
        if not failures:
            return self
        kept = self.subset(np.array([path not in failures for path in self.paths], dtype=bool))
        dropped = tuple(LeftOut(path, failures[path]) for path in sorted(self.paths) if path in failures)
        return _with_enough(replace(kept, left_out=self.left_out + dropped))

    def grouped(self, keys: Sequence[Hashable | None]) -> ImageSet:
        """The same pictures, with one group of all that share a key (n,) or were in a group with one that does.

        A picture whose key is None shares none.

        Raises:
            DataError: too few groups of a class are left.
        """
        return _with_enough(self.joined(keys))

    def joined(self, keys: Sequence[Hashable | None]) -> ImageSet:
        """The same as `grouped`, however few groups are left."""
        return replace(self, groups=_merged(self.groups.tolist(), keys))

    def deep_training(self) -> NDArray[np.int64]:
        """Positions of the training pictures of more than 8 bits a channel."""
        return np.array([i for i in self.in_split("train") if self.paths[i] in self.deep], np.int64)

    def levelled(self, extents: Iterable[Extent | None]) -> ImageSet:
        """The same pictures with the levels that hold ``extents``, those of `deep_training` as far as there are any."""
        return replace(self, levels=levels_of(extent for extent in extents if extent))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """``(n,)`` as `name_of` has them."""
        return tuple(map(self.name_of, self.paths))

    def fingerprint(self) -> str:
        """SHA-256 over contents, labels, splits and groups: the same wherever the pictures lie, and under any names."""
        lines = [
            "\0".join((digest, self.classes[label], split))
            for digest, label, split in zip(self.digests, self.y, self.split, strict=True)
        ]
        order = sorted(range(len(self)), key=lines.__getitem__)
        groups = in_turn(self.groups[order].tolist())
        lines = [f"{lines[row]}\0{group}" for row, group in zip(order, groups, strict=True)]
        return hashlib.sha256("\n".join(lines).encode("utf-8", "backslashreplace")).hexdigest()

    def name_of(self, path: Path) -> str:
        """Where a picture lies below the root, with / between folders and in NFC; outside, the file's name alone."""
        inside = self.root is not None and path.is_relative_to(self.root)
        name = path.relative_to(self.root).as_posix() if inside and self.root else path.name
        return unicodedata.normalize("NFC", name)


def in_turn(groups: Iterable[int]) -> list[int]:
    """The same groups, numbered from 0 in the order in which they come, so that only who is together counts."""
    number: dict[int, int] = {}
    return [number.setdefault(group, len(number)) for group in groups]


def scan(source: Source, *, for_training: bool = True, progress: Progress | None = None) -> ImageSet:
    """Find the labelled pictures of a source, recognise each by its content and hash it.

    A source is a folder ``source/<class>/…`` or ``source/{train,val,test}/<class>/…``, a table
    ``path,label[,group][,split]``, or in any other of the formats of `headstart.images.formats.registry`. Hidden files
    and what operating systems leave behind are passed over; every other file that is no picture is listed in
    ``left_out``. Nothing of the user's is ever written. What a classifier is only to be measured on may hold few
    pictures, or lack a class: ``for_training=False``.

    Raises:
        DataError: with everything that keeps the pictures from being used.
    """
    images, problems = look(source, progress)
    if for_training and problems:
        raise _unusable(images, problems)
    return images


def look(source: Source, progress: Progress | None = None) -> tuple[ImageSet, tuple[Problem, ...]]:
    """The pictures of `scan`, and what keeps them from being trained on.

    Raises:
        DataError: the labels cannot be read.
    """
    given = Given.of(source)
    try:
        labelled = labels_of(given)
    except OSError as error:
        expected = "a folder of pictures, or a file that labels them, that can be read"
        what = f"pictures {display(given.address)}"
        found = f"{display(error.filename or given.address)}: {error.strerror or error}"
        todo = "check the spelling, from which folder a relative path begins, and the permissions"
        raise DataError.of(what, expected=expected, found=found, todo=todo) from error
    images = _assembled(labelled, progress=progress)
    return images, tuple(_problems(images, labelled.declared))


def from_paths(
    paths: Sequence[str | Path], labels: ArrayLike, groups: Sequence[Hashable | None] | None = None
) -> ImageSet:
    """Label pictures given one by one; all are for training. The classes are ``np.unique(labels)``.

    Raises:
        DataError: with everything that keeps the pictures from being used.
    """
    problems: list[Problem] = []
    try:
        y = checked(labels)
    except DataError as error:
        y, problems = np.empty(0), [*error.problems]
    groups = [None] * len(paths) if groups is None else groups
    if not problems and not len(paths) == len(y) == len(groups):
        found = f"{len(paths)} paths, {len(y)} labels, {len(groups)} groups"
        expected = "one label, and one group if any, for each path"
        problems.append(Problem(expected=expected, found=found, todo="align them"))
    if missing := [display(path) for path in paths if not os.path.exists(path)]:  # noqa: PTH110, a NUL is survived
        found = f"not found: {some(missing)}"
        problems.append(Problem(expected="every file exists", found=found, todo="correct the paths"))
    said: dict[str, dict[str, None]] = defaultdict(dict)
    for path, label in zip(map(str, paths), map(str, y.tolist()), strict=False):
        said[path][label] = None
    if torn := [f"{display(path)}: {some(list(found))}" for path, found in said.items() if len(found) > 1]:
        todo = "keep the label that is right, and leave out the others"
        problems.append(Problem(expected="one label for each path", found=some(torn), todo=todo))
    if problems:
        raise DataError("paths and labels", problems)
    values, position = np.unique(y, return_inverse=True)
    classes = tuple(str(value) for value in values.tolist())
    entries = [
        Entry(path=Path(path), label=classes[i], group=group)
        for path, i, group in zip(paths, position.tolist(), groups, strict=True)
    ]
    labelled = Entries.listed(entries, root=None, layout="arrays")
    images = replace(_assembled(labelled, classes), label_dtype=y.dtype.str)
    return _with_enough(images, labelled.declared)


def _digest(path: Path) -> tuple[str, Depth] | LeftOut:
    """SHA-256 of a picture's bytes and of which kind it is if it is deep, or why it is left out."""
    try:
        with opened(path) as stream:
            header = read_header(stream)
            stream.seek(0)
            return sha256(stream), header.deep
    except UnreadableImageError as error:
        return LeftOut(path, error.reason)


def _digests(paths: Sequence[Path]) -> list[tuple[str, Depth] | LeftOut]:
    return [_digest(path) for path in paths]


def _assembled(labelled: Entries, classes: tuple[str, ...] = (), progress: Progress | None = None) -> ImageSet:
    """The pictures that are some; ``classes`` in this order, else all that are declared, in string order.

    Rows come by split, class and content, so that neither names nor the order in a table change what is trained.
    """
    digested: list[tuple[str, Depth] | LeftOut] = []
    paths = [entry.path for entry in labelled.entries]
    parts = [paths[start : start + AT_A_TIME] for start in range(0, len(paths), AT_A_TIME)]
    with (progress or Silent()).stage("reading the pictures", len(paths)) as advance:
        for part in in_order(_digests, parts):
            digested += part
            advance(len(digested))
    pairs = zip(labelled.entries, digested, strict=True)
    kept = [(entry, *found) for entry, found in pairs if not isinstance(found, LeftOut)]
    if labelled.layout != "arrays":  # whose order is the caller's
        kept.sort(key=lambda each: (SPLITS.index(each[0].split), each[0].label, each[1], str(each[0].path)))
    refused = [failure for failure in digested if isinstance(failure, LeftOut)]
    classes = classes or tuple(sorted(set().union(*labelled.declared.values())))
    position = {name: index for index, name in enumerate(classes)}
    digests = tuple(digest for _, digest, _ in kept)
    return ImageSet(
        root=labelled.root,
        classes=classes,
        paths=tuple(entry.path for entry, *_ in kept),
        y=np.array([position[entry.label] for entry, *_ in kept], dtype=np.int64),
        split=np.array([entry.split for entry, *_ in kept], dtype="U5"),
        groups=_merged(digests, [entry.group for entry, *_ in kept]),
        group_names=tuple("" if entry.group is None else str(entry.group) for entry, *_ in kept),
        digests=digests,
        left_out=(*labelled.left_out, *refused),
        layout=labelled.layout,
        deep={entry.path: deep for entry, _, deep in kept if deep},
        understood=labelled.understood,
        columns=labelled.columns,
    )


def _merged(*columns: Sequence[Hashable | None]) -> NDArray[np.int64]:
    """Groups of rows, numbered from 0 by their first row: rows that share a key in any column are in one group."""
    earlier = list(range(len(columns[0])))  # of each row one of its group that is not later, in the end the first

    def first(row: int) -> int:
        while earlier[row] != row:
            earlier[row] = row = earlier[earlier[row]]
        return row

    for column in columns:
        known: dict[Hashable, int] = {}
        for row, key in enumerate(column):
            if key is not None:
                one, other = first(known.setdefault(key, row)), first(row)
                earlier[max(one, other)] = min(one, other)
    return np.array(in_turn([first(row) for row in range(len(earlier))]), np.int64)


def _with_enough(images: ImageSet, declared: Mapping[str, set[str]] | None = None) -> ImageSet:
    """The same pictures; a single DataError with everything that keeps them from being trained on.

    ``declared`` holds the classes of each split that folders or rows name, even where no picture was usable; otherwise
    each split is to have every class.
    """
    declared = declared or {split: set(images.classes) for split in ("train", *np.unique(images.split))}
    if problems := list(_problems(images, declared)):
        raise _unusable(images, problems)
    return images


def _unusable(images: ImageSet, problems: Sequence[Problem]) -> DataError:
    source = images.understood.source or images.root
    return DataError("paths and labels" if source is None else f"pictures {display(source)}", problems)


def _problems(images: ImageSet, declared: Mapping[str, set[str]]) -> Iterator[Problem]:
    return shortfalls(
        declared,
        classes=images.classes,
        y=images.y,
        split=images.split,
        groups=images.groups,
        left_out=len(images.left_out),
        from_arrays=images.layout == "arrays",
    )
