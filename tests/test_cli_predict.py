"""Answers of a model on the command line: real files, exit codes."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import pytest

from command import headstart, typed
from headstart.images.decode import encode
from pictures import draw, write_folder


@pytest.fixture(scope="module")
def run(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "photos"
    done = headstart("train", photos, "-o", folder, "--size", "224", "--profile")
    assert done.returncode == 0, done.stderr
    took = [(float(taken), stage) for taken, stage in re.findall(r"^ +(\d+\.\d\d) s  (.+)$", done.stderr, re.MULTILINE)]
    assert {"reading the folder", "features", "writing the results", "everything else"} <= {stage for _, stage in took}
    total = re.search(r"^(\d+\.\d) s$", done.stderr, re.MULTILINE)
    assert total
    assert sum(taken for taken, _ in took) == pytest.approx(float(total[1]), abs=0.2)
    assert "accuracy" in done.stdout
    assert "-fold cross-validation" in done.stdout
    assert done.stderr.startswith("understood as class folders: 40 pictures in 2 classes: rings 20, stripes 20\n")
    return folder


def test_predict_gives_a_row_per_input_in_order(run: Path, photos: Path, tmp_path: Path) -> None:
    rings, stripes = photos / "rings" / "000.jpeg", photos / "stripes" / "000.jpeg"
    bad = tmp_path / "bad one.jpg"
    bad.write_bytes(b"")
    table = tmp_path / "answers.csv"
    done = headstart("predict", run, stripes, bad, rings, tmp_path / "gone.png", "--csv", table, "--json", "--top", "2")
    assert done.returncode == 1
    rows = json.loads(done.stdout)["predictions"]
    assert [row["label"] for row in rows] == ["stripes", None, "rings", None]
    assert [row["reason"] for row in rows] == ["", "empty file: fetch it again", "", "no such file"]
    assert [label for label, _ in rows[0]["top"]] == ["stripes", "rings"]
    with table.open(newline="", encoding="utf-8") as file:
        written = list(csv.DictReader(file))
    assert [row["label"] for row in written] == ["stripes", "", "rings", ""]
    assert float(written[0]["stripes"]) == pytest.approx(rows[0]["probability"], abs=1e-6)
    assert "2 pictures labelled" in done.stderr
    assert "2 could not be read" in done.stderr


def test_predict_takes_folders_globs_and_a_list(run: Path, photos: Path) -> None:
    folder = typed("predict", run, photos / "rings", "--json")
    pattern = typed("predict", run, f"{photos}/rings/*.jpeg", "--json")
    listed = headstart("predict", run, "-", "--json", stdin="\n".join(map(str, sorted((photos / "rings").iterdir()))))
    found = "\0".join(map(str, sorted((photos / "rings").iterdir())))
    assert typed("predict", run, "-", "--json", stdin=found).stdout == listed.stdout, "as `find -print0` parts names"
    assert folder.returncode == pattern.returncode == listed.returncode == 0
    assert len(json.loads(folder.stdout)["predictions"]) == 20
    assert json.loads(folder.stdout) == json.loads(pattern.stdout) == json.loads(listed.stdout)


def test_predict_says_what_is_doubtful_and_decides_by_cost(run: Path, photos: Path, tmp_path: Path) -> None:
    strange = tmp_path / "blobs.jpg"
    strange.write_bytes(encode(draw("blobs", 7), format="JPEG"))
    costs, table = tmp_path / "costs.csv", tmp_path / "answers.csv"
    costs.write_text("truth,rings,ask\nrings,0,1\nstripes,1000000,1\n")
    words = ["predict", run, photos / "stripes" / "000.jpeg", strange, "--coverage", "0.95", "--cost", costs]
    done = typed(*words, "--csv", table, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["coverage"] == 0.95
    familiar, other = document["predictions"]
    assert "1 of them unfamiliar" in done.stderr
    assert (familiar["unfamiliar"], other["unfamiliar"]) == (False, True)
    assert familiar["novelty"] < 1 < other["novelty"]
    assert familiar["prediction_set"][0] == "stripes"
    assert familiar["answer"] == "ask"
    with table.open(newline="", encoding="utf-8") as file:
        written = list(csv.DictReader(file))
    assert [row["unfamiliar"] for row in written] == ["no", "yes"]
    assert json.loads(written[0]["prediction_set"]) == familiar["prediction_set"]
    line = typed("predict", run, strange).stdout
    assert line.rstrip().split("\t")[-1].split(" {")[0].endswith("unfamiliar")
    done = typed("predict", run, strange, "--coverage", "0.99")
    assert done.returncode == 2
    assert "expected: a coverage from 0.5 to 0.952" in done.stderr


def test_probabilities_do_not_depend_on_how_many_are_asked_for(run: Path, photos: Path, tmp_path: Path) -> None:
    alone = json.loads(typed("predict", run, photos / "rings" / "003.jpeg", "--json").stdout)
    together = json.loads(typed("predict", run, photos / "rings", "--json").stdout)
    assert alone["predictions"][0]["probability"] == pytest.approx(together["predictions"][3]["probability"], abs=1e-3)


def test_evaluate_reports_on_new_pictures(run: Path, photos: Path, tmp_path: Path) -> None:
    new = write_folder(tmp_path / "new", {"rings": 4, "stripes": 4}, first_seed=300)
    shutil.copy(photos / "rings" / "001.jpeg", new / "rings" / "seen.jpeg")
    done = typed("evaluate", run, new, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["accuracy"]["n"] == 9
    assert document["known"] == [str(new / "rings" / "seen.jpeg")]
    assert document["alarms"] == [
        "Leak: the model was trained on 1 of these pictures, so what is measured looks better than it is.",
    ]


def test_a_folder_without_a_picture_is_said(run: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = headstart("predict", run, tmp_path / "empty")
    assert done.returncode == 1
    assert f"There is no picture in {tmp_path / 'empty'}: name pictures, or folders or tables of them." in done.stderr
