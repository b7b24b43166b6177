from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Collection
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from headstart.cache_folder import Hold, Troubles, entries, troubles
from headstart.store import SPARED, FeatureStore, open_store, spare


def digest(i: int) -> str:
    return hashlib.sha256(str(i).encode()).hexdigest()


def rows(*numbers: int, width: int = 4) -> dict[str, np.ndarray]:
    return {digest(i): np.full(width, i, np.float32) for i in numbers}


def test_rows_come_back_in_the_order_asked_and_by_space(tmp_path: Path) -> None:
    with FeatureStore(tmp_path) as store:
        store.write({"a": rows(1, 2, 3), "b": rows(2)})
        np.testing.assert_array_equal(store.read("a", [digest(3), digest(1), digest(3)], 4)[:, 0], [3, 1, 3])
        assert store.known("b", [digest(1), digest(2)]) == {digest(2)}
        assert store.known("never seen", [digest(1)]) == set()


def test_a_missing_row_is_an_error_not_zeros(tmp_path: Path) -> None:
    with FeatureStore(tmp_path) as store:
        store.write({"a": rows(1)})
        with pytest.raises(KeyError, match="1 pictures have no row"):
            store.read("a", [digest(1), digest(2)], 4)


def test_more_pictures_than_one_statement_takes(tmp_path: Path) -> None:
    numbers = range(1_201)
    with FeatureStore(tmp_path) as store:
        store.write({"a": rows(*numbers)})
        np.testing.assert_array_equal(store.read("a", [digest(i) for i in numbers], 4)[:, 0], np.arange(1_201))


def test_a_row_written_twice_is_kept_once(tmp_path: Path) -> None:
    with FeatureStore(tmp_path) as store:
        store.write({"a": rows(1)})
        store.write({"a": rows(1)})
        assert store.count() == 1


def test_the_limit_is_kept_and_the_oldest_rows_go_first(tmp_path: Path) -> None:
    with FeatureStore(tmp_path, limit=2_000 * 16) as store:
        store.write({"a": rows(*range(3_000))})
        store._db.execute("UPDATE features SET used = used - 1 WHERE rowid <= 1500")
        store._db.commit()
        store.read("a", [digest(0)], 4)  # used today again
        assert store.trim() == 1_000 * 16
        assert store.value_bytes() == 2_000 * 16
        assert store.known("a", [digest(0), digest(1), digest(2_999)]) == {digest(0), digest(2_999)}


def test_a_damaged_file_is_begun_anew_and_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "features.sqlite").write_bytes(b"this is not a database, whatever its name says " * 100)
    with FeatureStore(tmp_path) as store:
        store.write({"a": rows(1)})
        assert store.count() == 1
    assert troubles() == Troubles(store_damaged=True)


def test_a_killed_writer_leaves_what_was_committed(tmp_path: Path) -> None:
    script = (
        "import os, sys, numpy as np\n"
        "from pathlib import Path\n"
        "from headstart.store import FeatureStore\n"
        "store = FeatureStore(Path(sys.argv[1]))\n"
        "store.write({'a': {'00' * 32: np.ones(4, np.float32)}})\n"
        "store._db.execute(\"INSERT INTO features VALUES (1, x'01', x'02', 0, 0)\")\n"
        "os.kill(os.getpid(), 9)\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    assert killed.returncode == -9
    with FeatureStore(tmp_path) as store:
        assert store.count() == 1
        (verdict,) = store._db.execute("PRAGMA integrity_check").fetchone()
        assert verdict == "ok"


def test_two_connections_share_a_store(tmp_path: Path) -> None:
    with FeatureStore(tmp_path) as first, FeatureStore(tmp_path) as second:
        first.write({"a": rows(1)})
        second.write({"a": rows(2)})
        assert first.known("a", [digest(1), digest(2)]) == {digest(1), digest(2)}


def test_reading_leaves_no_transaction_open(tmp_path: Path) -> None:
    with FeatureStore(tmp_path) as store:
        store.known("a", [digest(1)])
        assert not store._db.in_transaction


def test_the_shared_store_is_in_the_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "here"))
    with open_store() as store:
        assert store.path == tmp_path / "here" / "features.sqlite"


