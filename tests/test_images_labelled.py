from __future__ import annotations

import sys
from pathlib import Path

import pytest

from headstart.errors import DataError
from headstart.images.folder import scan
from headstart.images.labelled import Entries, Entry, class_name, read_folders, twins
from pictures import classes_in, picture


def test_a_list_declares_the_classes_of_its_rows() -> None:
    rows = [Entry(path=Path("1.png"), label="b"), Entry(path=Path("2.png"), label="a", split="test")]
    labelled = Entries.listed(rows, root=Path("here"), layout="table")
    assert labelled.declared == {"train": {"b"}, "test": {"a"}}
    assert (labelled.root, labelled.layout, labelled.left_out) == (Path("here"), "table", ())
    assert labelled.entries == tuple(rows)


def test_training_is_always_declared() -> None:
    assert Entries.listed([], root=None, layout="arrays").declared == {"train": set()}


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
    assert sorted(name for name in names if name.startswith("a/")) == [f"a/{n}.png" for n in range(4)]
    assert {"b/out/far.png", "b/one.png"} < set(names)
    assert len(images) == 10
    assert reasons["a/gone.png"] == "a link to a file that is not there"
    assert reasons["a/knot"].startswith("cannot be opened")


def test_names_that_look_the_same_are_the_same_class() -> None:
    assert class_name("Ame\u0301lie") == class_name("Am\u00e9lie") == "Am\u00e9lie"


def test_names_of_folders_that_look_alike_are_told(tmp_path: Path) -> None:
    for name in ("cat", "dog", "dog ", "cafe\u0301", "caf\u00e9"):
        picture(tmp_path / "photos" / name / "1.png", 1)
    found = read_folders(tmp_path / "photos").understood
    assert (found.twins, found.merged) == ((("dog", "dog "),), ("café",))


def test_names_that_are_one_number_are_told_exactly() -> None:
    large = ("20000000000000000001", "20000000000000000002")
    assert twins(["1", "1.0", "01", "2", "nan", "inf", "infinity", "1e3", "1000", "x1", *large]) == (
        ("01", "1", "1.0"),
    )


def test_a_link_to_the_folder_it_lies_in_is_no_class(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        picture(tmp_path / "photos" / name / "1.png", 1)
    (tmp_path / "photos" / "self").symlink_to(".", target_is_directory=True)
    found = read_folders(tmp_path / "photos")
    assert found.declared == {"train": {"cat", "dog"}}
    assert [(out.path.name, out.reason) for out in found.left_out] == [("self", "a link to a folder that it lies in")]
