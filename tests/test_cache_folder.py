"""The cache folder: where it is, that only what is ours is removed from it, and that damage is noticed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from headstart.cache_folder import DEFAULT_LIMIT_GB, cache_folder, size_limit
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
    monkeypatch.delenv("HEADSTART_CACHE_GB")
    assert size_limit() == DEFAULT_LIMIT_GB * 1e9
