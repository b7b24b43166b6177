from __future__ import annotations

import sys
from pathlib import Path

import pytest

from headstart.errors import DataError
from headstart.images import tables
from headstart.images.formats.reading import labels_of
from headstart.images.formats.unlabelled import pictures_of
from headstart.images.labelled import Entry


def table(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    for name in ("a.jpg", "b, c.jpg", "d.jpg"):
        (folder / name).write_bytes(b"x")
    path = folder / "table.csv"
    path.write_bytes(text.encode(encoding))
    return path


def table_error(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        labels_of(path)
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
    read = labels_of(table(tmp_path, text, encoding))
    assert read.entries == (
        Entry(path=tmp_path / "a.jpg", label="蜂", split="train"),
        Entry(path=tmp_path / "b, c.jpg", label="x", split="val"),
    )
    assert (read.understood.encoding, read.understood.separator) == (encoding, delimiter)
    assert read.understood.splits == (("TRAIN", "train"), ("valid", "val"))


def test_groups_and_absolute_paths(tmp_path: Path) -> None:
    entries = labels_of(table(tmp_path, f"label,group,path\nx,7,{tmp_path / 'a.jpg'}\ny,,d.jpg\n")).entries
    assert [(entry.path, entry.group) for entry in entries] == [
        (tmp_path / "a.jpg", "7"),
        (tmp_path / "d.jpg", None),
    ]


def test_labels_are_normalised(tmp_path: Path) -> None:
    entries = labels_of(table(tmp_path, "path,label\na.jpg,cafe\u0301\nd.jpg,caf\u00e9\n")).entries
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


@pytest.mark.parametrize(("text", "found"), [("picture of,what\na,b\n", "picture of,what"), ("", "an empty file")])
def test_without_columns(tmp_path: Path, text: str, found: str) -> None:
    message = table_error(table(tmp_path, text))
    assert "expected: a first line that names the columns path,label[,group][,split]" in message
    assert f"found: {found}\n" in message


def test_rows_that_agree_are_taken_once_and_those_that_do_not_are_all_listed(tmp_path: Path) -> None:
    read = labels_of(table(tmp_path, "path,label\na.jpg,x\nd.jpg,y\n./a.jpg,x\n"))
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
    read = labels_of(table(tmp_path, "path,label\na.jpg,Cat\nd.jpg,cat\n"))
    assert (read.understood.twins, read.understood.merged) == ((("Cat", "cat"),), ())


@pytest.mark.skipif(sys.platform == "win32", reason="its file systems have no line ends in names")
def test_a_line_end_in_the_name_of_a_file_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "e\nf.jpg").write_bytes(b"x")
    path = table(tmp_path, 'path,label\n"e\nf.jpg",x\n"g\nh.jpg",y\n')
    assert r"found: line 5: g\nh.jpg" in table_error(path)
    path = table(tmp_path, 'path,label\n"e\nf.jpg",x\na.jpg,y\n')
    assert labels_of(path).entries[0].path == tmp_path / "e\nf.jpg"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("is_list", [False, True])
def test_json_in_any_encoding_of_unicode(tmp_path: Path, encoding: str, is_list: bool) -> None:
    lines = [f'{{"path": "{name}", "label": "weiß\u2028{name}"}}' for name in ("a.jpg", "d.jpg")]
    path = table(tmp_path, f"[{','.join(lines)}]" if is_list else "\r\n".join(lines), encoding)
    assert [entry.path.name for entry in labels_of(path).entries] == ["a.jpg", "d.jpg"]


@pytest.mark.parametrize("is_list", [False, True])
def test_json_in_another_encoding_is_refused(tmp_path: Path, is_list: bool) -> None:
    lines = [f'{{"path": "{name}", "label": "weiß{name}"}}' for name in ("a.jpg", "d.jpg")]
    path = table(tmp_path, f"[{','.join(lines)}]" if is_list else "\n".join(lines), "cp1252")
    said = table_error(path)
    assert "1 problem" in said
    assert "is no UTF-8" in said


def test_a_record_that_is_none_is_one_problem(tmp_path: Path) -> None:
    said = table_error(table(tmp_path, '{"path": "a.jpg", "label": "x"}\n{"path": "d.jpg", "label": "y"}\n{"path": "d'))
    assert "1 problem" in said
    assert 'found: record 3: {"path": "d' in said


def test_a_table_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = table(tmp_path, "path,label\na.jpg,x\nd.jpg,y\n")
    read: list[Path] = []
    whole = tables.read
    monkeypatch.setattr(tables, "read", lambda file, **named: read.append(file) or whole(file, **named))
    assert len(labels_of(path).entries) == 2
    assert read == [path]
    assert len(labels_of(tmp_path).entries) == 2
    assert read == [path] * 2
    assert len(pictures_of([str(path)]).files) == 2
    assert read == [path] * 3


def test_a_table_in_which_nothing_is_found_says_so_as_it_was_recognised(tmp_path: Path) -> None:
    assert "expected: a first line that names the columns" in table_error(table(tmp_path, "one,two\nthree,four\n"))
    assert "expected: one column of each name" in table_error(table(tmp_path, "path,label,label\na.jpg,x,y\n"))


@pytest.mark.parametrize(("odd", "shown"), [('"1"', r'"1"'), ("true", "true"), ('["1"]', r'["1"]')])
def test_classes_of_several_kinds_are_refused_as_scikit_learn_does(tmp_path: Path, odd: str, shown: str) -> None:
    rows = [("a.jpg", "1"), ("d.jpg", "2"), ("a.jpg", odd)]
    said = table_error(table(tmp_path, "\n".join(f'{{"path": "{name}", "label": {label}}}' for name, label in rows)))
    assert f"all of them numbers, or true and false\n   found: record 3: {shown}\n" in said


def test_whole_numbers_and_others_are_one_kind_and_twins_are_told(tmp_path: Path) -> None:
    lines = '{"path": "a.jpg", "label": 1}\n{"path": "d.jpg", "label": 1.0}'
    assert labels_of(table(tmp_path, lines)).understood.twins == (("1", "1.0"),)


def test_a_value_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    lines = [f'{{"path": "{name}", "label": "x", "Label": "y"}}' for name in ("a.jpg", "d.jpg")]
    assert "names that differ in case alone\n   found: record 1: a.jpg: label" in table_error(
        table(tmp_path, "\n".join(lines))
    )
