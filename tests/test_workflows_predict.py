from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from headstart.deploy.answer_log import AnswerLog
from headstart.deploy.model import Model
from headstart.errors import OptionError
from headstart.features.extract import Misses, here
from headstart.images.formats.reading import labels_of
from headstart.workflows import predict as workflow
from headstart.workflows.predict import PredictOptions, check_table, predict, predict_to_file


@pytest.fixture(scope="module")
def model(run_folder: Path) -> Model:
    return Model.load(run_folder)


def test_inputs_are_answered_in_order_and_written(model: Model, photos: Path, tmp_path: Path) -> None:
    rings, stripes = photos / "rings" / "000.jpeg", photos / "stripes" / "000.jpeg"
    done = predict(model, [stripes, tmp_path / "gone.png", str(rings)], PredictOptions(top=2, coverage=0.8))
    document = json.loads(json.dumps(done.to_dict()))
    assert (document["classes"], document["coverage"]) == (["rings", "stripes"], 0.8)
    assert [row["label"] for row in document["predictions"]] == ["stripes", None, "rings"]
    assert [len(row["top"]) for row in document["predictions"]] == [2, 0, 2]
    assert not done.tally.complete
    done.write(tmp_path / "answers.csv")
    with (tmp_path / "answers.csv").open(newline="", encoding="utf-8") as file:
        assert [row["label"] for row in csv.DictReader(file)] == ["stripes", "", "rings"]


def test_a_folder_is_answered_as_a_whole(model: Model, photos: Path) -> None:
    done = predict(model, [photos / "rings"], PredictOptions())
    assert done.tally.complete
    assert len(done.predictions) == len(done.rows) == len(list((photos / "rings").iterdir()))
    assert not predict(model, [], PredictOptions()).tally.complete


