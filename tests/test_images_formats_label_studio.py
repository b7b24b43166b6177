from __future__ import annotations

import json
from pathlib import Path

import pytest

import insisting
from headstart.errors import DataError
from headstart.images.formats.reading import labels_of


@pytest.mark.parametrize(("layout", "format"), [("label_studio", "label-studio"), ("label_studio_min", "label-studio")])
def test_a_format_that_is_insisted_on_is_read_or_refused(layout: str, format: str, tmp_path: Path) -> None:
    insisting.require_same_set(layout, format, tmp_path / "one")
    insisting.require_refusal(format, tmp_path / "other")


def test_a_row_of_csv_may_have_more_or_fewer_cells_than_the_header(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).touch()
    rows = "image,choice,annotation_id,annotator\na.png,cat,1,1,more,and more\nb.png,dog\n"
    (tmp_path / "export.csv").write_text(rows, encoding="utf-8")
    assert [entry.label for entry in labels_of(tmp_path / "export.csv").entries] == ["cat", "dog"]


def test_an_export_with_values_of_other_kinds_is_refused_in_words(tmp_path: Path) -> None:
    tasks = [
        {"data": {"image": "http://[bad"}, "annotations": [{"result": 5}, 7]},
        {"data": {"image": "a.png"}, "annotations": 5},
    ]
    (tmp_path / "export.json").write_text(json.dumps(tasks), encoding="utf-8")
    with pytest.raises(DataError, match="answers to a question with choices"):
        labels_of(tmp_path / "export.json")
