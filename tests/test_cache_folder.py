"""The cache folder: where it is, that only what is ours is removed from it, and that damage is noticed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from headstart.cache_folder import (
    DEFAULT_LIMIT_GB,
    Hold,
    Troubles,
    cache_folder,
    clear,
    entries,
    keep,
    kept,
    made,
    size_limit,
    sizes,
    troubles,
)
from headstart.errors import OptionError


def test_the_environment_names_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "here"))
    assert cache_folder() == tmp_path / "here"
    monkeypatch.setenv("HEADSTART_CACHE", "~/there")
    assert cache_folder() == Path.home() / "there"


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="the folder of Linux")
def test_else_it_is_the_platforms_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HEADSTART_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "headstart"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert cache_folder() == Path.home() / ".cache" / "headstart"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "headstart"
    assert not (tmp_path / "xdg").exists()


def test_a_limit_that_is_no_number_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for text in ("lots", "0", "-1", "nan", "inf"):
        monkeypatch.setenv("HEADSTART_CACHE_GB", text)
        with pytest.raises(OptionError, match=f"expected: a number of gigabytes above 0\n   found: '{text}'"):
            size_limit()
    monkeypatch.setenv("HEADSTART_CACHE_GB", "2")
    assert size_limit() == 2_000_000_000
    monkeypatch.setenv("HEADSTART_CACHE_GB", "")
    assert size_limit() == DEFAULT_LIMIT_GB * 1e9
    monkeypatch.delenv("HEADSTART_CACHE_GB")
    assert size_limit() == DEFAULT_LIMIT_GB * 1e9


def fill(folder: Path, *names: str, bytes: int = 10) -> list[Path]:
    """Files in ``folder``, each used a second after the one before."""
    files = [folder / name for name in names]
    for second, file in enumerate(files):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x" * bytes)
        os.utime(file, (1_000 + second, 1_000 + second))
        if len(file.relative_to(folder).parts) == 3:
            os.utime(file.parent, (1_000 + second, 1_000 + second))
    return files


A, B, C = ("a" * 32, "b" * 32, "c" * 32)
OURS = (
    "features.sqlite", "features.sqlite-wal", "features.sqlite-shm", "features.damaged-1764",
    f"graphs/{A}/graph.xml", f"graphs/{A}/graph.bin", f"graphs/{A}/graph.json", f"graphs/{A}/reference.safetensors",
    f"graphs/{A}/network.json", f"graphs/{A}/.graph.json-{B}.part", "graphs/.unfinished-k_2x/graph/graph.xml",
    f"maps/{A}/maps.bin", f"maps/{A}/sums.bin", f"maps/{A}/done.bin", f"maps/{A}/.sums.bin-{B}.part",
    f"checkpoints/{A}-5", f"checkpoints/.{A}-5-{B}.part", f"depths/{A}.json", f"arithmetic/{A}.json",
)  # fmt: skip
THEIRS = (
    "cat.jpg", "features.csv", "features.sqlite.jpg", "graphs/plot.png", "graphs/cat/graph.xml", "maps/cat.jpg",
    f"maps/{B}/cat.jpg", "maps/maps.bin", "checkpoints/model.pt", "depths/cat.json", f"depths/{A}/cat.json",
    "dogs/features.sqlite", f"dogs/maps/{A}/maps.bin",
)  # fmt: skip


def test_clear_removes_all_that_is_ours_and_nothing_else(tmp_path: Path) -> None:
    """Also where the cache is wrongly a folder of pictures."""
    ours, theirs = fill(tmp_path, *OURS), fill(tmp_path, *THEIRS)
    cleared = clear(tmp_path)
    assert (cleared.freed, cleared.in_use, cleared.refused) == (10 * len(OURS), 0, {})
    assert not any(file.exists() for file in ours)
    assert all(file.exists() for file in theirs)
    assert not (tmp_path / "arithmetic").exists()
    assert clear(tmp_path).freed == 0
    assert clear(tmp_path / "nowhere").freed == 0


def test_a_folder_that_cannot_be_listed_is_not_called_empty(tmp_path: Path) -> None:
    (file,) = fill(tmp_path, "cache")
    assert clear(file).refused == {file: "Not a directory"}


def test_clear_follows_no_link(tmp_path: Path) -> None:
    (theirs,) = fill(tmp_path / "theirs", "graph.xml")
    (tmp_path / "cache" / "graphs").mkdir(parents=True)
    (tmp_path / "cache" / "graphs" / A).symlink_to(tmp_path / "theirs")
    clear(tmp_path / "cache")
    assert theirs.exists()
    assert not (tmp_path / "cache" / "graphs").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows itself keeps files that are open")
def test_what_a_process_uses_is_not_cleared(tmp_path: Path) -> None:
    graph, maps = fill(tmp_path, f"graphs/{A}/graph.xml", f"maps/{B}/maps.bin")
    held = Hold(graph)
    assert [entry.is_held() for entry in entries(tmp_path)] == [True, False]
    cleared = clear(tmp_path)
    assert (cleared.in_use, graph.exists(), maps.exists()) == (1, True, False)
    del held
    assert clear(tmp_path).freed == 10
    assert not (tmp_path / "graphs").exists()


def test_entries_come_in_the_order_of_their_use_with_their_bytes(tmp_path: Path) -> None:
    fill(tmp_path, f"checkpoints/{A}-5", f"graphs/{A}/graph.xml", f"graphs/{A}/graph.bin", "features.sqlite")
    fill(tmp_path, "graphs/plot.png")
    found = [(entry.kind, entry.used, entry.bytes) for entry in entries(tmp_path)]
    assert found == [("checkpoints", 1_000.0, 10), ("graphs", 1_002.0, 20)]
    assert {kind: size for kind, size in sizes(tmp_path).items() if size} == {
        "features": 10,
        "graphs": 20,
        "checkpoints": 10,
    }


def test_what_was_never_written_takes_no_room(tmp_path: Path) -> None:
    (file,) = fill(tmp_path, f"maps/{A}/maps.bin")
    with file.open("r+b") as stream:
        stream.truncate(10**9)
    assert sizes(tmp_path)["maps"] < 10**6


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"channels": [1, 3]}', "\x00" * 20])
def test_a_damaged_finding_is_none_and_counted(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "depths" / f"{A}.json"
    assert kept(file) is None
    keep(file, {"channels": [1, 2]})
    assert kept(file) == {"channels": [1, 2]}
    assert troubles() == Troubles()
    file.write_text(damage or file.read_text().replace("2", "3", 1))
    assert kept(file) is None
    assert troubles() == Troubles(damaged=1)
    keep(file, {"channels": [1, 2]})
    assert kept(file) == {"channels": [1, 2]}


def test_a_folder_in_place_of_a_finding_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / "depths" / f"{A}.json"
    file.mkdir(parents=True)
    assert kept(file) is None
    keep(file, {"a": 1})
    assert kept(file) == {"a": 1}


def test_a_folder_that_cannot_be_entered_holds_no_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Path, **_: object) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_text", refused)
    monkeypatch.setattr(Path, "stat", refused)  # what Path.is_dir asks, which passes this error on
    assert kept(tmp_path / "pace" / "x.json") is None
    assert troubles() == Troubles()


def test_where_nothing_can_be_kept_the_first_reason_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("not a folder")
    assert kept(tmp_path / "cache" / "depths" / "x.json") is None
    keep(tmp_path / "cache" / "depths" / "x.json", {"a": 1})
    keep(tmp_path / "cache" / "depths" / "y.json", {"a": 1})
    assert troubles() == Troubles(unusable=str(tmp_path / "cache"), why="Not a directory")
    assert troubles() == Troubles()


def test_without_a_home_no_folder_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="there is no home folder"):
        made(Path("~") / ".cache" / "headstart")
    assert list(tmp_path.iterdir()) == []


def test_an_entry_is_removed_but_for_what_is_not_ours(tmp_path: Path) -> None:
    maps, graph, cat = fill(tmp_path, f"maps/{A}/maps.bin", f"graphs/{B}/graph.xml", f"graphs/{B}/cat.jpg")
    assert [entry.remove() for entry in entries(tmp_path)] == [True, False]
    assert [file.exists() for file in (maps, graph, cat)] == [False, False, True]
