from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from headstart.deploy.model import Model
from headstart.errors import ModelError, OptionError
from headstart.workflows.serve import LiveModel, ServeOptions, read_token


def test_loopback_is_open_and_all_else_needs_a_token() -> None:
    for host in ("127.0.0.1", "127.8.8.8", "::1", "localhost"):
        assert ServeOptions(host=host).token is None
    for host in ("0.0.0.0", "::", "192.168.1.4", "example.org"):
        with pytest.raises(OptionError, match=rf"found: --host {host} without one\n   to do: add --token-file FILE"):
            ServeOptions(host=host)
        assert ServeOptions(host=host, token="t" * 20).host == host


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(OptionError, match="3 problems") as error:
        ServeOptions(port=70000, workers=0, host="0.0.0.0")
    assert "expected: a port from 0 to 65535\n   found: 70000" in str(error.value)
    assert "expected: one worker or more\n   found: 0" in str(error.value)
    assert ServeOptions(workers=3).decoders == 3
    assert ServeOptions().decoders >= 1


def test_a_token_is_the_only_line_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("abcdefghijklmnop\n")
    assert read_token(file) == "abcdefghijklmnop"
    for text in ("", "short", "two words of a token", "abcdefghijklmnop\nabcdefghijklmnop", "ä" * 20):
        file.write_text(text)
        with pytest.raises(OptionError, match="a token of 16 printable characters or more"):
            read_token(file)
    with pytest.raises(OptionError, match="No such file"):
        read_token(tmp_path / "none")


@pytest.fixture
def folder(run_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run_folder / "model", tmp_path / "model"))


def test_a_newer_model_takes_the_place_of_the_one_before(folder: Path) -> None:
    live = LiveModel(folder)
    first = live.current
    assert live.name == "model"
    assert not live.has_changed()
    assert live.reload() is False
    assert live.current is first
    other = Model.load(folder)
    replace(other, head=replace(other.head, temperature=2.0)).save(folder)
    assert live.has_changed()
    assert live.reload() is True
    assert not live.has_changed()
    assert live.current.model.head.temperature == 2.0
    assert live.current.fingerprint != first.fingerprint


def test_one_that_cannot_be_used_is_tried_again_once_its_files_are_others(folder: Path) -> None:
    live = LiveModel(folder)
    first, document = live.current, (folder / "model.json").read_text()
    (folder / "model.json").unlink()
    assert live.has_changed()
    with pytest.raises(ModelError):
        live.reload()
    assert not live.has_changed()
    assert live.current is first
    (folder / "model.json").write_text(document)
    assert live.has_changed()
    assert live.reload() is False


def test_a_folder_without_a_model_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is not a model"):
        LiveModel(tmp_path)
