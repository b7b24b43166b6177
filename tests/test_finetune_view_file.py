"""What is on disk is what was said to be there, and only what was written is written to disk again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from headstart.finetune.quota import FILLING
from headstart.finetune.view_file import ViewFile


@pytest.fixture
def file(tmp_path: Path) -> ViewFile:
    return ViewFile(tmp_path / "view", (3, 2, 2), np.uint16)


def test_a_row_counts_from_the_commit_on(file: ViewFile) -> None:
    rows = file.open()
    file.begin(rows)
    file.write(1, np.full((2, 2), 7, np.uint16))
    assert not file.done().any()
    file.commit()
    assert file.done().tolist() == [False, True, False]
    again = ViewFile(file.folder, (3, 2, 2), np.uint16)
    assert again.done().tolist() == [False, True, False]
    assert again.open().tolist() == [[[0] * 2] * 2, [[7] * 2] * 2, [[0] * 2] * 2]
    file.forget()
    assert not again.done().any()


def test_a_commit_without_new_rows_writes_nothing_and_shows_that_it_lives(
    file: ViewFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[int] = []
    monkeypatch.setattr(np.memmap, "flush", lambda self: flushed.append(1))
    rows = file.open()
    file.begin(rows)
    filling = file.folder / FILLING
    filling.unlink()
    file.commit()
    assert not flushed
    assert filling.exists()
    assert not (file.folder / "done.bin").exists()
    file.write(0, np.zeros((2, 2), np.uint16))
    file.commit()
    file.commit()
    assert len(flushed) == 1
    file.end()
    assert not filling.exists()


def test_a_file_of_another_size_is_begun_anew(file: ViewFile) -> None:
    file.open()
    file.begin(file.open())
    file.write(0, np.ones((2, 2), np.uint16))
    file.commit()
    (file.folder / "maps.bin").write_bytes(b"short")
    assert file.open().shape == (3, 2, 2)
    assert not file.done().any()


def test_bytes_of_a_row(file: ViewFile) -> None:
    assert file.row_bytes == 8