def test_an_archive_and_a_table_are_answered_as_the_files_under_their_own_names(
    model: Model, photos: Path, tmp_path: Path
) -> None:
    files = [f"rings/{number:03}.jpeg" for number in range(5)] + ["stripes/000.jpeg"]
    for name in files:
        (tmp_path / "new" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(photos / name, tmp_path / "new" / name)
    archive = shutil.make_archive(str(tmp_path / "new"), "zip", tmp_path / "new")
    table = tmp_path / "new" / "table.csv"
    table.write_text("\n".join(["file;note", *(f"{name};x" for name in reversed(files))]), encoding="utf-8")
    for source, names in ((archive, files), (table, files[::-1])):
        done = predict(model, [source], PredictOptions())
        as_files = predict(model, [photos / name for name in names], PredictOptions())
        assert [*done.rows] == [row | {"path": name} for row, name in zip(as_files.rows, names, strict=True)]
        predict_to_file(model, [source], tmp_path / "answers.csv", PredictOptions())
        done.write(tmp_path / "at once.csv")
        assert (tmp_path / "answers.csv").read_bytes() == (tmp_path / "at once.csv").read_bytes()
        with (tmp_path / "answers.csv").open(newline="", encoding="utf-8") as file:
            assert [row["path"] for row in csv.DictReader(file)] == names


def test_costs_decide_and_must_fit(model: Model, photos: Path, tmp_path: Path) -> None:
    costs = tmp_path / "costs.csv"
    costs.write_text("truth,rings,ask\nrings,0,1\nstripes,1000000,1\n")
    (row,) = predict(model, [photos / "rings" / "000.jpeg"], PredictOptions(costs=costs)).rows
    assert row["answer"] in ("rings", "ask")
    assert predict(model, [photos / "rings" / "000.jpeg"], PredictOptions()).rows[0]["answer"] is None
    costs.write_text("truth,rings,ask\nrings,0,1\n")
    with pytest.raises(OptionError, match="none for stripes"):
        predict(model, [], PredictOptions(costs=costs))


def test_a_table_is_written_as_answers_come_and_goes_on_where_it_was_cut_off(
    model: Model, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workflow, "TOGETHER", 7)
    monkeypatch.setattr(workflow, "ANSWERED_TOGETHER", 3)
    paths = [*sorted(photos.glob("*/*"))[:20], tmp_path / "gone.png"]
    whole, cut = tmp_path / "whole.csv", tmp_path / "cut.csv"
    tally = predict_to_file(model, paths, whole, PredictOptions())
    assert (tally.pictures, tally.unread, tally.complete) == (21, 1, False)
    done = predict(model, paths, PredictOptions())
    done.write(tmp_path / "at once.csv")
    assert whole.read_bytes() == (tmp_path / "at once.csv").read_bytes()
    assert done.tally == tally

    asked: list[int] = []
    answers = Model.answers

    def counted(self: Model, pictures: Sequence[str], **options: Any) -> Iterator[Any]:
        for number, one in enumerate(answers(self, pictures, **options)):
            asked.append(number)
            if len(asked) == 11:
                raise KeyboardInterrupt
            yield one

    monkeypatch.setattr(Model, "answers", counted)
    with pytest.raises(KeyboardInterrupt):
        predict_to_file(model, paths, cut, PredictOptions())
    (log,) = tmp_path.glob(".cut.csv.*")
    assert not cut.exists()
    assert len(log.read_bytes().splitlines()) == 1 + 10
    log.write_bytes(log.read_bytes()[:-5])  # as if it had been killed while it wrote
    asked.clear()
    asked += range(100)
    assert predict_to_file(model, paths, cut, PredictOptions()) == tally
    assert len(asked) == 100 + 21 - 9
    assert cut.read_bytes() == whole.read_bytes()
    assert not [*tmp_path.glob(".*")]


def test_as_many_are_answered_together_as_workers_need_and_the_table_is_the_same(
    model: Model, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workflow, "TOGETHER", 7)
    monkeypatch.setattr(workflow, "MOST_TOGETHER", 18)
    paths = sorted(photos.glob("*/*"))[:20]
    predict(model, paths, PredictOptions()).write(tmp_path / "at once.csv")
    asked: list[tuple[int, bool]] = []
    for enough, expected in ((0, [7, 7, 6]), (9, [9, 9, 2]), (10**6, [18, 2])):

        def engine(misses: Misses) -> Iterator[Any]:
            asked.append((len(misses.sources), misses.space is model.space))
            return here(misses)

        engine.enough = lambda space, enough=enough: enough  # type: ignore[attr-defined]
        monkeypatch.setattr(workflow, "connected", lambda name, engine=engine: nullcontext(engine))
        asked.clear()
        predict_to_file(model, paths, tmp_path / "table.csv", PredictOptions(), engine="ray")
        assert asked == [(count, True) for count in expected]  # the last few by the network of batches too
        assert (tmp_path / "table.csv").read_bytes() == (tmp_path / "at once.csv").read_bytes()


def test_answers_of_another_model_or_other_pictures_are_not_gone_on_from(
    model: Model, photos: Path, tmp_path: Path
) -> None:
    paths = sorted(photos.glob("*/*"))[:4]
    other = replace(model, head=replace(model.head, temperature=9.0))
    assert len({model.fingerprint(), replace(model).fingerprint(), other.fingerprint()}) == 2
    for asked, options in (
        (paths, PredictOptions()),
        (paths[:3], PredictOptions()),
        (paths, PredictOptions(coverage=0.8)),
    ):
        with AnswerLog.beside(tmp_path / "a.csv", "another key") as log:
            log.write([{"path": "not these"}])
            content = log.path.read_bytes()
        (tmp_path / ".a.csv.answers").write_bytes(content)
        predict_to_file(model, asked, tmp_path / "a.csv", options)
        with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as file:
            assert [row["path"] for row in csv.DictReader(file)] == [str(path) for path in asked]


def test_a_table_of_something_else_is_not_written_over(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    for name in ("mine.csv", "mine.parquet"):
        (tmp_path / name).write_text("mine")
        with pytest.raises(OptionError, match="something else"):
            check_table(tmp_path / name, "--out")
    check_table(tmp_path / "new.parquet", "--out")
    with pytest.raises(OptionError, match="a file that --out can write"):
        check_table(tmp_path / "nowhere" / "new.parquet", "--out")


def test_answers_among_pictures_are_no_picture_and_no_truth(model: Model, photos: Path, tmp_path: Path) -> None:
    mixed, answers = tmp_path / "mixed", tmp_path / "mixed" / "answers.csv"
    mixed.mkdir()
    for source in sorted(photos.rglob("*.jpeg"))[:3]:
        shutil.copy(source, mixed / f"{source.parent.name}-{source.name}")
    for _ in range(2):
        assert predict_to_file(model, [mixed], answers, PredictOptions()).pictures == 3
        assert len(answers.read_text(encoding="utf-8").splitlines()) == 4
    assert labels_of(mixed).entries == ()
    assert len(labels_of(answers).entries) == 3, "given by its name it is read: somebody may have corrected it"


@pytest.mark.parametrize("name", ["answers.xlsx", "answers.JSON"])
def test_a_table_that_others_would_not_open_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"call it answers\.csv or answers\.parquet"):
        check_table(tmp_path / name, "--out")
