from __future__ import annotations

import os
import sys
import unicodedata
from pathlib import Path

import pytest

from headstart.errors import DataError
from headstart.files import write_csv
from headstart.images import tables
from headstart.images.located import located


def table(folder: Path, text: str, encoding: str = "utf-8", files: tuple[str, ...] = ()) -> tables.Table:
    for name in files:
        (folder / name).touch()
    (folder / "t.csv").write_bytes(text.encode(encoding))
    return tables.read(folder / "t.csv")


def file(read: tables.Table, row: tables.Row) -> Path:
    return located(read.folder, [(row.cells["path"],)]).paths[0]


@pytest.mark.parametrize(
    ("encoding", "name", "label"),
    [
        ("cp1252", "büro.png", "weiß"),
        ("cp1250", "Łódź.png", "Łoś"),
        ("cp1251", "Привет.png", "да"),
        ("iso8859_2", "ścierń.png", "Łoś"),
        ("koi8_r", "Привет.png", "да"),
        ("euc_jp", "画像.png", "犬"),
        ("mac_roman", "büro.png", "weiß"),
        ("cp850", "büro.png", "weiß"),
        ("cp932", "日本.png", "犬"),
        ("gb18030", "圆环.png", "猫"),
        ("utf-16-le", "büro.png", "weiß"),
        ("utf-16-be", "büro.png", "weiß"),
        ("utf-8", "büro.png", "weiß"),
    ],
)
def test_the_encoding_is_the_first_in_which_the_files_exist(
    tmp_path: Path, encoding: str, name: str, label: str
) -> None:
    read = table(tmp_path, f"path,label\n{name},{label}\nb.png,b\n", encoding, files=(name,))
    assert read.encoding == encoding
    assert [row.cells["label"] for row in read.rows] == [label, "b"]
    assert file(read, read.rows[0]) == tmp_path / name


def test_where_no_name_tells_the_first_encoding_is_taken(tmp_path: Path) -> None:
    read = table(tmp_path, "path,label\na.png,weiß\n", "cp1252", files=("a.png",))
    assert (read.encoding, read.rows[0].cells["label"], read.is_utf) == ("cp1252", "weiß", False)


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="their file systems hold only Unicode names")
def test_names_that_are_no_text_come_through_beside_labels_in_utf8(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9\xff.png")
    (tmp_path / name).touch()
    write_csv(tmp_path / "t.csv", ["path", "label"], [[name, "weiß"]])
    read = tables.read(tmp_path / "t.csv")
    assert read.encoding == "utf-8 and other bytes"
    assert read.rows[0].cells == {"path": name, "label": "weiß"}
    assert file(read, read.rows[0]).exists()


@pytest.mark.parametrize("first", ["sep=;\n", "SEP=;\r\n", '"sep=;"\n', "sep=,\n", "\n\n"])
def test_the_line_of_a_spreadsheet_is_passed_over(tmp_path: Path, first: str) -> None:
    read = table(tmp_path, f'{first}"path" ; "Label"; note \n"a;1.png" ; "b c"\n')
    assert (read.separator, read.header) == (";", ("path", "label", "note"))
    (row,) = read.rows
    assert row.cells == {"path": "a;1.png", "label": "b c"}
    assert row.line == 2 + first.count("\n")


@pytest.mark.parametrize(
    "name", ["nan", "NA", "None", "null", "=1+1", "@x", "-1", "+49", "' ", " x", "x ", "\ty", "'=z"]
)
def test_every_name_comes_back_as_it_was_written(tmp_path: Path, name: str) -> None:
    write_csv(tmp_path / "t.csv", ["path", "label"], [[name, name]])
    (row,) = tables.read(tmp_path / "t.csv").rows
    assert row.cells == {"path": name, "label": name}


def test_files_are_found_under_names_from_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    decomposed = unicodedata.normalize("NFD", "é.png")
    read = table(tmp_path, "path,label\nsub\\a.png,x\n.\\é.png,y\ngone.png,z\n", files=("sub/a.png", decomposed))
    assert [file(read, row) for row in read.rows][::2] == [tmp_path / "sub" / "a.png", tmp_path / "gone.png"]
    assert file(read, read.rows[1]).exists()


def test_columns_of_one_name_and_cells_without_end(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        table(tmp_path, 'path,label,Label\na,b,c\nd,e,"' + "x" * 140_000)
    assert str(caught.value) == (
        f"table {tmp_path / 't.csv'}: 2 problems\n"
        "expected: one column of each name\n"
        "   found: 2 × label\n"
        "   to do: rename or remove the columns that are not meant\n"
        "expected: cells that end where they began a quote\n"
        "   found: field larger than field limit (131072) after line 2\n"
        "   to do: close the quote, or save the table anew"
    )


def test_a_table_without_a_header_does_not_lose_its_first_row(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"(?s)a first line that names the columns path,label.*found: a\.png,cat"):
        table(tmp_path, "a.png,cat\nb.png,dog\nc.png,cat\nd.png,dog\n", files=("a.png", "b.png", "c.png", "d.png"))
    assert len(table(tmp_path, "id,animal\na.png,cat\nb.png,dog\nc.png,cat\nd.png,dog\n").rows) == 4


@pytest.mark.parametrize(("encoding", "header"), [("cp1250", "plik;ścieżka"), ("cp1251", "файл;класс")])
def test_a_header_that_is_known_in_no_encoding_is_told_by_the_files(tmp_path: Path, encoding: str, header: str) -> None:
    names = ["żó.png", "ł.png"] if encoding == "cp1250" else ["жук.png", "мак.png"]
    rows = "".join(f"{names[at % 2]};{'ab'[at // 2 % 2]}\n" for at in range(8))
    read = table(tmp_path, f"{header}\n{rows}", encoding, files=tuple(names))
    assert read.encoding == encoding
    assert read.columns.path == header.split(";")[0]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("header", ["画像,ラベル", "ścieżka,klasa", "path,label"])
def test_utf16_without_a_mark_whatever_the_letters(encoding: str, header: str) -> None:
    text = header + "\n" + "".join(f"画像{at}.png,犬\n" for at in range(9))
    assert tables.encoding_of(text.encode(encoding)) == encoding
    assert tables.encoding_of(text.encode()) == "utf-8"
    assert tables.encoding_of(text.encode() + b"\0" * 50) == "utf-8"
    assert tables.encoding_of(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0") == "utf-8"
