from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from headstart.errors import Problem
from headstart.images.folder import ImageSet, scan
from headstart.images.formats.given import Given
from headstart.images.labelled import Understood
from headstart.images.located import Moved
from headstart.report.understood import document, lines, short
from pictures import classes_in, picture


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    return scan(classes_in(tmp_path_factory.mktemp("plain"), "cat dog"))


def test_one_line_where_nothing_is_a_surprise(images: ImageSet) -> None:
    assert short(images) == ("understood as class folders: 8 pictures in 2 classes: cat 4, dog 4",)


def test_splits_by_their_names_and_what_was_left_out(tmp_path: Path) -> None:
    classes_in(tmp_path / "data" / "Training", "cat dog")
    classes_in(tmp_path / "data" / "Testing", "cat dog", count=1, start=900)
    shutil.copy(tmp_path / "data/Training/cat/0.png", tmp_path / "data/Training/cat/copy.png")
    picture(tmp_path / "data" / "more" / "1.png", 800)
    images = scan(tmp_path)
    surprises = (
        "looked through to the folder data, beside which there is no other",
        "1 file or folder is left out",
    )
    names = "Training is train, Testing is test"
    assert short(images) == (
        f"understood as split folders ({names}): 9 pictures to train on, 2 pictures to test on; 2 classes: cat, dog",
        *surprises,
    )
    assert list(lines(Given.of("photos"), images)) == [
        f"photos: split folders ({names})",
        "class    train     test",
        "cat          5        1",
        "dog          4        1",
        "11 pictures in 10 groups, which no fold tears apart",
        *surprises,
        "left out: data/more: beside the folders train, test, so in no split",
    ]
    told = document(Given.of("photos"), images, (Problem(expected="a", found="b", todo="c"),))
    assert (told["source"], told["format"], told["columns"]) == ("photos", "folders", {})
    assert told["splits"] == {"Training": "train", "Testing": "test"}
    assert told["counts"] == {"train": {"cat": 5, "dog": 4}, "test": {"cat": 1, "dog": 1}}
    assert told["left_out"] == {"data/more": "beside the folders train, test, so in no split"}
    assert told["problems"] == [{"expected": "a", "found": "b", "todo": "c"}]


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (
            {"encoding": "cp1252", "separator": ";"},
            "the table is not UTF-8: read as cp1252; where a name looks wrong, save the table as UTF-8",
        ),
        ({"encoding": "utf-16", "separator": ";"}, "the table is read as utf-16"),
        (
            {"encoding": "utf-8 and other bytes", "separator": ";"},
            "names of files in the table are no text: taken byte for byte, as they are on the disk",
        ),
        (
            {"classes_like_splits": ("test",)},
            "the folder test is taken for a class, not for a split: no folder to train on belongs to it",
        ),
        (
            {"twins": (("Cat", "cat"),)},
            "classes of their own, though their names may mean the same: 'Cat', 'cat'",
        ),
        ({"merged": ("café",)}, "one class each, though written in several forms of Unicode: 'café'"),
        ({"moved": (Moved("images/", 0),)}, "files are found below images/"),
        ({"moved": (Moved("", 1),)}, "files are found without the first folder of their names"),
        (
            {"moved": (Moved("a/", 2), Moved("b/", 0))},
            "files are found below a/, without the first 2 folders of their names, and below b/",
        ),
        ({"repeated": ("a.png",)}, "1 file is named by several rows that agree, and taken once: a.png"),
        ({"repeated": ("a", "b")}, "2 files are named by several rows that agree, and taken once: a, b"),
        (
            {"in_every_class": ("cat", "dog")},
            "each class folder holds cat, dog, which is taken for a part of the class; if these are the classes, give "
            "one of the folders around them, or call those train, val and test",
        ),
    ],
)
def test_every_surprise_is_a_line(images: ImageSet, facts: dict[str, object], said: str) -> None:
    assert short(replace(images, understood=Understood(**facts)))[1:] == (said,)  # type: ignore[arg-type]


def test_a_table_and_its_separator(images: ImageSet) -> None:
    table = replace(images, layout="table", understood=Understood(separator="\t", splits=(("dev", "val"),)))
    assert short(table)[0].startswith("understood as a table (dev is val) with tabs between its cells: 8 pictures")


def test_one_picture_of_one_class(images: ImageSet) -> None:
    one = replace(images.subset(images.y == 0).subset([0]), classes=("cat",))
    assert short(one) == ("understood as class folders: 1 picture in 1 class: cat 1",)
    none = replace(one.subset([]), classes=())
    assert short(none) == ("understood as class folders: 0 pictures in 0 classes: ",)
