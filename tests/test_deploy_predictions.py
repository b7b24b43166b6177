from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from headstart.deploy.model import Prediction
from headstart.deploy.predictions import (
    COLUMNS,
    import_pyarrow,
    is_parquet_of_ours,
    row,
    with_proba,
    write_csv,
    write_parquet,
)
from headstart.errors import MissingPackageError

CLASSES = ("ants", "bees", "flies")
GOOD = Prediction(path=Path("a, b.jpg"), proba=np.array([0.2, 0.7, 0.1]))
DOUBTFUL = Prediction(
    path=Path("c.jpg"),
    proba=np.array([0.45, 0.5, 0.05]),
    unsure=True,
    unfamiliar=False,
    novelty=0.75,
    prediction_set=("bees", "ants"),
    answer="ask, please",
)
BAD = Prediction(path=Path("bad.jpg"), proba=None, reason="empty file")


def test_a_row_names_the_best_classes_in_order() -> None:
    answer = row(GOOD, CLASSES, top=2)
    assert (answer["label"], answer["probability"]) == ("bees", 0.7)
    assert answer["top"] == [("bees", 0.7), ("ants", 0.2)]


def test_an_unreadable_picture_has_a_row_with_the_reason() -> None:
    assert row(BAD, CLASSES) == {
        "path": "bad.jpg",
        "label": None,
        "probability": None,
        "top": [],
        "prediction_set": None,
        "unsure": None,
        "unfamiliar": None,
        "novelty": None,
        "answer": None,
        "reason": "empty file",
    }


def test_a_picture_that_was_no_file_has_no_path(tmp_path: Path) -> None:
    answer = Prediction(position=2, proba=np.array([0.2, 0.7, 0.1]))
    assert row(answer, CLASSES)["path"] is None
    write_csv(tmp_path / "answers.csv", [with_proba(answer, CLASSES)], CLASSES)
    with (tmp_path / "answers.csv").open(newline="", encoding="utf-8") as file:
        assert [line["path"] for line in csv.DictReader(file)] == [""]


def test_a_row_holds_what_is_doubtful_in_plain_json_types() -> None:
    answer = row(DOUBTFUL, CLASSES)
    assert json.loads(json.dumps(answer)) == {
        "path": "c.jpg",
        "label": "bees",
        "probability": 0.5,
        "top": [["bees", 0.5]],
        "prediction_set": ["bees", "ants"],
        "unsure": True,
        "unfamiliar": False,
        "novelty": 0.75,
        "answer": "ask, please",
        "reason": "",
    }


def test_the_table_has_a_line_per_prediction_and_a_column_per_class(tmp_path: Path) -> None:
    write_csv(tmp_path / "answers.csv", [with_proba(one, CLASSES) for one in (BAD, GOOD, DOUBTFUL)], CLASSES)
    with (tmp_path / "answers.csv").open(newline="", encoding="utf-8") as file:
        bad, good, doubtful = csv.DictReader(file)
    assert (bad["label"], bad["reason"], bad["ants"]) == ("", "empty file", "")
    assert (good["path"], good["label"], good["bees"]) == ("a, b.jpg", "bees", "0.700000")
    assert (good["unsure"], good["novelty"], good["prediction_set"], good["answer"]) == ("", "", "", "")
    assert (doubtful["unsure"], doubtful["unfamiliar"], doubtful["novelty"]) == ("yes", "no", "0.750000")
    assert (json.loads(doubtful["prediction_set"]), doubtful["answer"]) == (["bees", "ants"], "ask, please")
    assert [path.name for path in tmp_path.iterdir()] == ["answers.csv"]


def test_a_table_in_parquet_has_numbers_lists_and_nulls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    monkeypatch.setattr("headstart.deploy.predictions.ROW_GROUP", 2)
    table = tmp_path / "answers.parquet"
    write_parquet(table, (with_proba(one, CLASSES) for one in (BAD, GOOD, DOUBTFUL)), CLASSES)
    assert is_parquet_of_ours(table)
    read = pq.read_table(table)
    assert read.column_names == [*COLUMNS, *CLASSES]
    bad, good, doubtful = read.to_pylist()
    assert (bad["label"], bad["reason"], bad["ants"], bad["unsure"]) == (None, "empty file", None, None)
    assert (good["path"], good["probability"], good["flies"]) == ("a, b.jpg", 0.7, 0.1)
    assert (doubtful["prediction_set"], doubtful["unsure"], doubtful["novelty"]) == (["bees", "ants"], True, 0.75)
    assert pq.ParquetFile(table).num_row_groups == 2
    table.write_bytes(b"PAR1 and nothing else")
    assert not is_parquet_of_ours(table)


def test_parquet_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingPackageError, match=r'pip install "headstart\[parquet\]"'):
        import_pyarrow()
