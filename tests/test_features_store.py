from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from headstart.cache_folder import Troubles, troubles
from headstart.features.store import FeatureStore, open_store


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
        "from headstart.features.store import FeatureStore\n"
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
