from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from headstart.errors import OptionError
from headstart.evaluation.held_out import read_held_out
from headstart.options import FitOptions
from headstart.workflows.compare_runs import compare_runs
from headstart.workflows.train import Run, train


@pytest.fixture(scope="module")
def run(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(photos, tmp_path_factory.mktemp("runs") / "photos", FitOptions(sizes=(224,)))


def test_a_run_holds_model_metrics_record_and_report(run: Run) -> None:
    assert {path.name for path in run.folder.iterdir()} == {
        ".headstart", "model", "training", "metrics.json", "predictions.csv", "data.json", "review.csv", "run.json",
        "report.html",
    }  # fmt: skip
    answers = read_held_out(run.folder / "predictions.csv")
    assert answers.correct.mean() == pytest.approx(run.fitted.evaluations[0].evaluation.accuracy.value)
    assert compare_runs([run.folder, shutil.copytree(run.folder, run.folder.parent / "twin")]).measured_on.folds
    metrics = json.loads((run.folder / "metrics.json").read_text())
    assert set(metrics["accuracy"]) >= {"value", "low", "high", "n", "measured_on"}
    assert metrics["accuracy"]["value"] == run.fitted.evaluations[0].evaluation.accuracy.value
    record = json.loads((run.folder / "run.json").read_text())
    assert {"command", "options", "versions", "data", "backbone", "runtime", "choice", "seconds"} <= set(record)
    assert record["data"]["class_counts"] == {"rings": 20, "stripes": 20}
    assert metrics["abstention"]["risk_coverage"]["at"][0]["accuracy"]["value"] == metrics["accuracy"]["value"]
    assert record["options"]["sizes"] == [224]


def test_the_report_says_what_the_metrics_say(run: Run) -> None:
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert "-fold cross-validation" in page
    assert f"{run.fitted.evaluations[0].evaluation.accuracy.low:.1%}".replace("%", "") in page
    assert "When it should not answer" in page
    assert page.count("data:image/jpeg;base64,") >= 9
    assert "Nine augmented views" not in page  # no network was trained on augmented views
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", page)


def test_the_recorded_command_repeats_the_run(run: Run, photos: Path) -> None:
    command = json.loads((run.folder / "run.json").read_text())["command"]
    assert command == f"headstart train {photos} -o {run.folder} --size 224"


def test_a_second_run_gives_the_same_bytes(run: Run, photos: Path, tmp_path: Path) -> None:
    again = train(photos, tmp_path / "again", FitOptions(sizes=(224,)))
    for name in ("metrics.json", "model/head.safetensors", "model/model.json"):
        assert (again.folder / name).read_bytes() == (run.folder / name).read_bytes()


def test_the_run_is_never_written_among_the_pictures(photos: Path) -> None:
    before = sorted(photos.rglob("*"))
    with pytest.raises(OptionError, match="expected: a folder outside the pictures"):
        train(photos, photos / "run", FitOptions())
    assert sorted(photos.rglob("*")) == before


def test_a_folder_of_something_else_is_not_written_to(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("years of work")
    with pytest.raises(OptionError, match="expected: a new folder, or one of an earlier run"):
        train(photos, tmp_path, FitOptions())
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
