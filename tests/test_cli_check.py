from __future__ import annotations

import json
from pathlib import Path

from command import headstart
from pictures import write_folder


def test_check_writes_a_page_and_a_list_and_takes_the_decisions(tmp_path: Path) -> None:
    photos = write_folder(tmp_path / "photos", {"rings": 12, "stripes": 12})
    (photos / "rings" / "broken.jpeg").write_bytes(b"no picture")
    done = headstart("check", photos, "-o", tmp_path / "out", "--size", "224", "--json")
    assert done.returncode == 1, done.stderr  # one file was left out
    document = json.loads(done.stdout)
    assert document["pictures"] == 24
    assert document["left_out"] == {"rings/broken.jpeg": "not a picture"}
    assert any("broken.jpeg" in line for line in document["findings"])
    assert {one["alarm"] for one in document["shortcuts"]} <= {False}
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"review.html", "review.csv"}
    assert f"headstart check {photos} --apply {tmp_path / 'out' / 'review.csv'} -o {tmp_path / 'out'}" in done.stderr

    review = tmp_path / "out" / "review.csv"
    review.write_text("path,label,why,suggested,decision\nrings/001.jpeg,rings,,,drop\n")
    done = headstart("check", photos, "--apply", review, "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"headstart train {tmp_path / 'out' / 'pictures.csv'}\n"
    assert "23 pictures" in done.stderr
    review.write_text("path,label,why,suggested,decision\nrings/001.jpeg,rings,,,burn\n")
    done = headstart("check", photos, "--apply", review, "-o", tmp_path / "out")
    assert done.returncode == 2
    assert "found: line 2: 'burn'" in done.stderr
