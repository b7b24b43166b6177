from __future__ import annotations

import sys
from pathlib import Path

import pytest

from headstart.errors import DataError
from headstart.images.class_folders import read_folders
from headstart.images.folder import scan
from pictures import classes_in, picture


def error_of(root: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_folders(root)
    return str(caught.value)


def test_every_file_is_labelled_by_its_class_folder_at_any_depth(tmp_path: Path) -> None:
    classes_in(tmp_path, "a b", count=2)
    deep = picture(tmp_path / "a" / "winter" / "deep.png", 9)
    (tmp_path / "empty").mkdir()
    labelled = read_folders(tmp_path)
    assert labelled.layout == "class folders"
    assert labelled.declared == {"train": {"a", "b", "empty"}}
    assert {entry.path: entry.label for entry in labelled.entries}[deep] == "a"
    assert len(labelled.entries) == 5


@pytest.mark.parametrize("validation", ["val", "valid", "VALIDATION"])
def test_split_folders(tmp_path: Path, validation: str) -> None:
    classes_in(tmp_path / "Train", "a b")
    classes_in(tmp_path / validation, "a b", count=1, start=1000)
    classes_in(tmp_path / "test", "a b", count=2, start=2000)
    classes_in(tmp_path / "old", "a", count=1)
    (tmp_path / "README.md").write_text("hello")
    images = scan(tmp_path)
    assert images.layout == "split folders"
    assert images.classes == ("a", "b")
    counts = {split: int((images.split == split).sum()) for split in ("train", "val", "test")}
    assert counts == {"train": 8, "val": 2, "test": 4}
    reasons = {left.path.name: left.reason for left in images.left_out}
    assert reasons == dict.fromkeys(("old", "README.md"), "beside the folders train, val, test, so in no split")


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    images = scan(classes_in(tmp_path, "train car bus"))
    assert images.classes == ("bus", "car", "train")
    assert images.layout == "class folders"


def test_split_folders_without_classes_are_not_taken_for_classes(tmp_path: Path) -> None:
    classes_in(tmp_path, "train test")
    text = error_of(tmp_path)
    assert "found: only test, train, and no class folder in train" in text
    assert "to do: sort the pictures into train/<class>/" in text


def test_two_folders_for_one_split(tmp_path: Path) -> None:
    for name in ("train", "val", "valid"):
        classes_in(tmp_path / name, "a b")
    assert "found: train, val, valid\n" in error_of(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_links_are_followed_and_circles_survived(tmp_path: Path) -> None:
    elsewhere = picture(tmp_path / "elsewhere" / "far.png", 4000).parent
    root = classes_in(tmp_path / "root", "a b")
    (root / "a" / "up").symlink_to(root)
    (root / "a" / "self").symlink_to(root / "a")
    (root / "a" / "knot").symlink_to(root / "a" / "knot")
    (root / "a" / "gone.png").symlink_to(root / "nowhere.png")
    (root / "b" / "out").symlink_to(elsewhere)
    (root / "b" / "one.png").symlink_to(picture(tmp_path / "one.png", 4001))
    images = scan(root)
    names = [images.name_of(path) for path in images.paths]
    reasons = {images.name_of(left.path): left.reason for left in images.left_out}
    assert [name for name in names if name.startswith("a/")] == [f"a/{n}.png" for n in range(4)]
    assert {"b/out/far.png", "b/one.png"} < set(names)
    assert len(images) == 10
    assert reasons["a/gone.png"] == "not found"
    assert reasons["a/knot"].startswith("cannot be opened")
