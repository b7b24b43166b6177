from __future__ import annotations

import json
from pathlib import Path

from command import headstart
from headstart.options import FitOptions
from headstart.workflows.train import train


def test_replay_proves_the_same_and_says_so(photos: Path, tmp_path: Path) -> None:
    train(photos, tmp_path / "run", FitOptions(sizes=(224,)))
    done = headstart("replay", tmp_path / "run", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["same"] is True
    assert document["changed"] == []
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text(encoding="utf-8"))
    metrics["accuracy"]["value"] = 0.123
    (tmp_path / "run" / "metrics.json").write_text(json.dumps(metrics))
    done = headstart("replay", tmp_path / "run")
    assert done.returncode == 1
    assert done.stdout.startswith("Not the same")
    assert "Different: accuracy: 0.123 → " in done.stderr


def test_a_folder_that_is_no_run_is_said(tmp_path: Path) -> None:
    done = headstart("replay", tmp_path)
    assert done.returncode == 2
    assert "cannot be replayed: 3 problems" in done.stderr
