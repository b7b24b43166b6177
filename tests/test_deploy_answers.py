from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from headstart.deploy.answers import Judged, read_judged, row, write_csv, write_judged
from headstart.deploy.artifact import Prediction
from headstart.errors import DataError

CLASSES = ("ants", "bees", "flies")
GOOD = Prediction(path=Path("a, b.jpg"), proba=np.array([0.2, 0.7, 0.1]))
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
        "reason": "empty file",
    }


def test_the_table_has_a_line_per_prediction_and_a_column_per_class(tmp_path: Path) -> None:
    write_csv(tmp_path / "answers.csv", [BAD, GOOD], CLASSES)
    with (tmp_path / "answers.csv").open(newline="", encoding="utf-8") as file:
        bad, good = csv.DictReader(file)
    assert (bad["label"], bad["reason"], bad["ants"]) == ("", "empty file", "")
    assert (good["path"], good["label"], good["bees"]) == ("a, b.jpg", "bees", "0.700000")
    assert [path.name for path in tmp_path.iterdir()] == ["answers.csv"]


def test_judged_answers_come_back_as_they_were(tmp_path: Path) -> None:
    judged = Judged(
        classes=CLASSES,
        names=("a, b.jpg", "c.jpg"),
        digests=("00ff", "11ee"),
        labels=("bees", "ants"),
        proba=np.array([[0.2, 0.7, 0.1], [1 / 3, 1 / 3 + 1e-12, 1 / 3 - 1e-12]]),
    )
    assert judged.correct.tolist() == [True, False]
    write_judged(tmp_path / "predictions.csv", judged)
    again = read_judged(tmp_path / "predictions.csv")
    np.testing.assert_array_equal(again.proba, judged.proba)
    assert (again.classes, again.names, again.digests, again.labels) == (
        judged.classes, judged.names, judged.digests, judged.labels,
    )  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == ["predictions.csv"]


@pytest.mark.parametrize("content", ["", "path,label,probability\na,b,0.5\n", "path,label,predicted,sha256,x\n"])
def test_another_table_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "predictions.csv").write_text(content)
    with pytest.raises(DataError, match="expected: a table of path, label, predicted, sha256"):
        read_judged(tmp_path / "predictions.csv")
    with pytest.raises(DataError, match="earlier versions did not keep the answers"):
        read_judged(tmp_path / "nowhere.csv")
