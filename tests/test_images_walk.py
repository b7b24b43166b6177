from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from headstart.errors import DiskError
from headstart.images import walk
from headstart.images.walk import children, files_below, find_images, find_names, is_junk
from pictures import classes_in, picture


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


def test_a_folder_is_entered_by_its_own_path_before_any_link_to_it(tmp_path: Path) -> None:
    (tmp_path / "in" / "zoo").mkdir(parents=True)
    (tmp_path / "in" / "zoo" / "1.png").touch()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "2.png").touch()
    (tmp_path / "in" / "a").symlink_to("zoo", target_is_directory=True)
    (tmp_path / "in" / "b").symlink_to(tmp_path / "out", target_is_directory=True)
    assert [file.relative_to(tmp_path / "in").as_posix() for file in files_below(tmp_path / "in")[0]] == [
        "b/2.png",
        "zoo/1.png",
    ]


def test_links_that_go_in_circles_are_survived(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "x.jpg").write_bytes(b"x")
    (tmp_path / "a" / "b" / "back").symlink_to(tmp_path / "a", target_is_directory=True)
    (tmp_path / "a" / "self").symlink_to(tmp_path / "a" / "self")
    files, unreadable = files_below(tmp_path / "a")
    assert [file.name for file in files if file.is_file()] == ["x.jpg"]
    assert unreadable == []


def test_find_pictures_keeps_order_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = picture(tmp_path / "in" / "b" / "2.png", 1).parent.parent
    picture(folder / "a.png", 2)
    picture(folder / ".hidden.png", 3)
    (folder / "notes.txt").write_text("kept: the caller says that it is no picture")
    (folder / "Thumbs.db").touch()
    picture(tmp_path / "odd[1].png", 4)
    inside = [Path("in/a.png"), Path("in/b/2.png"), Path("in/notes.txt")]
    assert find_images(["in"]) == inside
    assert find_images(["gone.png", tmp_path / "odd[1].png", "in", "gone.png"]) == [
        Path("gone.png"),
        tmp_path / "odd[1].png",
        *inside,
        Path("gone.png"),
    ]
    assert find_images(["odd[1].png", "in/*.png", "in/.hidden.png"]) == [
        Path("odd[1].png"),
        Path("in/a.png"),
        Path("in/.hidden.png"),
    ]
    assert sorted(find_images(["in/**"])) == inside
    assert find_images(["./in/"]) == inside
    assert find_names(["in", "."])[:4] == ["in/a.png", "in/b/2.png", "in/notes.txt", "in/a.png"]
    assert find_images([str(tmp_path / "in" / "**" / "*.png")]) == [folder / "a.png", folder / "b" / "2.png"]
    assert find_images(["none*.png"]) == [Path("none*.png")]
    assert find_images(["nul\0", "x" * 5000]) == [Path("nul\0"), Path("x" * 5000)]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may read everything")
def test_folders_that_may_not_be_listed_are_kept_for_the_caller_to_name(tmp_path: Path) -> None:
    classes_in(tmp_path, "a b")
    locked = tmp_path / "a" / "locked"
    locked.mkdir(mode=0)
    assert locked in find_images([tmp_path])


@pytest.mark.parametrize(
    ("number", "found"),
    [(errno.EIO, "Input/output error"), (errno.ENOENT, "the folder, or all that was in it, has vanished")],
)
def test_a_disk_that_does_not_answer_leaves_nothing_out(
    number: int, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture(tmp_path / "a" / "0.png", 1)

    def failing(folder: str) -> None:
        raise OSError(number, os.strerror(number), str(folder))

    monkeypatch.setattr(walk, "names_in", failing)
    with pytest.raises(DiskError) as caught:
        files_below(tmp_path)
    assert caught.value.problems[0].found == f"{tmp_path}: {found}"
