from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from headstart.deploy.answers import row, write_csv
from headstart.deploy.artifact import Prediction

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
