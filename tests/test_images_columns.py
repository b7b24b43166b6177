from __future__ import annotations

import pytest

from headstart.errors import DataError
from headstart.images.columns import Columns, chosen, split_in


def found(header: str, *rows: str, files: str = "", path: str = "", label: str = "") -> Columns | None:
    names = header.split(",")
    cells = [dict(zip(names, row.split(","), strict=True)) for row in rows]
    there = set(files.split())
    return chosen(names, cells, lambda given: sum(name in there for name in given), path=path, label=label)


def test_names_tell_then_cells() -> None:
    assert found("path,label", "a,x") == Columns(path="path", label="label")
    assert found("id,breed,subset", "a,x,train", "b,y,Test") == Columns(path="id", label="breed", split="subset")
    told = found("no,what,where,group", "1,x,a,g", "2,x,b,g", "3,y,c,g", "4,y,d,g", files="a b c d")
    assert told == Columns(path="where", label="what", group="group")
    assert found("a,b", "1,2") is None
    assert found("id,breed", "a,x", path="file") is None


def test_numbers_of_classes_beside_their_names_are_no_second_reading() -> None:
    rows = ("a,0,cat", "b,1,dog", "c,0,cat")
    assert found("file,class,category", *rows) == Columns(path="file", label="category")
    with pytest.raises(DataError, match="class, category, which may all be meant"):
        found("file,class,category", *rows, "d,0,dog")
    assert found("file,class,category", *rows, "d,0,dog", label="Class") == Columns(path="file", label="class")


def test_a_column_of_yes_and_no_tells_the_split() -> None:
    told = Columns(path="name", label="label", split="is_valid")
    assert found("name,label,is_valid", "a,x,True", "b,y,False") == told
    assert found("name,label,is_valid", "a,x,True", "b,y,True") == Columns(path="name", label="label")
    assert [split_in("is_valid", cell) for cell in ("True", "0", "?")] == ["val", "train", "?"]
    assert [split_in("Is Train", cell) for cell in ("yes", "no")] == ["train", "test"]
    assert split_in("split", "1") == "1"
