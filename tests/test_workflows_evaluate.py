from __future__ import annotations

from pathlib import Path

import pytest

from headstart.deploy.model import Model
from headstart.deploy.reference import remembered_digests
from headstart.errors import DataError
from headstart.evaluation.measured_on import MeasuredOn
from headstart.workflows.evaluate import evaluate
from pictures import write_folder


def test_a_model_is_measured_on_other_pictures(run_folder: Path, tmp_path: Path) -> None:
    new = write_folder(tmp_path / "new", {"rings": 3, "stripes": 6}, first_seed=500)
    (new / "rings" / "bad.jpg").write_bytes(b"no picture")
    done = evaluate(Model.load(run_folder), new)
    evaluation, abstention, left_out = done.measurement.evaluation, done.measurement.abstention, done.left_out
    assert evaluation.n == 9
    assert evaluation.accuracy.value > 0.8
    assert evaluation.measured_on == MeasuredOn(kind="pictures", n=9, source="new")
    assert len(left_out) == 1
    assert (left_out[0].path.name, left_out[0].reason) == ("bad.jpg", "not a picture")
    (document,) = done.to_dict()["left_out"]
    assert document == {"path": str(left_out[0].path), "reason": "not a picture"}
    assert abstention.measured_on == evaluation.measured_on
    assert abstention.curve.at[0].accuracy == evaluation.accuracy
    assert abstention.unfamiliar is not None
    assert abstention.covered is not None


def test_pictures_that_the_model_was_trained_on_are_said(run_folder: Path, photos: Path, tmp_path: Path) -> None:
    new = write_folder(tmp_path / "new", {"rings": 4, "stripes": 4}, first_seed=500)
    model, digests = Model.load(run_folder), remembered_digests(run_folder)
    assert len(digests) == 40
    assert evaluate(model, new, trained_on=digests).alarms == ()
    (new / "rings" / "again.jpeg").write_bytes((photos / "rings" / "003.jpeg").read_bytes())
    done = evaluate(model, new, trained_on=digests)
    assert done.alarms == (
        "Leak: the model was trained on 1 of these pictures, so what is measured looks better than it is.",
    )
    assert done.to_dict()["alarms"] == list(done.alarms)
    assert remembered_digests(tmp_path) == frozenset()


def test_pictures_of_one_class_can_be_measured_on(run_folder: Path, tmp_path: Path) -> None:
    new = write_folder(tmp_path / "new", {"stripes": 4}, first_seed=500)
    done = evaluate(Model.load(run_folder), new)
    evaluation = done.measurement.evaluation
    assert (evaluation.n, len(evaluation.classes)) == (4, 2)


def test_an_unknown_class_is_named(run_folder: Path, tmp_path: Path) -> None:
    new = write_folder(tmp_path / "new", {"blobs": 2, "stripes": 2}, first_seed=500)
    with pytest.raises(DataError, match="expected: classes of the model: rings, stripes\n   found: blobs"):
        evaluate(Model.load(run_folder), new)
