from __future__ import annotations

import sys
from pathlib import Path

import pytest

from headstart.errors import DataError
from headstart.images.folder import scan
from headstart.images.labelled import Entries, Entry, class_name, picture_folders, read_folders, read_table
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
    assert reasons["a/gone.png"] == "not found"
    assert reasons["a/knot"].startswith("cannot be opened")


def table(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    for name in ("a.jpg", "b, c.jpg", "d.jpg"):
        (folder / name).write_bytes(b"x")
    path = folder / "table.csv"
    path.write_bytes(text.encode(encoding))
    return path


def table_error(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_table(path)
    return str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_dialects(tmp_path: Path, encoding: str, newline: str, delimiter: str) -> None:
    lines = [
        ["Path", " label ", "split", "note"],
        ["a.jpg", " 蜂 ", "TRAIN", ""],
        [],
        ['"b, c.jpg"', "x", "valid", "n"],
    ]
    text = newline.join(delimiter.join(cells) for cells in lines) + newline * 2
    read = read_table(table(tmp_path, text, encoding))
    assert read.entries == (
        Entry(path=tmp_path / "a.jpg", label="蜂", split="train"),
        Entry(path=tmp_path / "b, c.jpg", label="x", split="val"),
    )
    assert (read.understood.encoding, read.understood.separator) == (encoding, delimiter)
    assert read.understood.splits == (("TRAIN", "train"), ("valid", "val"))


def test_groups_and_absolute_paths(tmp_path: Path) -> None:
    entries = read_table(table(tmp_path, f"label,group,path\nx,7,{tmp_path / 'a.jpg'}\ny,,d.jpg\n")).entries
    assert [(entry.path, entry.group) for entry in entries] == [
        (tmp_path / "a.jpg", "7"),
        (tmp_path / "d.jpg", None),
    ]


def test_labels_are_normalised(tmp_path: Path) -> None:
    entries = read_table(table(tmp_path, "path,label\na.jpg,cafe\u0301\nd.jpg,caf\u00e9\n")).entries
    assert len({entry.label for entry in entries}) == 1


def test_every_bad_row_is_named_by_its_line(tmp_path: Path) -> None:
    text = "path,label,split\na.jpg,x,train\n,x,train\nd.jpg,,train\nb, c.jpg,x,train\nd.jpg,x,later\n./a.jpg,y,test\n"
    message = table_error(table(tmp_path, text + "gone.jpg,x\n"))
    assert "6 problems" in message
    for found in (
        "line 3: no path",
        "line 4: no label",
        "line 5: 4 cells",
        "line 6: 'later'",
        "line 7: ./a.jpg as in line 2",
        "line 5: b, line 8: gone.jpg",
    ):
        assert found in message
    assert "put names that contain the separator between double quotes" in message


def test_many_missing_files_are_ten_and_a_count(tmp_path: Path) -> None:
    text = "path,label\n" + "".join(f"{n}.jpg,x\n" for n in range(25))
    message = table_error(table(tmp_path, text))
    assert "line 2: 0.jpg, " in message
    assert "line 11: 9.jpg and 15 more" in message


@pytest.mark.parametrize(
    ("text", "found"), [("", "an empty file"), ("file,class\na,b\n", "file,class"), ("\x89PNG\x00", "\\x89PNG\\x00")]
)
def test_without_columns(tmp_path: Path, text: str, found: str) -> None:
    message = table_error(table(tmp_path, text))
    assert "expected: a first line that names the columns path,label[,group][,split]" in message
    assert f"found: {found}\n" in message


def test_names_that_look_the_same_are_the_same_class() -> None:
    assert class_name("Ame\u0301lie") == class_name("Am\u00e9lie") == "Am\u00e9lie"


def test_rows_that_agree_are_taken_once_and_those_that_do_not_are_all_listed(tmp_path: Path) -> None:
    read = read_table(table(tmp_path, "path,label\na.jpg,x\nd.jpg,y\n./a.jpg,x\n"))
    assert [entry.path.name for entry in read.entries] == ["a.jpg", "d.jpg"]
    assert read.understood.repeated == ("./a.jpg",)
    message = table_error(table(tmp_path, "path,label\na.jpg,x\n" + "a.jpg,y\n" * 12))
    assert "expected: every file is named once, or each time alike" in message
    assert "found: lines 3-14: a.jpg as in line 2, there 'x', here 'y'\n" in message
    message = table_error(table(tmp_path, "path,label\na.jpg,x\nd.jpg,x\na.jpg,y\nd.jpg,z\n"))
    assert "line 4: a.jpg as in line 2, there 'x', here 'y', line 5: d.jpg as in line 3, there 'x', here 'z'" in message


def test_every_missing_label_is_listed(tmp_path: Path) -> None:
    message = table_error(table(tmp_path, "path,label\n" + "a.jpg,\n" * 12 + "d.jpg,x\n" + "a.jpg, \n"))
    assert "expected: every row has a label\n   found: lines 2-13, 15: no label\n" in message


def test_a_quote_that_is_not_closed_swallows_no_row(tmp_path: Path) -> None:
    message = table_error(table(tmp_path, 'path,label\na.jpg,"x\nd.jpg,y\n'))
    assert "expected: every cell ends on its line\n   found: line 3: x\\nd.jpg,y\n" in message


def test_names_that_look_alike_are_told(tmp_path: Path) -> None:
    read = read_table(table(tmp_path, "path,label\na.jpg,Cat\nd.jpg,cat\n"))
    assert (read.understood.twins, read.understood.merged) == ((("Cat", "cat"),), ())
    for name in ("cat", "dog", "dog ", "cafe\u0301", "caf\u00e9"):
        picture(tmp_path / "photos" / name / "1.png", 1)
    found = read_folders(tmp_path / "photos").understood
    assert (found.twins, found.merged) == ((("dog", "dog "),), ("café",))


def test_the_folders_in_which_nothing_is_written(tmp_path: Path) -> None:
    path = table(tmp_path, "path,label\na.jpg,x\nphotos/cat/1.jpg,x\nphotos/2.jpg,y\n/else/where/3.jpg,y\n")
    assert picture_folders(path) == (tmp_path / "photos", Path("/else/where"))
    assert picture_folders(tmp_path) == ()
