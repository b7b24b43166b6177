"""Folders as people lay them out, and what is made of them. No file is opened, so none here is a picture."""

from __future__ import annotations

from pathlib import Path

import pytest

from headstart.errors import DataError
from headstart.images.layout import Layout, find_classes


def folders(root: Path, *names: str) -> Path:
    """``root`` with a file ``1.png`` in each folder of ``names``; a name with an ending is a file itself."""
    for name in names:
        file = root / name if Path(name).suffix else root / name / "1.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return root


def understood(layout: Layout) -> dict[str, list[str]]:
    """Split → its classes."""
    splits: dict[str, list[str]] = {}
    for folder in layout.class_folders:
        splits.setdefault(folder.split, []).append(folder.name)
    return splits


def left_out(root: Path, layout: Layout) -> dict[str, str]:
    return {out.path.relative_to(root).as_posix(): out.reason for out in layout.left_out}


@pytest.mark.parametrize(
    ("train", "other", "split"),
    [
        ("Training", "Testing", "test"),
        ("seg_train", "seg_test", "test"),
        ("TRAIN", "Validation", "val"),
        ("train_images", "dev", "val"),
        ("01 train", "02 test", "test"),
        ("data/train", "data/valid", "val"),
        ("a/b/Training Set", "a/b/Eval Set", "val"),
        ("seg_train/seg_train", "seg_test/seg_test", "test"),  # zipped twice
    ],
)
def test_splits_under_other_names_and_wrapped(tmp_path: Path, train: str, other: str, split: str) -> None:
    names = [f"{part}/{name}" for part in (train, other) for name in ("cat", "dog")]
    layout = find_classes(folders(tmp_path, *names))
    assert understood(layout) == {"train": ["cat", "dog"], split: ["cat", "dog"]}
    assert layout.splits == ("train", split)
    assert layout.left_out == ()


def test_what_is_wrapped_is_looked_through_and_the_rest_is_left_out(tmp_path: Path) -> None:
    layout = find_classes(folders(tmp_path, "LICENSE.txt", "x/README.md", "x/y/cat", "x/y/dog", "x/y/list.csv"))
    assert layout.top == tmp_path / "x" / "y"
    assert understood(layout) == {"train": ["cat", "dog"]}
    assert left_out(tmp_path, layout) == dict.fromkeys(
        ("LICENSE.txt", "x/README.md", "x/y/list.csv"), "beside the class folders, so without a label"
    )


@pytest.mark.parametrize("names", [["only"], ["only/winter"], ["only", "only/winter", "only/summer"]])
def test_a_single_class_is_not_looked_through(tmp_path: Path, names: list[str]) -> None:
    layout = find_classes(folders(tmp_path, *names))
    assert (layout.top, understood(layout)) == (tmp_path, {"train": ["only"]})


@pytest.mark.parametrize("test", ["test", "test/unknown", "test/images"])
def test_pictures_to_test_on_without_classes_are_left_out_and_no_class(tmp_path: Path, test: str) -> None:
    names = [f"{split}/{name}" for split in ("train", "val") for name in ("cat", "dog")]
    layout = find_classes(folders(tmp_path, *names, test))
    assert layout.splits == ("train", "val")
    assert left_out(tmp_path, layout) == {"test": "no folder of a class in it, so without labels"}


def test_a_split_of_one_known_class_is_labelled(tmp_path: Path) -> None:
    layout = find_classes(folders(tmp_path, "train/cat", "train/dog", "test/dog"))
    assert understood(layout)["test"] == ["dog"]


def test_splits_in_each_class(tmp_path: Path) -> None:
    names = [f"{name}/{split}" for name in ("cat", "dog") for split in ("Test", "train")]
    layout = find_classes(folders(tmp_path, *names, "cat/notes.txt"))
    assert understood(layout) == {"train": ["cat", "dog"], "test": ["cat", "dog"]}
    assert layout.split_names == (("train", "train"), ("Test", "test"))
    assert left_out(tmp_path, layout) == {"cat/notes.txt": "beside the folders train, test, so in no split"}


def test_folders_that_are_one_class_in_one_split(tmp_path: Path) -> None:
    layout = find_classes(folders(tmp_path, "cats_train", "dogs_train", "cats_test", "dogs_test", "notes.txt"))
    assert understood(layout) == {"train": ["cats", "dogs"], "test": ["cats", "dogs"]}
    assert layout.splits == ("train", "test")
    assert left_out(tmp_path, layout) == {"notes.txt": "beside the class folders, so without a label"}


@pytest.mark.parametrize("names", ["train car bus", "test car", "crash_test stress_test"])
def test_classes_named_like_splits_stay_classes(tmp_path: Path, names: str) -> None:
    layout = find_classes(folders(tmp_path, *names.split()))
    assert understood(layout) == {"train": sorted({name.partition("/")[0] for name in names.split()})}
    assert layout.splits == layout.in_every_class == ()


def test_folders_that_may_hide_splits_are_told(tmp_path: Path) -> None:
    names = [f"{part}/{name}" for part in ("part one", "part two") for name in ("cat", "dog")]
    assert find_classes(folders(tmp_path, *names)).in_every_class == ("cat", "dog")


def test_what_may_be_a_split_or_a_class_is_asked(tmp_path: Path) -> None:
    root = folders(tmp_path, "train/freight", "train/passenger", "bus", "car")
    with pytest.raises(DataError) as caught:
        find_classes(root)
    assert str(caught.value) == (
        f"pictures {root}: 1 problem\n"
        "expected: folders of splits, such as train and test, or one folder for each class\n"
        "   found: train, with folders in it, beside bus, car\n"
        f"   to do: give {root / 'train'} itself, or, if train is a class, give it another name"
    )


def test_a_folder_without_pictures_beside_train_is_no_doubt(tmp_path: Path) -> None:
    root = folders(tmp_path, "train/cat", "train/dog", "docs/read.txt")
    layout = find_classes(root)
    assert understood(layout) == {"train": ["cat", "dog"]}
    assert left_out(root, layout) == {"docs": "beside the folders train, so in no split"}


@pytest.mark.skipif(not hasattr(Path, "symlink_to"), reason="no links")
def test_a_link_in_a_circle_is_not_followed_for_ever(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "up").symlink_to(tmp_path, target_is_directory=True)
    assert find_classes(tmp_path).top == tmp_path


def test_splits_in_some_classes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="found: parts in ants, none in bees"):
        find_classes(folders(tmp_path / "a", "ants/train", "ants/test", "bees"))
    layout = find_classes(folders(tmp_path / "b", "trains/train", "trains/Training", "bees"))  # two of the same part
    assert understood(layout) == {"train": ["bees", "trains"]}


@pytest.mark.parametrize("wrapper", ["train", "training_data", "Testing"])
def test_a_folder_around_splits_that_is_called_like_one_is_looked_through(tmp_path: Path, wrapper: str) -> None:
    for split in ("train", "test"):
        for name in ("a", "b"):
            (tmp_path / "set" / wrapper / split / name).mkdir(parents=True)
    found = find_classes(tmp_path / "set")
    assert found.top == tmp_path / "set" / wrapper
    assert {(folder.name, folder.split) for folder in found.class_folders} == {
        (name, split) for name in "ab" for split in ("train", "test")
    }


def test_what_lies_in_every_part_of_every_class_is_told(tmp_path: Path) -> None:
    for folder in ("v1", "v2"):
        for split in ("train", "test"):
            for name in ("a", "b"):
                (tmp_path / folder / split / name).mkdir(parents=True)
    assert find_classes(tmp_path).in_every_class == ("a", "b")
