from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from command import headstart, typed
from headstart.evaluation.held_out import HeldOut, write_held_out
from pictures import write_folder

TINY = ("--backbone", "test_efficientnet.r160_in1k", "--weights", "random")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 pictures to train on and 8 to validate, small."""
    root = tmp_path_factory.mktemp("pictures")
    write_folder(root / "train", {"rings": 6, "stripes": 6}, side=48)
    write_folder(root / "val", {"rings": 4, "stripes": 4}, side=48, first_seed=50)
    return root


def test_a_grid_becomes_a_table_and_the_same_command_goes_on(pictures: Path, tmp_path: Path) -> None:
    words = [*TINY, "--lr", "1e-3,1e-1", "--size", "64", "--epochs", "1", "--seeds", "2"]
    done = headstart("compare", pictures, "-o", tmp_path / "out", *words)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split()[:2] == ["rank", "setting"]
    assert all("lr 0." in line for line in lines[1:3])
    assert any("can be told apart" in line or "cannot be told apart" in line for line in lines)
    assert "[4/4]" in done.stderr
    with (tmp_path / "out" / "table.csv").open(newline="", encoding="utf-8") as file:
        assert {row["setting"] for row in csv.DictReader(file)} == {"lr 0.001", "lr 0.1"}
    again = typed("compare", pictures, "-o", tmp_path / "out", *words, "--json")
    document = json.loads(again.stdout)
    assert len(document["rows"]) == 4
    assert document["command"].startswith("headstart compare ")
    assert "The best epoch is chosen on the pictures" in document["caveats"][1]


def run_of(folder: Path, wrong: int) -> Path:
    """What a run leaves that is compared: 20 answers, ``wrong`` of them wrong."""
    folder.mkdir()
    (folder / "metrics.json").write_text('{"measurement": {"kind": "split", "split": "test"}}')
    first = np.where(np.arange(20) < wrong, 0.2, 0.8)
    names = tuple(f"{i:02}.jpg" for i in range(20))
    proba = np.stack([first, 1 - first], axis=1)
    judged = HeldOut(classes=("ants", "bees"), names=names, digests=names, labels=("ants",) * 20, proba=proba)
    write_held_out(folder / "predictions.csv", judged)
    return folder


def test_two_runs_are_compared(tmp_path: Path) -> None:
    a, b = run_of(tmp_path / "a", 0), run_of(tmp_path / "b", 12)
    done = typed("compare", a, b, "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "The two settings can be told apart." in done.stdout
    assert "McNemar's exact test" in done.stdout
    assert "20 test pictures" in (tmp_path / "out" / "compare.html").read_text("utf-8")
    document = json.loads(typed("compare", a, b, "--json").stdout)
    assert [(row["setting"], row["accuracy"]) for row in document["settings"]] == [("a", 1.0), ("b", 0.4)]


def test_what_would_be_ignored_beside_runs_is_refused(tmp_path: Path) -> None:
    a, b = run_of(tmp_path / "a", 0), run_of(tmp_path / "b", 12)
    done = typed("compare", a, b, "--lr", "0.1", "--seeds", "3", "--table", "resnet18", "--weights", "random")
    assert done.returncode == 2
    assert "expected: of finished runs, no option but -o and --json" in done.stderr
    assert "found: --lr, --seeds, --table, --weights" in done.stderr


def test_a_run_alone_or_beside_pictures_is_refused(pictures: Path, tmp_path: Path) -> None:
    a = run_of(tmp_path / "a", 0)
    alone = typed("compare", a)
    assert alone.returncode == 2
    assert "expected: two runs or more" in alone.stderr
    mixed = typed("compare", a, pictures)
    assert mixed.returncode == 2
    assert f"{pictures} has no metrics.json" in mixed.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--table", "resnet18", "--lr", "0.1", "--batch-size", "4"], "found: --lr, --batch-size"),
        (["--table", "resnet18", "--recipe", "resnet18-frozen"], "found: --recipe"),
        (["--table", "resnet50"], "expected: one of resnet18"),
        (["--lr", "fast"], "write --lr 1,2"),
        (["--optimiser", "lion"], "expected: an optimiser"),
        (["--backbone", "efficientnet_lito0"], "found: 'efficientnet_lito0'"),
    ],
)
def test_what_has_no_meaning_is_exit_code_2(pictures: Path, tmp_path: Path, words: list[str], said: str) -> None:
    done = typed("compare", pictures, "-o", tmp_path / "out", *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert not done.stdout