def test_values_that_are_no_rows_are_kept_beside_rows(tmp_path: Path) -> None:
    with FeatureStore(tmp_path) as store:
        store.write({"a": {digest(1): np.ones(3, np.float32)}})
        store.keep("b", {digest(1): b"one", digest(2): b"\x00\xff"})
    with FeatureStore(tmp_path) as store:
        assert store.values("b", [digest(1), digest(2), digest(3)]) == {digest(1): b"one", digest(2): b"\x00\xff"}
        assert store.values("a", [digest(1)]) == {digest(1): np.ones(3, np.float32).tobytes()}
        assert store.values("c", [digest(1)]) == {}


DAY = 86_400
KEY = "0123456789abcdef" * 2


def sets(cache: Path, *sizes: int) -> list[Path]:
    """Maps, the oldest first, each of so many bytes."""
    folders = [cache / "maps" / f"{KEY[:-1]}{number}" for number in range(len(sizes))]
    for number, (path, size) in enumerate(zip(folders, sizes, strict=True)):
        path.mkdir(parents=True)
        (path / "maps.bin").write_bytes(os.urandom(size))
        os.utime(path, (1_000 + number, 1_000 + number))
    return folders


def there(paths: list[Path]) -> list[bool]:
    return [path.exists() for path in paths]


def room(cache: Path, needed: int, *, limit: int, used: Collection[Path] = ()) -> bool:
    with FeatureStore(cache, limit=limit) as store:
        return store.make_room(needed, used=used)


def test_the_oldest_go_until_the_limit_is_kept_to(tmp_path: Path) -> None:
    found = sets(tmp_path, 10, 10, 10)
    assert room(tmp_path, 5, limit=20)
    assert there(found) == [False, False, True]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows itself keeps files that are open")
def test_what_is_used_stays(tmp_path: Path) -> None:
    found = sets(tmp_path, 10, 10, 10)
    held = Hold(found[1] / "maps.bin")
    assert room(tmp_path, 5, limit=5, used={found[0]})
    assert there(found) == [True, True, False]
    del held
    assert room(tmp_path, 5, limit=15, used={found[0]})
    assert there(found) == [True, False, False]


