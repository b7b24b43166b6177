"""A folder of class folders, or of split folders with class folders in each, becomes entries."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from headstart.errors import DataError, Problem
from headstart.files import display
from headstart.images.entries import SPLITS, Entries, Entry
from headstart.images.names import class_name, some
from headstart.images.walk import LeftOut, children, files_below, identity


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
    names = some([display(folder.name) for _, folder in named])
    if any(split == "train" and children(folder)[0] for split, folder in named):
        if len(dict(named)) == len(named):
            return {split: dict(named)[split] for split in ("train", "val", "test") if split in dict(named)}
        problem = Problem(
            expected="one folder for each split",
            found=names,
            todo="merge or rename the folders that mean the same split",
        )
    elif named and len(named) == len(folders):
        problem = Problem(
            expected="a folder train with one folder of pictures for each class",
            found=f"only {names}, and no class folder in train",
            todo="sort the pictures into train/<class>/",
        )
    else:
        return {}
    raise DataError(f"pictures {display(root)}", [problem])
