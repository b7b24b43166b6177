from __future__ import annotations

import json
import shutil
from pathlib import Path

from command import headstart


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
