from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from command import headstart, typed
from headstart.cli.runs import sentences
from headstart.images.record import Changes
from headstart.options import FitOptions
from headstart.workflows.replay import Difference, Kind, Replay
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
    done = typed("explain", run_folder, tmp_path / "none.jpg")
    assert done.returncode == 2
    assert "none.jpg" in done.stderr


def test_watch_writes_a_page_a_queue_and_one_document(run_folder: Path, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    for path in sorted((photos / "rings").iterdir())[:12]:
        shutil.copy(path, tmp_path / "new")
    (tmp_path / "new" / "bad.png").write_bytes(b"")
    page, queue = tmp_path / "watch.html", tmp_path / "queue.csv"
    words = ("watch", run_folder, tmp_path / "new", "-o", page, "--queue", queue, "--count", "3", "--json")
    done = typed(*words)
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
    done = typed("watch", alone, photos)
    assert done.returncode == 2
    assert "does not remember its training pictures" in done.stderr


def test_replay_proves_the_same_and_says_so(photos: Path, tmp_path: Path) -> None:
    train(photos, tmp_path / "run", FitOptions(sizes=(224,)))
    done = headstart("replay", tmp_path / "run", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["same"] is True
    assert document["changed"] == document["different"] == []
    assert document["sentences"][0].startswith("The same: ")
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text(encoding="utf-8"))
    metrics["accuracy"]["value"] = 0.123
    (tmp_path / "run" / "metrics.json").write_text(json.dumps(metrics))
    done = typed("replay", tmp_path / "run")
    assert done.returncode == 1
    assert done.stdout.startswith("Not the same")
    assert "Different: accuracy: 0.123 → " in done.stderr


def test_a_folder_that_is_no_run_is_said(tmp_path: Path) -> None:
    done = typed("replay", tmp_path)
    assert done.returncode == 2
    assert "cannot be replayed: 3 problems" in done.stderr


SAME = Changes(missing=(), added=(), renamed=(), contents=(), classes=(), splits=(), grouped=False)


def replayed(*different: Difference, changed: tuple[Difference, ...] = (), compared: int = 2) -> Replay:
    names = ("metrics.json", "model/head.safetensors")[:compared]
    return Replay(
        run=Path("run"),
        same=not different,
        fresh=False,
        compared=names,
        pictures=SAME,
        changed=changed,
        different=different,
    )


def test_the_answer_of_a_replay_comes_first() -> None:
    said = "identical byte for byte (features from the store where it has them)."
    assert list(sentences(replayed())) == [f"The same: 2 files are {said}"]
    assert list(sentences(replayed(compared=1))) == [f"The same: 1 file is {said}"]
    version = Difference(kind="version", name="numpy", before="0.1", now=None)
    assert list(sentences(replayed(changed=(version,))))[1:] == [
        "Changed, and without effect: numpy 0.1 → not recorded"
    ]


@pytest.mark.parametrize(
    ("kind", "before", "now", "said"),
    [
        ("head", {"candidate": "a", "strength": 1.0}, {"candidate": "b", "strength": 0.5}, "a, C = 1 → b, C = 0.5"),
        ("metric", 0.1234567, None, "log loss: 0.123457 → undefined"),
        ("metric", -0.0, 1.0, "log loss: -0 → 1"),
        ("pictures", 1, 2, "measured on 1 → 2 pictures"),
    ],
)
def test_what_is_different_is_said_with_its_values(kind: Kind, before: object, now: object, said: str) -> None:
    file = Difference(kind="file", name="metrics.json", before="a", now="b")
    first, why, *others = sentences(replayed(Difference(kind=kind, name="log_loss", before=before, now=now), file))
    assert first.startswith("Not the same")
    assert why.startswith("Nothing that is recorded has changed")
    assert others[0].startswith("Different: ")
    assert said in others[0]
    assert others[1] == "Different: 1 of 2 files: metrics.json"


def test_metrics_beyond_the_first_eight_are_counted_as_a_file_alone() -> None:
    metrics = [Difference(kind="metric", name=f"m{i}", before=i, now=i + 1) for i in range(10)]
    graph = Difference(kind="file", name="model/graph.bin", before=None, now="b")
    lines = list(sentences(replayed(*metrics, graph)))
    assert sum(" → " in line for line in lines) == 8
    assert lines[-2].startswith("Different: not the head and no figure")
    assert lines[-1] == "Different: 1 of 3 files: model/graph.bin"


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("option", "the option x is not known to this version"),
        ("budget", "a budget was set, so that what was tried depended on the clock"),
        ("costs", "the costs: their file has other contents"),
        ("weights", "other weights of x: their hash differs"),
        ("runtime", "the network ran with 1, and runs here with 2"),
    ],
)
def test_what_has_changed_is_said(kind: Kind, said: str) -> None:
    difference = Difference(kind=kind, name="x", before=1, now=2)
    assert list(sentences(replayed(changed=(difference,))))[1] == f"Changed, and without effect: {said}"
