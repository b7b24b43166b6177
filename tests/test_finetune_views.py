"""A view is a number: the same pixels every time, whatever else is asked for."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from headstart.errors import DataError
from headstart.finetune.plan import Augment
from headstart.finetune.views import BUSY, FILLING, PLAIN, SPARED, Look, ViewFile, decoded, make_room, spare
from headstart.images.transforms import Geometry
from pictures import write_folder

LOOK = Look(geometry=Geometry(size=32), augment=Augment(kind="crop", views=2), seed=0)


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    return sorted(write_folder(tmp_path / "photos", {"rings": 2, "stripes": 2}, side=40).rglob("*.jpeg"))


def digests_of(paths: list[Path]) -> list[str]:
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]


def test_views_are_the_same_alone_and_together(paths: list[Path]) -> None:
    wanted = [(0, PLAIN), (0, 0), (0, 1), (1, 1)]
    together = list(decoded(paths, digests_of(paths), LOOK, wanted))
    alone = [next(decoded(paths, digests_of(paths), LOOK, [pair])) for pair in wanted]
    assert [pixels.shape for pixels in together] == [(32, 32, 3)] * 4
    assert all(np.array_equal(a, b) for a, b in zip(together, alone, strict=True))
    assert len({pixels.tobytes() for pixels in together}) == 4


def test_a_view_has_a_key_of_everything_that_decides_it() -> None:
    keys = {LOOK.key(0), LOOK.key(1), LOOK.key(PLAIN), replace(LOOK, seed=1).key(0)}
    assert len(keys) == 4
    assert replace(LOOK, augment=Augment(kind="none")).key(0) == LOOK.key(PLAIN) == replace(LOOK, seed=1).key(PLAIN)


def test_a_picture_that_changed_is_not_used(paths: list[Path]) -> None:
    digests = digests_of(paths)
    paths[1].write_bytes(paths[0].read_bytes())
    with pytest.raises(DataError, match="changed while it was being used"):
        list(decoded(paths, digests, LOOK, [(i, PLAIN) for i in range(4)]))


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


def sets(folder: Path, *sizes: int) -> list[Path]:
    """Folders of maps, the oldest first, each of so many bytes."""
    folders = [folder / str(number) for number in range(len(sizes))]
    for number, (path, size) in enumerate(zip(folders, sizes, strict=True)):
        path.mkdir(parents=True)
        (path / "maps.bin").write_bytes(os.urandom(size))
        os.utime(path, (1_000 + number, 1_000 + number))
    return folders


def there(paths: list[Path]) -> list[bool]:
    return [path.exists() for path in paths]


def test_the_oldest_go_until_the_limit_is_kept_to(tmp_path: Path) -> None:
    found = sets(tmp_path, 10, 10, 10)
    assert make_room(tmp_path, 5, limit=20, used=())
    assert there(found) == [False, False, True]


def test_what_is_used_or_being_filled_stays(tmp_path: Path) -> None:
    found = sets(tmp_path, 10, 10, 10)
    (found[1] / FILLING).touch()
    assert make_room(tmp_path, 5, limit=5, used={found[0]})
    assert there(found) == [True, True, False]
    dead = time.time() - 2 * BUSY
    os.utime(found[1] / FILLING, (dead, dead))
    assert make_room(tmp_path, 5, limit=15, used={found[0]})
    assert there(found) == [True, False, False]


def test_a_full_disk_takes_the_oldest_and_no_more_than_it_must(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = sets(tmp_path, 10, 10, 10)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(
        shutil, "disk_usage", lambda _folder: usage._replace(free=SPARED + 10 * there(found).count(False))
    )
    assert make_room(tmp_path, 10, limit=1_000, used=())
    assert there(found) == [False, True, True]
    assert not make_room(tmp_path, 31, limit=1_000, used=())
    assert there(found) == [False, True, True]  # nothing would have helped


def test_a_new_folder_is_made(tmp_path: Path) -> None:
    assert make_room(tmp_path / "new" / "maps", 10, limit=100, used=())
    assert spare(tmp_path / "new" / "maps") > 0


def test_rows_that_were_never_written_take_no_room(tmp_path: Path) -> None:
    one = sets(tmp_path, 10)[0]
    with (one / "sparse.bin").open("wb") as stream:
        stream.truncate(10**9)
    assert make_room(tmp_path, 10, limit=10**6, used=())
    assert one.exists()
