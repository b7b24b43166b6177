from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from headstart.images.folder import scan
from headstart.recipes import get
from headstart.reproduce import Reproduction, describe, run, summaries, with_splits
from pictures import write_folder


@pytest.mark.parametrize(
    ("name", "trainable", "tensors"),
    [("resnet18-frozen", (1_026,), (2,)), ("mobilenetv2-two-phase", (1_281, 1_862_721), (2, 56))],
)
def test_counts_are_those_of_the_write_ups(name: str, trainable: tuple[int, ...], tensors: tuple[int, ...]) -> None:
    counted = summaries(get(name))
    assert tuple(summary.trainable for summary in counted) == trainable
    assert tuple(summary.trainable_tensors for summary in counted) == tensors
    assert f"{trainable[0]:,} parameters in {tensors[0]} tensors" in describe(counted[0])


def test_a_fifth_becomes_validation_where_there_is_none(photos: Path) -> None:
    images = with_splits(scan(photos), get("resnet18-frozen"), seed=0)
    val = images.split == "val"
    assert val.sum() == 8
    assert np.bincount(images.y[val]).tolist() == [4, 4]
    assert not (images.split == "test").any()


def test_a_fifth_of_the_validation_batches_becomes_the_test_split(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "train", {"rings": 4, "stripes": 4}, side=32)
    write_folder(tmp_path / "val", {"rings": 4, "stripes": 4}, side=32, first_seed=50)
    images = scan(folder.parent)
    many = images.subset(np.r_[np.arange(8), np.resize(np.arange(8, 16), 1_000)])
    split = with_splits(many, get("mobilenetv2-two-phase"), seed=0).split
    assert {name: int((split == name).sum()) for name in ("train", "val", "test")} == {
        "train": 8,
        "val": 1_000 - 6 * 32,  # 32 batches of 32, of which 6 are moved
        "test": 6 * 32,
    }


@pytest.fixture(scope="module")
def shortened(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Reproduction:
    recipe = get("mobilenetv2-two-phase").on("efficientnet_lite0").with_epochs(2)
    recipe = replace(recipe, plan=replace(recipe.plan, size=64))
    return run(recipe, photos, tmp_path_factory.mktemp("run"), command="headstart recipes run …")


def test_a_recipe_shows_what_its_write_up_shows(shortened: Reproduction, photos: Path) -> None:
    folder = shortened.folder
    assert len(shortened.epochs) == 4
    assert "epoch   3  phase 2" in shortened.epochs[2]
    assert "so it flatters" in shortened.best_epoch
    history = json.loads((folder / "history.json").read_text())
    assert len(history["epochs"]) == 4
    assert history["initial_loss"] > 0
    page = (folder / "report.html").read_text(encoding="utf-8")
    for words in (
        "How it learned",
        "start of fine-tuning",
        "Predicted labels",
        "Nine augmented views",
        "so it flatters",
    ):
        assert words in page
    with (folder / "predictions.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == shortened.evaluation.n == 8
    right = np.mean([row["label"] == row["predicted"] for row in rows])
    assert {row["sha256"] for row in rows} <= set(scan(photos).digests)
    assert right == pytest.approx(shortened.evaluation.accuracy.value)


def test_a_finished_run_repeats_its_result_from_the_checkpoint(shortened: Reproduction, photos: Path) -> None:
    recipe = get("mobilenetv2-two-phase").on("efficientnet_lite0").with_epochs(2)
    recipe = replace(recipe, plan=replace(recipe.plan, size=64))
    again = run(recipe, photos, shortened.folder)
    assert again.evaluation == shortened.evaluation
    assert again.epochs == shortened.epochs
