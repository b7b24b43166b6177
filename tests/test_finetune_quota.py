"""Old maps give way to new ones, and nothing else does."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from headstart.finetune import quota
from headstart.finetune.quota import BUSY, FILLING, SPARED


def sets(folder: Path, *sizes: int) -> list[Path]:
    """Folders of maps, the oldest first, each of so many bytes."""
    found = []
    for number, size in enumerate(sizes):
        one = folder / str(number)
        one.mkdir(parents=True)
        (one / "maps.bin").write_bytes(os.urandom(size))
        os.utime(one, (1_000 + number, 1_000 + number))
        found.append(one)
    return found


def there(paths: list[Path]) -> list[bool]:
    return [path.exists() for path in paths]


def test_the_oldest_go_until_the_limit_is_kept_to(tmp_path: Path) -> None:
    found = sets(tmp_path, 10, 10, 10)
    assert quota.make(tmp_path, 5, limit=20, used=())
    assert there(found) == [False, False, True]


def test_what_is_used_or_being_filled_stays(tmp_path: Path) -> None:
    found = sets(tmp_path, 10, 10, 10)
    (found[1] / FILLING).touch()
    assert quota.make(tmp_path, 5, limit=5, used={found[0]})
    assert there(found) == [True, True, False]
    dead = time.time() - 2 * BUSY
    os.utime(found[1] / FILLING, (dead, dead))
    assert quota.make(tmp_path, 5, limit=15, used={found[0]})
    assert there(found) == [True, False, False]


def test_a_full_disk_takes_the_oldest_and_no_more_than_it_must(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = sets(tmp_path, 10, 10, 10)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(
        shutil, "disk_usage", lambda _folder: usage._replace(free=SPARED + 10 * there(found).count(False))
    )
    assert quota.make(tmp_path, 10, limit=1_000, used=())
    assert there(found) == [False, True, True]
    assert not quota.make(tmp_path, 31, limit=1_000, used=())
    assert there(found) == [False, True, True]  # nothing would have helped


def test_a_new_folder_is_made(tmp_path: Path) -> None:
    assert quota.make(tmp_path / "new" / "maps", 10, limit=100, used=())
    assert quota.spare(tmp_path / "new" / "maps") > 0


def test_rows_that_were_never_written_take_no_room(tmp_path: Path) -> None:
    one = sets(tmp_path, 10)[0]
    with (one / "sparse.bin").open("wb") as stream:
        stream.truncate(10**9)
    assert quota.make(tmp_path, 10, limit=10**6, used=())
    assert one.exists()
