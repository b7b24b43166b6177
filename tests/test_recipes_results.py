from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from headstart.evaluation.comparison import check_claim, compare_results
from headstart.evaluation.history import Epoch, History
from headstart.evaluation.measured_on import MeasuredOn
from headstart.finetune.notes import Diverged
from headstart.recipes import records
from headstart.recipes.grid import grid, of_table, published_table
from headstart.recipes.results import Experiment, Failure, Outcome
from headstart.report.comparison import claim_words
from headstart.report.finetuning_notes import in_words

N = 60


def outcome(setting: str, seed: int, right: int, *, diverged: tuple[Diverged, ...] = (), epochs: int = 2) -> Outcome:
    """``right`` of 60 pictures are right at the end; in the best epoch two more were."""
    correct = np.arange(N) < right
    proba = np.where(correct[:, None], [0.9, 0.1], [0.1, 0.9])  # every picture is of the first class
    accuracies = [(right + 2) / N, right / N][:epochs]
    made = tuple(
        Epoch(
            phase=1, epoch=i, train_loss=0.5, train_accuracy=0.8, val_loss=0.4, val_accuracy=value, seconds=30, lr=0.1
        )
        for i, value in enumerate(accuracies, 1)
    )
    history = History(initial_loss=0.7, initial_accuracy=0.5, epochs=made)
    return Outcome(
        setting=setting, seed=seed, planned=2, history=history, proba=proba, correct=correct, prepared=5.0,
        runtime="torch", notes=in_words(diverged), diverged=diverged,
    )  # fmt: skip


def experiment(folder: Path, outcomes: list[Outcome], failures: tuple[Failure, ...] = ()) -> Experiment:
    comparison = compare_results([one.result() for one in outcomes])
    return Experiment(
        title="A table",
        settings=of_table(published_table("resnet18"), ["efficientnet_lite0"]),
        outcomes=tuple(outcomes),
        failures=failures,
        comparison=comparison,
        claims=tuple(
            check_claim(comparison, claim.better, claim.worse) for claim in published_table("resnet18").claims
        ),
        measured_on=MeasuredOn(kind="split", split="val", epoch="last", n=N),
        weights={"efficientnet_lite0": "bundled"},
        folder=folder,
        command="headstart compare photos --table resnet18",
    )


@pytest.fixture
def found(tmp_path: Path) -> Experiment:
    outcomes = [outcome("C full", seed, 50 + seed) for seed in (0, 1)]
    outcomes += [outcome("C frozen", seed, 25 + seed) for seed in (0, 1)]
    outcomes += [outcome("A full", seed, 50 - seed) for seed in (0, 1)]
    outcomes += [outcome("A frozen", 0, 50), outcome("A frozen", 1, 51)]
    return experiment(
        tmp_path, outcomes, (Failure("VGG16 full", 0, "no weights"), Failure("VGG16 full", 1, "no weights"))
    )


def test_of_every_published_conclusion_it_is_said_whether_it_holds(found: Experiment) -> None:
    checks = {(check.better, check.worse): check for check in found.claims}
    assert checks["C full", "C frozen"].holds is True
    a = checks["A full", "A frozen"]
    assert a.holds is None
    assert "cannot be told here" in claim_words(a)
    assert [check.holds for check in found.claims if "VGG16" in check.better] == [None] * 3
    assert "no result for VGG16 frozen" in claim_words(found.claims[-1])


def test_what_settings_depart_in_is_said_where_it_lies_between_them(tmp_path: Path) -> None:
    """One backbone squashed and the other cropped: the difference is not the backbone's alone."""
    settings = grid(records.get("mobilenetv2-two-phase"), backbones=["mobilenetv2", "efficientnet_lite0"])
    outcomes = [outcome(one.name, 0, 50) for one in settings]
    said = replace(experiment(tmp_path, outcomes), settings=settings).content().caveats
    departing = [line for line in said if line.startswith("Not as published")]
    assert departing[0].startswith("Not as published in all settings: a large JPEG is decoded at a fraction")
    assert departing[1:] == [
        "Not as published in efficientnet_lite0: backbone efficientnet_lite0 where the write-up has mobilenetv2, and "
        "pictures cropped and scaled as that backbone was pretrained."
    ]


def test_the_honest_figure_and_the_best_epoch_stand_apart(found: Experiment) -> None:
    content = found.content()
    row = dict(zip(content.table.columns, next(row for row in content.table.rows if row[1] == "C full"), strict=True))
    assert row["last epoch"] == "84.2\u202f%"  # 50 and 51 of 60
    assert row["best epoch (too optimistic)"] == "87.5\u202f%"
    assert row["published best epoch"] == "95.42\u202f%"
    assert (row["time"], row["published time"]) == ("1m05s", "9m24s")
    assert any("efficientnet_lite0 stands in for the published resnet18" in line for line in content.caveats)
    assert any("too optimistic" in line for line in content.caveats)
    assert content.troubles == ("VGG16 full, seeds 0, 1: no result. no weights.",)


def test_what_diverged_is_marked_and_a_row_without_an_epoch_counts_as_untrained(tmp_path: Path) -> None:
    note = "the loss became nan in epoch 1 again: training stopped at the last sound weights"
    broken = outcome("C frozen", 0, 30, diverged=(Diverged(epoch=1, train_loss=float("nan")),), epochs=0)
    found = experiment(tmp_path, [outcome("C full", 0, 50), broken])
    assert broken.result().last_accuracy == broken.result().best_accuracy == 0.5
    content = found.content()
    assert content.table.columns[-1] == "note"
    assert [row[-1] for row in content.table.rows] == ["", "diverged: see below"]
    assert content.troubles == (f"C frozen, seed 0: {note}; 0 of 2 epochs.",)


def test_the_files_hold_every_row_with_its_history(found: Experiment) -> None:
    found.write()
    with (found.folder / "table.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["setting"]: row for row in csv.DictReader(file)}
    assert float(rows["C frozen"]["published_best_epoch"]) == 0.6797
    assert float(rows["C frozen"]["accuracy"]) == pytest.approx(25.5 / N)
    document = json.loads((found.folder / "results.json").read_text(encoding="utf-8"))
    assert len(document["rows"]) == 8
    assert [len(row["history"]["epochs"]) for row in document["rows"]] == [2] * 8
    assert sum(document["rows"][0]["correct"]) == 50
    assert [claim["holds"] for claim in document["claims"]].count(True) == 1
    page = (found.folder / "compare.html").read_text(encoding="utf-8")
    for words in (
        "Do the published conclusions hold?",
        "cannot be told here",
        "cannot be checked",
        "9m24s",
        "too optimistic",
    ):
        assert words in page
    assert sorted(path.name for path in found.folder.iterdir()) == ["compare.html", "results.json", "table.csv"]