def test_a_full_disk_takes_the_oldest_and_no_more_than_it_must(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = sets(tmp_path, 10, 10, 10)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(
        shutil, "disk_usage", lambda _folder: usage._replace(free=SPARED + 10 * there(found).count(False))
    )
    assert room(tmp_path, 10, limit=1_000)
    assert there(found) == [False, True, True]
    assert not room(tmp_path, 31, limit=1_000)
    assert there(found) == [False, True, True]  # nothing would have helped


def test_a_new_folder_is_made(tmp_path: Path) -> None:
    assert room(tmp_path / "new", 10, limit=100)
    assert spare(tmp_path / "new") > 0


def test_one_limit_holds_for_rows_and_files_and_the_oldest_of_all_go_first(tmp_path: Path) -> None:
    with FeatureStore(tmp_path, limit=100) as store:
        store.write({"a": rows(1, 2)})
        store._db.execute("UPDATE features SET used = 5 WHERE rowid = 1")
        store._db.commit()
        for name, day in (("graphs", 3), ("checkpoints", 7), ("maps", 9)):
            path = tmp_path / name / (f"{KEY}-5" if name == "checkpoints" else f"{KEY}/graph.xml")
            path = path.with_name("maps.bin") if name == "maps" else path
            path.parent.mkdir(parents=True)
            path.write_bytes(bytes(range(30)))
            os.utime(path if name == "checkpoints" else path.parent, (day * DAY, day * DAY))

        def left() -> list[object]:
            names = [entry.kind for entry in entries(tmp_path)]
            return [*names, store.count()]

        assert store.trim() == 30  # 122 bytes are 100 and 22 too many
        assert left() == ["checkpoints", "maps", 2]
        for limit, expected in ((91, ["checkpoints", "maps", 1]), (75, ["maps", 1]), (45, [1]), (15, [0])):
            store.limit = limit
            store.trim()
            assert left() == expected, limit


def test_room_for_maps_does_not_take_the_rows_of_today(tmp_path: Path) -> None:
    with FeatureStore(tmp_path, limit=40) as store:
        store.write({"a": rows(1, 2)})
        assert store.make_room(30)
        assert store.count() == 2
        store._db.execute("UPDATE features SET used = used - 1 WHERE rowid = 1")
        store._db.commit()
        assert store.make_room(20)
        assert store.known("a", [digest(1), digest(2)]) == {digest(2)}


# ── damage ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "change",
    [
        "value = zeroblob(16)",
        "value = NULL",
        "value = 7",
        "value = 'text'",
        "checksum = checksum + 1",
        "checksum = NULL",
        "picture = zeroblob(32)",
        "used = NULL",
        "used = 'text'",
        "space = 2",
    ],
)
def test_a_damaged_row_is_missing_and_counted_once(tmp_path: Path, change: str) -> None:
    with FeatureStore(tmp_path) as store:
        store.write({"a": rows(1, 2), "b": rows(3)})
        store._db.execute("PRAGMA writable_schema = ON")
        store._db.execute("UPDATE sqlite_master SET sql = replace(sql, ' NOT NULL', '')")
        store._db.commit()
    with FeatureStore(tmp_path) as store:
        store._db.execute(f"UPDATE features SET {change} WHERE rowid = 1")
        store._db.commit()
        harmless = change.startswith("used")
        assert set(store.values("a", [digest(1), digest(2)])) == ({digest(1), digest(2)} if harmless else {digest(2)})
        store.values("b", [digest(1), digest(3)])
        with pytest.raises(KeyError) if not harmless else nullcontext():
            store.read("a", [digest(2), digest(1)], 4)
        store.trim()
        store.write({"a": rows(1)})
        np.testing.assert_array_equal(store.read("a", [digest(2), digest(1)], 4)[:, 0], [2, 1])
    lost = change.startswith("picture")  # nobody asks for it again
    assert troubles() == Troubles(damaged=0 if harmless or lost else 1)


def damaged(data: bytes, kind: str) -> bytes:
    """A store file with a bit, a page, or its end gone."""
    rng = np.random.default_rng(sum(kind.encode()))
    changed = bytearray(data)
    if kind == "cut":
        return data[: int(rng.integers(len(data)))]
    if kind.startswith("page"):
        start = 4096 * int(kind.split()[1])
        changed[start : start + 4096] = bytes(4096)
    else:
        for place in rng.integers(len(data), size=20):
            changed[place] ^= 1 << int(rng.integers(8))
    return bytes(changed)


@pytest.mark.parametrize("kind", ["header", "cut", *(f"page {n}" for n in range(5)), *(f"bits {n}" for n in range(10))])
def test_a_damaged_file_gives_right_rows_or_none(tmp_path: Path, kind: str) -> None:
    numbers = list(range(40))
    with FeatureStore(tmp_path) as store:
        store.write({"a": rows(*numbers, width=100)})
    path = tmp_path / "features.sqlite"
    path.write_bytes(b"\xff" * 100 + path.read_bytes()[100:] if kind == "header" else damaged(path.read_bytes(), kind))
    with FeatureStore(tmp_path) as store:
        known = store.known("a", map(digest, numbers))
        values = store.values("a", map(digest, numbers))
        assert set(values) <= known
        for i in numbers:
            assert values.get(digest(i), b"") in (b"", np.full(100, i, np.float32).tobytes())
        store.write({"a": rows(*numbers, width=100)})
        np.testing.assert_array_equal(store.read("a", [digest(i) for i in numbers], 100)[:, 0], numbers)
        store.trim()
    assert not troubles().unusable


