"""What the folders of labelled pictures are: splits, classes, or only wrapped around them. No file is opened."""

from __future__ import annotations

import mimetypes
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from headstart.errors import DataError
from headstart.files import display, some
from headstart.images.split_names import SPLITS, SplitFolder, split_classes, split_family, split_of
from headstart.images.walk import LeftOut, children, files_below, identity

_NO_CLASS = "beside the class folders, so without a label"


@dataclass(frozen=True, kw_only=True)
class ClassFolder:
    """A folder whose files, at any depth, are of one class."""

    path: Path
    name: str
    """Of the class, as it is on the disk."""
    split: str = "train"


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The class folders below a root."""

    top: Path
    """The folder that holds classes or splits: the root, or what it is wrapped around."""
    class_folders: tuple[ClassFolder, ...]
    split_names: tuple[tuple[str, str], ...] = ()
    """Names of the folders that are splits, and ours for each."""
    in_every_class: tuple[str, ...] = ()
    """Names of folders that lie in each of the class folders: they may be the classes."""
    splits: tuple[str, ...] = ()
    """Those that have labels, also where no picture is in them; empty where there are none."""
    left_out: tuple[LeftOut, ...] = ()
    """Files and folders that are in no class, or in no split."""


def find_classes(root: Path) -> Layout:
    """Find the class folders of ``root``.

    A folder that holds nothing but another one is looked through, unless that is a class. In there are the folders of
    splits with classes in each (`headstart.images.split_names.split_family`), classes with splits in each, folders that
    are one class in one split by their names, or classes.

    Raises:
        DataError: the folders of splits contradict each other, or may be classes as well.
        OSError: a folder cannot be listed.
    """
    top, left_out = _looked_through(root)
    folders, files = children(top)
    if split_folders := _split_folders(root, folders):
        inside = [folder for _, folder in split_folders]
        names = ", ".join(split for split, _ in split_folders)
        strangers = [child for child in folders + files if child not in inside]
        left_out += [LeftOut(child, f"beside the folders {names}, so in no split") for child in strangers]
        class_folders, splits, without = _classes_in_splits(split_folders)
        split_names = [(folder.name, split) for split, folder in split_folders if split in splits]
        left_out += without
    else:
        class_folders, loose = _splits_in_classes(folders)
        named = [] if class_folders else split_classes(folders)
        class_folders += [ClassFolder(path=part.path, name=name, split=part.split) for name, part in named]
        splits = [split for split in SPLITS if any(folder.split == split for folder in class_folders)]
        split_names = sorted({(folder.path.name, folder.split) for folder in class_folders}, key=_in_order)
        left_out += [LeftOut(file, f"beside the folders {', '.join(splits)}, so in no split") for file in loose]
        left_out += [LeftOut(file, _NO_CLASS) for file in files]
        class_folders = class_folders or [ClassFolder(path=path, name=path.name) for path in folders]
    return Layout(
        top=top,
        class_folders=tuple(class_folders),
        split_names=tuple(split_names),
        in_every_class=tuple(_in_every([folder.path for folder in class_folders])),
        splits=tuple(splits),
        left_out=tuple(left_out),
    )


def _classes_in_splits(split_folders: Sequence[SplitFolder]) -> tuple[list[ClassFolder], list[str], list[LeftOut]]:
    """The class folders of all splits, the splits that have any or are empty, and what is left out."""
    class_folders: list[ClassFolder] = []
    splits = []
    left_out = []
    for split, folder in split_folders:
        known = {inner.name for inner in class_folders}
        top, beside = _looked_through(folder, known)
        inner, loose = children(top)
        if split != "train" and _is_unlabelled([path.name for path in inner], loose, known):
            left_out.append(LeftOut(folder, "no folder of a class in it, so without labels"))
            continue
        splits.append(split)
        class_folders += [ClassFolder(path=path, name=path.name, split=split) for path in inner]
        left_out += [*beside, *(LeftOut(file, _NO_CLASS) for file in loose)]
    return class_folders, splits, left_out


def _in_order(name_and_split: tuple[str, str]) -> tuple[int, str]:
    return SPLITS.index(name_and_split[1]), name_and_split[0]


def _in_every(folders: Sequence[Path]) -> list[str]:
    """Names, sorted, of the folders that lie in each of ``folders``; empty for a single one."""
    inner = [{child.name for child in children(folder)[0]} for folder in folders]
    return sorted(set.intersection(*inner)) if len(inner) > 1 else []


def _looked_through(folder: Path, known: Collection[str] | None = None) -> tuple[Path, list[LeftOut]]:
    """The folder below ``folder`` that holds several folders, or splits, and what lies beside the way to it.

    It is ``folder`` itself where that holds several, or where only one class would be found. ``known``: classes, where
    ``folder`` is a split.
    """
    top, left_out = folder, []
    entered = {identity(folder)}
    while True:
        folders, files = children(top)
        splits = known is None and bool(split_family(folders)) and not (len(folders) == 1 and _holds_splits(folders[0]))
        if len(folders) != 1 or splits:
            break
        (lone,) = folders
        inner, loose = children(lone)
        if not inner or lone.name in (known or ()) or any(map(named_as_picture, loose)) or identity(lone) in entered:
            break
        entered.add(identity(lone))
        left_out += [LeftOut(file, _NO_CLASS) for file in files]
        top = lone
    return (top, left_out) if len(folders) > 1 or splits else (folder, [])


def _holds_splits(folder: Path) -> bool:
    """Whether a folder that is called like a split is wrapped around splits: several, with folders in the first."""
    family = split_family(children(folder)[0])
    return len(family) > 1 and any(split == "train" and children(path)[0] for split, path in family)


def named_as_picture(file: Path) -> bool:
    """Whether the ending of a file is one of pictures."""
    return (mimetypes.guess_type(file.name)[0] or "").startswith("image/")


def _is_unlabelled(names: Sequence[str], loose: Sequence[Path], known: Collection[str]) -> bool:
    """Whether pictures to test on lie in no class folder, or all in one that is none of the classes."""
    return bool(loose) if not names else len(names) == 1 and len(known) > 1 and names[0] not in known


def _split_folders(root: Path, folders: Sequence[Path]) -> list[SplitFolder]:
    """The folder of each split, or nothing if the folders are classes.

    A folder ``train`` beside ``car`` and ``bus`` may be a class: splits are meant only if it holds folders itself.
    """
    family = split_family(folders)
    names = some([display(folder.name) for _, folder in family])
    what = f"pictures {display(root)}"
    if any(split == "train" and children(folder)[0] for split, folder in family):
        if len({split for split, _ in family}) < len(family):
            todo = "merge or rename the folders that mean the same split"
            raise DataError.of(what, expected="one folder for each split", found=names, todo=todo)
        others = [folder for folder in folders if folder not in [path for _, path in family]]
        if len(family) == 1 and any(named_as_picture(file) for folder in others for file in files_below(folder)[0]):
            expected = "folders of splits, such as train and test, or one folder for each class"
            found = f"{names}, with folders in it, beside {some([display(folder.name) for folder in others])}"
            todo = f"give {display(family[0].path)} itself, or, if {names} is a class, give it another name"
            raise DataError.of(what, expected=expected, found=found, todo=todo)
        return sorted(family, key=lambda part: SPLITS.index(part.split))
    only_splits = len(family) == len(folders) or all(split_of(folder.name) for folder in folders)
    if folders and only_splits:
        expected = "a folder train with one folder of pictures for each class"
        found = f"only {some([display(folder.name) for folder in folders])}, and no class folder in train"
        raise DataError.of(what, expected=expected, found=found, todo="sort the pictures into train/<class>/")
    return []


def _splits_in_classes(folders: Sequence[Path]) -> tuple[list[ClassFolder], list[Path]]:
    """The folders of splits that lie in each class, and the files beside them; nothing where no class has such.

    Raises:
        DataError: some classes have a part to train on and another, and the others have none.
    """
    class_folders: list[ClassFolder] = []
    beside: list[Path] = []
    whole: list[str] = []
    for folder in folders:
        inner, loose = children(folder)
        splits = {path: split for path in inner if (split := split_of(path.name))}
        if "train" not in splits.values() or len(splits) < max(2, len(inner)) or any(map(named_as_picture, loose)):
            whole.append(display(folder.name))
            continue
        class_folders += [ClassFolder(path=path, name=folder.name, split=split) for path, split in splits.items()]
        beside += loose
    if whole and len({folder.split for folder in class_folders}) > 1:
        parted = some(list(dict.fromkeys(display(folder.name) for folder in class_folders)))
        expected, todo = "train, val or test in every class folder or in none", "part the others too, or none of them"
        found = f"parts in {parted}, none in {some(whole)}"
        raise DataError.of("class folders", expected=expected, found=found, todo=todo)
    return ([], []) if whole else (class_folders, beside)
