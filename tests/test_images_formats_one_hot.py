from __future__ import annotations

from pathlib import Path

import pytest

import insisting
from headstart.errors import DataError
from headstart.images.formats.reading import labels_of


@pytest.mark.parametrize(("layout", "format"), [("roboflow", "one-hot")])
def test_a_format_that_is_insisted_on_is_read_or_refused(layout: str, format: str, tmp_path: Path) -> None:
    insisting.require_same_set(layout, format, tmp_path / "one")
    insisting.require_refusal(format, tmp_path / "other")


def test_a_spreadsheet_in_utf16_and_a_quote_without_end(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).touch()
    marks = "filename,cat,dög\n" + "a.png,1,0\nb.png,0,1\n"
    (tmp_path / "_classes.csv").write_text(marks, encoding="utf-16")
    assert [entry.label for entry in labels_of(tmp_path / "_classes.csv").entries] == ["cat", "dög"]
    (tmp_path / "_classes.csv").write_text(marks + "a.png,1,0\n" * 30 + '"' + "x" * 200_000, encoding="utf-8")
    with pytest.raises(DataError, match=r"(?s)field larger.* at line \d+.*to do: close the quote"):
        labels_of(tmp_path / "_classes.csv")


def test_two_columns_of_one_class_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    (tmp_path / "_classes.csv").write_text("filename,cat,dog,cat \na.png,1,0,0\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"(?s)a name of its own for each class.*found: twice: cat\n"):
        labels_of(tmp_path / "_classes.csv")
