from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from headstart import pipeline
from headstart.deploy.model import Model
from headstart.deploy.reference import Reference
from headstart.errors import OptionError
from headstart.evaluation.held_out import read_held_out
from headstart.files import sha256
from headstart.options import FitOptions
from headstart.workflows.compare_runs import compare_runs
from headstart.workflows.states import CURRENT
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


def whole(folder: Path) -> str:
    """The state that the files of a run are of; fails where they are not all of one."""
    record = json.loads((folder / "run.json").read_text())
    metrics = json.loads((folder / "metrics.json").read_text())
    assert record["files"] == {name: sha256(folder / name) for name in record["files"]}
    assert {"metrics.json", "predictions.csv", "data.json", "report.html", "model/model.json"} <= set(record["files"])
    assert Model.load(folder).training["head"] == record["choice"]["candidate"]
    assert len(Reference.load(folder)) == 40
    assert (record["doubts"] is None) == (record["state"] != "all") == (not (folder / "review.csv").exists())
    assert f"{metrics['accuracy']['low']:.1%}".replace("%", "") in (folder / "report.html").read_text(encoding="utf-8")
    return str(record["state"])


def test_from_the_first_answer_on_the_directory_is_whole(photos: Path, tmp_path: Path) -> None:
    seen: list[str] = []

    def reached(run: Run) -> None:
        seen.append(run.state)
        assert (run.folder / CURRENT).is_symlink()
        assert whole(run.folder) == "first"  # nothing is left to win at 96 pixels: the other states are reasons alone

    options = FitOptions(sizes=(96, 128), finetune="auto")
    done = train(photos, tmp_path / "run", options, reached=reached)
    assert seen == ["first", "sizes", "finetuned"]
    assert whole(done.folder) == done.state == "all"
    assert not [path for path in done.folder.rglob("*") if path.is_symlink() or path.name.startswith(".state")]


def test_it_goes_as_far_as_is_asked_for(photos: Path, tmp_path: Path) -> None:
    for until in ("first", "sizes"):
        run = train(photos, tmp_path / until, FitOptions(sizes=(96, 128), finetune="always", until=until))
        assert whole(run.folder) == run.state == ("first" if until == "first" else "sizes")
        page = (run.folder / "report.html").read_text(encoding="utf-8")
        assert "The pictures have not been checked yet." in page


def test_an_interruption_keeps_what_was_reached(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    options = FitOptions(sizes=(96,), finetune="never")
    monkeypatch.setattr(pipeline, "doubt", interrupted)
    run = train(photos, tmp_path / "kept", options)
    assert (run.interrupted, run.state) == (True, "first")
    assert whole(run.folder) == "first"
    monkeypatch.setattr(pipeline, "first", interrupted)
    with pytest.raises(KeyboardInterrupt):  # there is nothing to keep yet
        train(photos, tmp_path / "nothing", options)
    assert not (tmp_path / "nothing").exists()


def test_a_model_that_was_loaded_in_between_still_answers_in_the_end(photos: Path, tmp_path: Path) -> None:
    """Batches too, for which the network is compiled when the files of that state are gone."""
    loaded: list[Model] = []
    options = FitOptions(sizes=(96,), finetune="never")
    run = train(photos, tmp_path / "run", options, reached=lambda run: loaded.append(Model.load(run.folder)))
    assert [model.training["head"] for model in loaded] == [str(run.fitted.choice.candidate)]
    paths = sorted(photos.rglob("*.jpeg"))
    expected = [prediction.proba for prediction in run.fitted.model.predict(paths)]
    for proba, prediction in zip(expected, loaded[0].predict(paths), strict=True):
        assert prediction.proba == pytest.approx(proba, abs=1e-5)


def test_a_budget_that_the_first_answer_does_not_fit_is_refused(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"--budget [0-9]+s, or more for a better answer") as caught:
        train(photos, tmp_path / "run", FitOptions(sizes=(96,), budget=0.05))
    assert "seconds or more, which the first answer takes" in str(caught.value)
    assert not (tmp_path / "run").exists()
