from __future__ import annotations

import json
from pathlib import Path

from command import headstart


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
