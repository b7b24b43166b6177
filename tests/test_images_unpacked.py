from __future__ import annotations

from pathlib import Path

import pytest

from headstart.errors import DataError
from headstart.images import unpacked as module
from headstart.images.unpacked import is_sound, unpacked
from headstart.store import FeatureStore

KEY = "0" * 32


def written(folder: Path) -> None:
    (folder / "a.txt").write_text("one", encoding="utf-8")


def test_it_is_written_once_and_damage_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path))
    monkeypatch.setattr(module, "_holds", {})
    folder = unpacked(KEY, written, needed=3, what="a source")
    assert (folder / "a.txt").read_text(encoding="utf-8") == "one"
    assert unpacked(KEY, lambda target: pytest.fail("written twice"), needed=3, what="a source") == folder
    module._holds.clear()
    (folder / "a.txt").chmod(0o644)
    (folder / "a.txt").write_text("two", encoding="utf-8")
    assert not is_sound(folder.parent)
    again = unpacked(KEY, written, needed=3, what="a source")
    assert (again / "a.txt").read_text(encoding="utf-8") == "one"
    module._holds.clear()


def test_more_than_there_is_room_for_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path))
    with pytest.raises(DataError, match="a source"):
        unpacked(KEY, written, needed=10**18, what="a source")


def test_room_is_made_of_what_is_oldest_but_for_what_was_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows count, and go, as files do; what was fetched of the source itself stays."""
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path))
    monkeypatch.setenv("HEADSTART_CACHE_GB", "0.00001")
    begun, old = tmp_path / "downloads" / KEY, tmp_path / "downloads" / ("1" * 32)
    for folder in (begun, old):
        (folder / "parts").mkdir(parents=True)
        (folder / "parts" / "0").write_bytes(bytes(range(250)) * 4)
    monkeypatch.setattr("headstart.store._today", lambda: 1)
    with FeatureStore(tmp_path) as store:
        store.keep("space", {"00": bytes(8000)})
    monkeypatch.setattr("headstart.store._today", lambda: 30_000)
    module.require_room(begun, 8000, "a source")
    with FeatureStore(tmp_path) as store:
        assert store.count() == 0
    assert (begun / "parts" / "0").exists()
    module.require_room(begun, 9000, "a source")
    assert (begun / "parts" / "0").exists()
    assert not (old / "parts" / "0").exists()


def test_a_cache_that_cannot_be_made_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match="a cache folder that can be written"):
        module.require_room(tmp_path / "file" / KEY, 1, "a source")
