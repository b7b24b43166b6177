from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from headstart.deploy.model import Model
from headstart.errors import DataError, ModelError
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
    assert (left_out[0].path.name, left_out[0].reason) == ("bad.jpg", "text, not a picture: take it out of the folder")
    (document,) = done.to_dict()["left_out"]
    assert document == {"path": str(left_out[0].path), "reason": "text, not a picture: take it out of the folder"}
    assert abstention.measured_on == evaluation.measured_on
    assert abstention.curve.at[0].accuracy == evaluation.accuracy
    assert abstention.unfamiliar is not None
    assert abstention.covered is not None


def test_pictures_of_one_class_can_be_measured_on(run_folder: Path, tmp_path: Path) -> None:
    new = write_folder(tmp_path / "new", {"stripes": 4}, first_seed=500)
    done = evaluate(Model.load(run_folder), new)
    evaluation = done.measurement.evaluation
    assert (evaluation.n, len(evaluation.classes)) == (4, 2)


def test_an_unknown_class_is_named(run_folder: Path, tmp_path: Path) -> None:
    new = write_folder(tmp_path / "new", {"blobs": 2, "stripes": 2}, first_seed=500)
    with pytest.raises(DataError, match="expected: classes of the model: rings, stripes\n   found: blobs"):
        evaluate(Model.load(run_folder), new)


def test_pictures_of_the_training_are_told(run_folder: Path, photos: Path, tmp_path: Path) -> None:
    new = write_folder(tmp_path / "new", {"rings": 2, "stripes": 2}, first_seed=500)
    shutil.copy(photos / "rings" / "003.jpeg", new / "rings" / "seen.jpeg")
    for run in (run_folder, run_folder / "model"):
        done = evaluate(Model.load(run), new, run=run)
        assert done.known == (new / "rings" / "seen.jpeg",)
    assert done.to_dict()["known"] == [str(new / "rings" / "seen.jpeg")]
    assert done.alarms == (
        "Leak: the model was trained on 1 of these pictures, so what is measured looks better than it is.",
    )
    assert done.to_dict()["alarms"] == list(done.alarms)
    silent = evaluate(Model.load(run_folder), new)
    assert (silent.known, silent.alarms) == ((), ())


def test_a_model_that_counts_no_classes_is_said(run_folder: Path, tmp_path: Path) -> None:
    model = replace(Model.load(run_folder), training={})
    with pytest.raises(ModelError, match="expected: how many pictures each class had in training\n   found: training"):
        evaluate(model, tmp_path)


def test_which_split_was_used_is_said_where_there_are_others(run_folder: Path, tmp_path: Path) -> None:
    write_folder(tmp_path / "new" / "train", {"rings": 5, "stripes": 5}, first_seed=500)
    write_folder(tmp_path / "new" / "val", {"rings": 3, "stripes": 3}, first_seed=600)
    done = evaluate(Model.load(run_folder), tmp_path / "new")
    assert done.measurement.evaluation.measured_on == MeasuredOn(kind="pictures", n=6, source="new", split="val")
    assert done.to_dict()["measured_on"] == "6 pictures of new, the validation split alone"
    shutil.rmtree(tmp_path / "new" / "train")
    (tmp_path / "new" / "val").rename(tmp_path / "alone")
    assert evaluate(Model.load(run_folder), tmp_path / "alone").to_dict()["measured_on"] == "6 pictures of alone"
