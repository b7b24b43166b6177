from __future__ import annotations

from pathlib import Path

import pytest

from headstart import exchange as module
from headstart.exchange import exchange


@pytest.mark.parametrize("at_one_instant", [True, False])
def test_files_folders_and_links_change_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_one_instant: bool
) -> None:
    if not at_one_instant:
        monkeypatch.setattr(module, "_at_one_instant", lambda a, b: False)
    file, folder, link = tmp_path / "file", tmp_path / "folder", tmp_path / "link"
    file.write_text("in the file")
    folder.mkdir()
    (folder / "inside").write_text("in the folder")
    link.symlink_to("file")
    exchange(file, folder)
    assert (folder.read_text(), (file / "inside").read_text()) == ("in the file", "in the folder")
    exchange(link, file)
    assert (link / "inside").read_text() == "in the folder"
    assert file.is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder", "link"]


@pytest.mark.parametrize("at_one_instant", [True, False])
def test_what_is_not_there_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_one_instant: bool
) -> None:
    if not at_one_instant:
        monkeypatch.setattr(module, "_at_one_instant", lambda a, b: False)
    (tmp_path / "file").write_text("kept")
    with pytest.raises(FileNotFoundError):
        exchange(tmp_path / "nothing", tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "kept"
