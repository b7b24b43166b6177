from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from headstart.errors import DataError
from headstart.evaluation.held_out import AnsweredPart, HeldOut, read_held_out, write_held_out
from headstart.evaluation.measured_on import MeasuredOn
from headstart.images.folder import scan
from pictures import write_folder

CLASSES = ("ants", "=bees", "-1")


def test_judged_answers_come_back_as_they_were(tmp_path: Path) -> None:
    held_out = HeldOut(
        classes=CLASSES,
        names=("a, b.jpg", "@c.jpg"),
        digests=("00ff", "11ee"),
        labels=("=bees", "ants"),
        proba=np.array([[0.2, 0.7, 0.1], [1 / 3, 1 / 3 + 1e-12, 1 / 3 - 1e-12]]),
    )
    assert held_out.correct.tolist() == [True, False]
    write_held_out(tmp_path / "predictions.csv", held_out)
    again = read_held_out(tmp_path / "predictions.csv")
    np.testing.assert_array_equal(again.proba, held_out.proba)
    assert (again.classes, again.names, again.digests, again.labels) == (
        held_out.classes, held_out.names, held_out.digests, held_out.labels,
    )  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == ["predictions.csv"]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "path,label,probability\na,b,0.5\n",
        "path,label,predicted,sha256,x\n",
        "path,label,predicted,sha256,x\na,y,x,00ff,1.0\n",
    ],
)
def test_another_table_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "predictions.csv").write_text(content)
    with pytest.raises(DataError, match="expected: a table of path, label, predicted, sha256"):
        read_held_out(tmp_path / "predictions.csv")
    with pytest.raises(DataError, match="earlier versions did not keep the answers"):
        read_held_out(tmp_path / "nowhere.csv")


def test_answers_are_measured_against_the_majority_of_training(tmp_path: Path) -> None:
    write_folder(tmp_path / "train", {"rings": 4, "stripes": 6}, side=32)
    write_folder(tmp_path / "val", {"rings": 3, "stripes": 1}, side=32, first_seed=50)
    images = scan(tmp_path)
    index = np.flatnonzero(images.split == "val")
    proba = np.tile([0.8, 0.2], (4, 1))
    held_out = HeldOut.of(images, index, proba)
    assert held_out.names[0].startswith("val")
    assert sorted(held_out.labels) == ["rings", "rings", "rings", "stripes"]
    measured_on = MeasuredOn(kind="split", split="val")
    evaluation = AnsweredPart(index=index, proba=proba, measured_on=measured_on).evaluation(
        images, images.train_counts, seed=0
    )
    assert evaluation.accuracy.value == held_out.correct.mean() == 0.75
    assert evaluation.majority_baseline.value == 0.25  # stripes are more frequent in training
