from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from headstart.deploy.model import Model
from headstart.errors import OptionError
from headstart.workflows.predict import PredictOptions, predict


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
    assert not done.complete
    done.write_csv(tmp_path / "answers.csv")
    with (tmp_path / "answers.csv").open(newline="", encoding="utf-8") as file:
        assert [row["label"] for row in csv.DictReader(file)] == ["stripes", "", "rings"]


def test_a_folder_is_answered_as_a_whole(model: Model, photos: Path) -> None:
    done = predict(model, [photos / "rings"], PredictOptions())
    assert done.complete
    assert len(done.predictions) == len(done.rows) == len(list((photos / "rings").iterdir()))
    assert not predict(model, [], PredictOptions()).complete


def test_costs_decide_and_must_fit(model: Model, photos: Path, tmp_path: Path) -> None:
    costs = tmp_path / "costs.csv"
    costs.write_text("truth,rings,ask\nrings,0,1\nstripes,1000000,1\n")
    (row,) = predict(model, [photos / "rings" / "000.jpeg"], PredictOptions(costs=costs)).rows
    assert row["answer"] in ("rings", "ask")
    assert predict(model, [photos / "rings" / "000.jpeg"], PredictOptions()).rows[0]["answer"] is None
    costs.write_text("truth,rings,ask\nrings,0,1\n")
    with pytest.raises(OptionError, match="none for stripes"):
        predict(model, [], PredictOptions(costs=costs))
