from pathlib import Path

import pytest

from headstart.errors import DataError
from headstart.images.entries import Entry
from headstart.images.table import read_table


def table(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    for name in ("a.jpg", "b, c.jpg", "d.jpg"):
        (folder / name).write_bytes(b"x")
    path = folder / "table.csv"
    path.write_bytes(text.encode(encoding))
    return path


def error_of(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_table(path)
    return str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_dialects(tmp_path: Path, encoding: str, newline: str, delimiter: str) -> None:
    lines = [
        ["Path", " label ", "split", "note"],
        ["a.jpg", " 蜂 ", "TRAIN", ""],
        [],
        ['"b, c.jpg"', "x", "valid", "n"],
    ]
    text = newline.join(delimiter.join(cells) for cells in lines) + newline * 2
    assert read_table(table(tmp_path, text, encoding)) == [
        Entry(path=tmp_path / "a.jpg", label="蜂", split="train"),
        Entry(path=tmp_path / "b, c.jpg", label="x", split="val"),
    ]


def test_groups_and_absolute_paths(tmp_path: Path) -> None:
    entries = read_table(table(tmp_path, f"label,group,path\nx,7,{tmp_path / 'a.jpg'}\ny,,d.jpg\n"))
    assert [(entry.path, entry.group) for entry in entries] == [
        (tmp_path / "a.jpg", "7"),
        (tmp_path / "d.jpg", None),
    ]


def test_labels_are_normalised(tmp_path: Path) -> None:
    entries = read_table(table(tmp_path, "path,label\na.jpg,cafe\u0301\nd.jpg,caf\u00e9\n"))
    assert len({entry.label for entry in entries}) == 1


def test_every_bad_row_is_named_by_its_line(tmp_path: Path) -> None:
    text = "path,label,split\na.jpg,x,train\n,x,train\nd.jpg,,train\nb, c.jpg,x,train\nd.jpg,x,dev\n./a.jpg,y,test\n"
    message = error_of(table(tmp_path, text + "gone.jpg,x\n"))
    assert "6 problems" in message
    for found in (
        "line 3: no path",
        "line 4: no label",
        "line 5: 4 cells",
        "line 6: 'dev'",
        "line 7: ./a.jpg as in line 2",
        "line 5: b, line 8: gone.jpg",
    ):
        assert found in message
    assert "put names that contain the delimiter between double quotes" in message


def test_many_missing_files_are_ten_and_a_count(tmp_path: Path) -> None:
    text = "path,label\n" + "".join(f"{n}.jpg,x\n" for n in range(25))
    message = error_of(table(tmp_path, text))
    assert "line 2: 0.jpg, " in message
    assert "line 11: 9.jpg and 15 more" in message


@pytest.mark.parametrize(
    ("text", "found"), [("", "an empty file"), ("file,class\na,b\n", "file,class"), ("\x89PNG\x00", "\\x89PNG\\x00")]
)
def test_without_columns(tmp_path: Path, text: str, found: str) -> None:
    message = error_of(table(tmp_path, text))
    assert "expected: a first line that names the columns path,label[,group][,split]" in message
    assert f"found: {found}\n" in message
