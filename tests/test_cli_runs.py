from __future__ import annotations

import json
import shutil
from pathlib import Path

from command import headstart
from headstart.options import FitOptions
from headstart.workflows.train import train


def test_explain_says_what_the_answer_rests_on(run_folder: Path, photos: Path, tmp_path: Path) -> None:
    page = tmp_path / "why.html"
    done = headstart("explain", run_folder, photos / "rings" / "001.jpeg", "-o", page, "--class", "stripes", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["answer"], document["class"], document["rather_than"]) == ("rings", "stripes", "rings")
    assert document["method"] == "exact"
    assert 0 < document["check"]["p"] <= 1
    assert "What speaks for “stripes”" in page.read_text(encoding="utf-8")


def test_what_cannot_be_explained_is_the_users_input(run_folder: Path, tmp_path: Path) -> None:
    done = headstart("explain", run_folder, tmp_path / "none.jpg")
    assert done.returncode == 2
    assert "none.jpg" in done.stderr


def test_watch_writes_a_page_a_queue_and_one_document(run_folder: Path, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    for path in sorted((photos / "rings").iterdir())[:12]:
        shutil.copy(path, tmp_path / "new")
    (tmp_path / "new" / "bad.png").write_bytes(b"")
    page, queue = tmp_path / "watch.html", tmp_path / "queue.csv"
    words = ("watch", run_folder, tmp_path / "new", "-o", page, "--queue", queue, "--count", "3", "--json")
    done = headstart(*words)
    assert done.returncode == 1, done.stderr  # one was left out
    document = json.loads(done.stdout)
    assert document["pictures"] == len(document["known"]) == 12
    assert document["drift"]["mix"] == {"rings": 1.0, "stripes": 0.0}
    assert len(document["labelling_queue"]) == 3
    assert len(queue.read_text(encoding="utf-8").splitlines()) == 4
    assert "byte for byte" in page.read_text(encoding="utf-8")
    assert "12 are pictures it was trained on" in done.stderr


def test_a_model_that_remembers_nothing_cannot_watch(run_folder: Path, photos: Path, tmp_path: Path) -> None:
    alone = shutil.copytree(run_folder / "model", tmp_path / "alone")
    done = headstart("watch", alone, photos)
    assert done.returncode == 2
    assert "does not remember its training pictures" in done.stderr


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