@pytest.mark.parametrize("name", ["features.sqlite-wal", "features.sqlite-shm"])
def test_a_damaged_journal_gives_right_rows_or_none(tmp_path: Path, name: str) -> None:
    with FeatureStore(tmp_path / "from") as store:
        store.write({"a": rows(*range(40), width=100)})
        shutil.copytree(tmp_path / "from", tmp_path / "to")  # as after a kill: the rows are in the journal
    file = tmp_path / "to" / name
    content = bytearray(file.read_bytes())
    content[len(content) // 2 :: 997] = bytes(len(content[len(content) // 2 :: 997]))
    file.write_bytes(content)
    with FeatureStore(tmp_path / "to") as store:
        for key, value in store.values("a", map(digest, range(40))).items():
            assert value == rows(*range(40), width=100)[key].tobytes()
        store.write({"a": rows(*range(40), width=100)})
        assert store.read("a", [digest(i) for i in range(40)], 100)[:, 0].tolist() == list(range(40))


def test_a_store_of_another_version_is_begun_anew(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "features.sqlite") as other:
        other.execute("CREATE TABLE features (space INTEGER, picture BLOB, value BLOB, used INTEGER)")
    other.close()
    with FeatureStore(tmp_path) as store:
        store.write({"a": rows(1)})
        assert store.count() == 1
    assert troubles() == Troubles(store_damaged=True)


# ── where there can be no file ──────────────────────────────────────────────────────────────────────────────────────


def works(folder: Path) -> Troubles:
    """What is said of a store in ``folder``, which has to work for as long as it is open."""
    with open_store(folder) as store:
        store.write({"a": rows(*range(100), width=500)})
        assert store.read("a", [digest(i) for i in range(100)], 500)[:, 0].tolist() == list(range(100))
        store.keep("b", {digest(1): b"one"})
        assert store.values("b", [digest(1)]) == {digest(1): b"one"}
    return troubles()


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("not a folder")
    assert works(tmp_path / "cache") == Troubles(unusable=str(tmp_path / "cache"), why="File exists")
    assert (tmp_path / "cache").read_text() == "not a folder"


def test_a_folder_in_place_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "features.sqlite").mkdir()
    assert works(tmp_path) == Troubles(unusable=str(tmp_path), why="unable to open database file")


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk(tmp_path: Path) -> None:
    found = works(tmp_path)
    assert (found.unusable, found.store_damaged) == (str(tmp_path), False)


def test_a_store_that_another_process_has_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headstart.store.WAIT", 0.1)
    with FeatureStore(tmp_path) as store:
        store.write({"a": rows(1)})
    other = sqlite3.connect(tmp_path / "features.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    assert works(tmp_path) == Troubles(unusable=str(tmp_path), why="database is locked")
    other.execute("ROLLBACK")
    other.close()
    assert works(tmp_path) == Troubles()


def test_several_processes_may_begin_a_store_at_once(tmp_path: Path) -> None:
    script = (
        "import sys, numpy as np\n"
        "from pathlib import Path\n"
        "from headstart.store import FeatureStore\n"
        "from headstart.cache_folder import Troubles, troubles\n"
        "sys.stdin.read()\n"
        "with FeatureStore(Path(sys.argv[1])) as store:\n"
        "    for i in range(20):\n"
        "        key = f'{i:02}' * 32\n"
        "        store.write({'a': {key: np.full(4, i, np.float32)}})\n"
        "        assert store.read('a', [key], 4)[0, 0] == i\n"
        "assert troubles() == Troubles()\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(3)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()
    for process in processes:
        assert process.stderr is not None
        said = process.stderr.read()
        process.stderr.close()
        assert (process.wait(), said) == (0, b"")
    with FeatureStore(tmp_path) as store:
        assert store.count() == 20


def test_a_header_that_allows_no_writing_is_damage(tmp_path: Path) -> None:
    with FeatureStore(tmp_path) as store:
        store.write({"a": rows(1)})
    file = tmp_path / "features.sqlite"
    content = bytearray(file.read_bytes())
    content[18] = 3  # the version that may write
    file.write_bytes(content)
    assert works(tmp_path) == Troubles(store_damaged=True)
