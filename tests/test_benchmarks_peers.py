"""What `benchmarks/peers.py` reads from processes, and what it makes of it."""

from __future__ import annotations

import importlib
import json
import sys
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pictures import write_folder

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
TOLD = """
import json, sys
kept = bytearray(300_000_000)
print("noise", file=sys.stderr)
print('{"other": 1}', file=sys.stderr)
print(json.dumps({"event": "epoch", "accuracy": 0.5}), file=sys.stderr)
"""
EVENTS = (
    {"event": "phase", "whole": 10, "at": 2.0},
    {"event": "epoch", "accuracy": 0.9, "at": 5.0},
    {"event": "epoch", "accuracy": 0.8, "at": 8.0},
    {"event": "phase", "whole": 4, "at": 10.0},
    {"event": "epoch", "accuracy": 0.7, "at": 12.0},
)


@pytest.fixture
def peers(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.delitem(sys.modules, "peers", raising=False)
    return importlib.import_module("peers")


def found(peers: ModuleType, seconds: tuple[float, ...], **given: Any) -> dict[str, Any]:
    """A row in which the peer took so many seconds a round, ours 10 and 4, first answers after 5 and 2."""
    rounds = []
    for whole in seconds:
        runs = {
            "cold": peers.Run(seconds=10.0, peak=1.0, first=5.0, accuracy=0.9, whole=10.0),
            "warm": peers.Run(seconds=4.0, peak=0.5, first=2.0, accuracy=0.9, whole=4.0),
            "peer": peers.Run(seconds=whole, peak=2.0, accuracy=0.8, best=0.9, whole=whole, epochs=((25, 25, 1.0),)),
        }
        rounds.append({of: asdict(run) for of, run in runs.items()})
    row = {"peer": "keras", "data": "photos", "train": 20, "val": 10, "epochs": None, "random weights": False}
    return {**row, "load": 0.1, "pins": ["keras==1"], "rounds": rounds, **given}


def test_a_process_is_watched_to_its_end(peers: ModuleType) -> None:
    seconds, peak, events = peers.watched([sys.executable, "-c", TOLD], {})
    assert [event["accuracy"] for event in events] == [0.5]
    assert 0 < events[0]["at"] <= seconds
    assert peak > 0.3  # of a child as large as its parent was when it began: the driver's own is small


def test_a_process_that_fails_shows_what_it_said(peers: ModuleType) -> None:
    with pytest.raises(SystemExit, match=r"ended with 1:\n(.*\n)*ValueError: no such picture"):
        peers.watched([sys.executable, "-c", "raise ValueError('no such picture')"], {})


def test_phases_and_epochs_become_a_run(peers: ModuleType) -> None:
    run = peers.of_peer(20.0, 1.5, EVENTS, short=False, random=False)
    assert run.epochs == ((2, 10, 3.0), (1, 4, 2.0))
    assert (run.accuracy, run.best, run.whole) == (0.7, 0.9, 20.0)
    answer = {"event": "answer", "accuracy": 0.95, "at": 13.0}
    run = peers.of_peer(20.0, 1.5, [*EVENTS, answer], short=False, random=False)
    assert (run.accuracy, run.best) == (0.95, 0.9)
    unmeasured = [{**event, "accuracy": None} for event in EVENTS]
    run = peers.of_peer(20.0, 1.5, [*unmeasured, answer], short=False, random=False)
    assert (run.accuracy, run.best) == (0.95, None)


def test_a_short_run_is_scaled_and_has_no_accuracy(peers: ModuleType) -> None:
    run = peers.of_peer(20.0, 1.5, EVENTS, short=True, random=False)
    assert (run.seconds, run.whole, run.accuracy, run.best) == (20.0, 20.0 + 8 * 3.0 + 3 * 2.0, None, None)


def test_random_weights_have_no_accuracy(peers: ModuleType) -> None:
    run = peers.of_peer(20.0, 1.5, EVENTS, short=False, random=True)
    assert (run.whole, run.accuracy, run.best) == (20.0, None, None)


def test_ratios_are_paired_by_round(peers: ModuleType) -> None:
    assert peers.times(found(peers, (100.0,)), "cold", "whole") == "10.0"
    assert peers.times(found(peers, (100.0, 200.0, 120.0)), "warm", "first") == "60.0 (50.0–100.0)"


def test_the_page_of_whole_runs(peers: ModuleType) -> None:
    page = "\n".join(peers.page({"date": "2026-01-02", "machine": {"cores": "2"}, "rows": [found(peers, (100.0,))]}))
    assert "- cores: 2\n" in page
    assert "| headstart, empty cache | 5.0 | 20.0 | 10.0 | 10.0 | 1.00 | 0.900 [0.596, 0.982] |" in page
    assert "| keras | – | | 100.0 | | 2.00 | 0.800 [0.490, 0.943], best epoch 0.900 |" in page
    assert "≈" not in page
    assert "Random" not in page


def test_the_page_of_a_short_run_marks_what_is_scaled(peers: ModuleType) -> None:
    row = found(peers, (100.0,), epochs=1, **{"random weights": True})
    row["rounds"][0]["peer"] |= {"seconds": 30.0, "accuracy": None, "best": None, "epochs": [[1, 25, 2.9]]}
    page = "\n".join(peers.page({"date": "2026-01-02", "machine": {}, "rows": [row]}))
    assert "| headstart, again | 2.0 | ≈ 50.0 | 4.0 | ≈ 25.0 | 0.50 |" in page
    assert "| keras | – | | ≈ 100.0 | | 2.00 | not measured |" in page
    assert "The peer in round 1: 1 of 25 epochs, 2.9 s each, 30.0 s in all." in page
    assert "Random weights" in page


def test_a_row_replaces_the_one_like_it(peers: ModuleType, tmp_path: Path) -> None:
    peers.write(found(peers, (100.0,)), tmp_path)
    peers.write(found(peers, (100.0,), data="others"), tmp_path)
    page = peers.write(found(peers, (50.0,)), tmp_path)
    document = json.loads(page.with_suffix(".json").read_text())
    assert [(row["data"], row["rounds"][0]["peer"]["whole"]) for row in document["rows"]] == [
        ("others", 100.0),
        ("photos", 50.0),
    ]
    assert document["machine"]["cores"]
    assert page.read_text().count("\n## keras") == 2


def test_figures_of_another_machine_are_not_mixed_in(peers: ModuleType, tmp_path: Path) -> None:
    kept = peers.write(found(peers, (100.0,), data="others"), tmp_path).with_suffix(".json")
    document = json.loads(kept.read_text())
    document["machine"]["processor"] = "another"
    kept.write_text(json.dumps(document))
    peers.write(found(peers, (50.0,)), tmp_path)
    assert [row["data"] for row in json.loads(kept.read_text())["rows"]] == ["photos"]


def test_pictures_lie_in_train_and_val(peers: ModuleType, tmp_path: Path) -> None:
    write_folder(tmp_path / "train", {"rings": 3})
    with pytest.raises(SystemExit, match=r"expected class folders in .*/train and .*/val"):
        peers.pictures(tmp_path)
    write_folder(tmp_path / "val", {"rings": 2})
    assert peers.pictures(tmp_path) == {"train": 3, "val": 2}


def test_both_sides_on_drawn_pictures(peers: ModuleType, tmp_path: Path) -> None:
    write_folder(tmp_path / "photos/train", {"rings": 8, "stripes": 8})
    write_folder(tmp_path / "photos/val", {"rings": 4, "stripes": 4}, first_seed=8)
    run = peers.ours(tmp_path / "photos", tmp_path / "cache")
    assert 0 < run.first < run.seconds
    assert 0 <= run.accuracy <= 1
    program = BENCHMARKS / "peers" / peers.PEERS["pytorch-frozen"].program
    command = [sys.executable, str(program), str(tmp_path / "photos"), "--epochs", "1", "--random"]
    peer = peers.of_peer(*peers.watched(command, {}), short=True, random=True)
    ((epochs, whole, each),) = peer.epochs
    assert (epochs, whole, peer.accuracy) == (1, 25, None)
    assert peer.whole == pytest.approx(peer.seconds + 24 * each)
