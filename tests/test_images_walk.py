from __future__ import annotations

from pathlib import Path

import pytest

from headstart.images.walk import children, files_below, is_junk


@pytest.mark.parametrize(
    "name", [".DS_Store", ".ipynb_checkpoints", "Thumbs.db", "THUMBS.DB", "desktop.ini", "__MACOSX"]
)
def test_junk_is_known_by_name(name: str) -> None:
    assert is_junk(name)
    assert not is_junk(f"my {name.strip('._')} picture.jpg")


def test_children_come_in_string_order_without_junk(tmp_path: Path) -> None:
    for name in ("b10.jpg", "b9.jpg", ".hidden", "Thumbs.db"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "sub").mkdir()
    folders, files = children(tmp_path)
    assert [folder.name for folder in folders] == ["sub"]
    assert [file.name for file in files] == ["b10.jpg", "b9.jpg"]


def test_links_that_go_in_circles_are_survived(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "x.jpg").write_bytes(b"x")
    (tmp_path / "a" / "b" / "back").symlink_to(tmp_path / "a", target_is_directory=True)
    (tmp_path / "a" / "self").symlink_to(tmp_path / "a" / "self")
    files, unreadable = files_below(tmp_path / "a")
    assert [file.name for file in files if file.is_file()] == ["x.jpg"]
    assert unreadable == []
