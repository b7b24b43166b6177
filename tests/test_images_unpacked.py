from __future__ import annotations

from pathlib import Path

import pytest

from headstart.errors import DataError
from headstart.images import unpacked as module
from headstart.images.unpacked import is_sound, unpacked

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
