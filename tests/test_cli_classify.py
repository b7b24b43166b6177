"""The command line as a user meets it: real processes, real files, exit codes."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from command import headstart, typed
from headstart.images.decode import encode
from pictures import draw, write_folder


def test_strange_names_survive_the_whole_way(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "fotos ü", {"rings": 6, "stripes": 6})
    (folder / "rings").rename(folder / "圆 环")
    (folder / "stripes" / "000.jpeg").rename(folder / "stripes" / 'a b;c,"d".jpeg')
    (folder / "stripes" / "001.jpeg").rename(folder / "stripes" / os.fsdecode(b"\xff\xfe.jpeg"))
    done = headstart("train", folder, "-o", tmp_path / "run", "--size", "224", "--json")
    assert done.returncode == 0, done.stderr
    answer = typed("predict", tmp_path / "run", folder / "stripes", "--csv", tmp_path / "answers.csv")
    assert answer.returncode == 0, answer.stderr
    with (tmp_path / "answers.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["label"] for row in rows} <= {"圆 环", "stripes"}
    assert len(rows) == 6


def test_bad_input_is_exit_code_2_with_everything_said_at_once(tmp_path: Path, photos: Path) -> None:
    done = typed("train", tmp_path / "nowhere")
    assert done.returncode == 2
    assert "expected:" in done.stderr
    assert "Traceback" not in done.stderr
    done = typed("train", photos, "-o", tmp_path / "run", "--size", "8", "--class-weight", "odd")
    assert done.returncode == 2
    assert "2 problems" in done.stderr
    assert typed("predict", tmp_path, photos).returncode == 2
    assert typed("train", photos, "--backbone", "efficientnet_lite9").returncode == 2


def test_a_folder_of_every_trap(tmp_path: Path) -> None:
    """Nothing lost, nothing mislabelled, each named with its reason; the pictures untouched."""
    folder = write_folder(tmp_path / "photos", {"rings": 8, "stripes": 8})
    rings, stripes = folder / "rings", folder / "stripes"
    good = encode(draw("rings", 50), format="PNG")
    (rings / "no extension").write_bytes(good)
    (rings / "photo.jpg?width=640").write_bytes(encode(draw("rings", 51), format="WEBP"))
    (rings / "nested" / "deeper").mkdir(parents=True)
    (rings / "nested" / "deeper" / "x.JPG").write_bytes(encode(draw("rings", 52), format="BMP"))
    (stripes / "empty.jpg").write_bytes(b"")
    (stripes / "truncated.jpg").write_bytes((stripes / "000.jpeg").read_bytes()[:-700])
    (stripes / "notes.txt").write_text("not a picture")
    (rings / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    (stripes / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
    for junk in (".ipynb_checkpoints", "__MACOSX"):
        (folder / junk).mkdir()
        (folder / junk / "000.jpeg").write_bytes(good)
    (rings / "loop").symlink_to(folder, target_is_directory=True)
    (stripes / "same.jpeg").write_bytes((stripes / "001.jpeg").read_bytes())
    names = sorted(str(path) for path in folder.rglob("*"))
    done = headstart("train", folder, "-o", tmp_path / "run", "--size", "224", "--json")
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    assert record["data"]["class_counts"] == {"rings": 11, "stripes": 9}
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    for name in ("empty.jpg", "truncated.jpg", "notes.txt"):
        assert name in page
    assert "Thumbs.db" not in page
    assert sorted(str(path) for path in folder.rglob("*")) == names


def test_a_killed_run_completes_when_repeated_and_gives_the_same_model(photos: Path, tmp_path: Path) -> None:
    """`kill -9` at several moments; each rerun completes, and the model is that of an undisturbed run."""
    expected = headstart(
        "train", photos, "-o", tmp_path / "whole", "--size", "224", HEADSTART_CACHE=str(tmp_path / "c0")
    )
    assert expected.returncode == 0, expected.stderr
    model = (tmp_path / "whole" / "model" / "head.safetensors").read_bytes()
    cache, out = tmp_path / "c1", tmp_path / "killed"
    words = ["train", str(photos), "-o", str(out), "--size", "224"]
    kills = 0
    for delay in (1.0, 4.0, 8.0, 2.5):
        process = subprocess.Popen(
            [sys.executable, "-m", "headstart", *words],
            env={**os.environ, "HEADSTART_CACHE": str(cache)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(delay)
        kills += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert kills >= 2
    done = headstart(*words, HEADSTART_CACHE=str(cache))
    assert done.returncode == 0, done.stderr
    assert (out / "model" / "head.safetensors").read_bytes() == model
    assert sorted(path.name for path in out.iterdir()) == [
        ".headstart",
        "data.json",
        "metrics.json",
        "model",
        "predictions.csv",
        "report.html",
        "review.csv",
        "run.json",
        "training",
    ]


def test_an_interruption_says_how_to_go_on(photos: Path, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "headstart", "train", str(photos), "-o", str(tmp_path / "run")],
        env={**os.environ, "HEADSTART_CACHE": str(tmp_path / "cache")},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert process.stderr.readline().startswith("understood as")  # long before the first answer
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command goes on from there" in stderr
    assert "Traceback" not in stderr


def test_a_model_trained_on_a_table_uses_its_splits_and_groups(photos: Path, tmp_path: Path) -> None:
    rows = ["path,label,group,split"]
    for number, path in enumerate(sorted(photos.rglob("*.jpeg"))):
        rows.append(f"{path},{path.parent.name},g{number // 2},{'test' if number % 4 > 1 else 'train'}")
    table = tmp_path / "labels.csv"
    table.write_text("\n".join(rows), encoding="utf-8")
    done = headstart("train", table, "-o", tmp_path / "run", "--size", "224", "--json")
    assert done.returncode == 0, done.stderr
    accuracy = json.loads(done.stdout)["accuracy"]
    assert (accuracy["n"], accuracy["measured_on"]) == (20, "the test split")
    assert np.isfinite(accuracy["value"])


def test_check_writes_a_page_and_a_list_and_takes_the_decisions(tmp_path: Path) -> None:
    photos = write_folder(tmp_path / "photos", {"rings": 12, "stripes": 12})
    (photos / "rings" / "broken.jpeg").write_bytes(b"no picture")
    done = headstart("check", photos, "-o", tmp_path / "out", "--size", "224", "--json")
    assert done.returncode == 1, done.stderr  # one file was left out
    document = json.loads(done.stdout)
    assert document["pictures"] == 24
    assert document["left_out"] == {"rings/broken.jpeg": "text, not a picture: take it out of the folder"}
    assert any("broken.jpeg" in line for line in document["findings"])
    assert {one["alarm"] for one in document["shortcuts"]} <= {False}
    assert {path.name for path in (tmp_path / "out").iterdir()} == {".headstart", "review.html", "review.csv"}
    apply = f"headstart check {photos} --apply {tmp_path / 'out' / 'review.csv'} -o {tmp_path / 'out'}"
    assert document["apply"] == apply
    assert "Fill in" not in done.stderr  # the document says it

    review = tmp_path / "out" / "review.csv"
    review.write_text("path,label,why,suggested,decision\nrings/001.jpeg,rings,,,drop\n")
    done = typed("check", photos, "--apply", review, "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"headstart train {tmp_path / 'out' / 'pictures.csv'}\n"
    assert "23 pictures" in done.stderr
    done = typed("check", photos, "--apply", review, "-o", tmp_path / "my checks")
    assert done.stdout == f"headstart train '{tmp_path / 'my checks' / 'pictures.csv'}'\n"
    review.write_text("path,label,why,suggested,decision\nrings/001.jpeg,rings,,,burn\n")
    done = typed("check", photos, "--apply", review, "-o", tmp_path / "out")
    assert done.returncode == 2
    assert "found: line 2: 'burn'" in done.stderr
