from __future__ import annotations

import os
from pathlib import Path

import pytest

from headstart.images.inputs import find_images
from pictures import classes_in, picture


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
    assert find_images([str(tmp_path / "in" / "**" / "*.png")]) == [folder / "a.png", folder / "b" / "2.png"]
    assert find_images(["none*.png"]) == [Path("none*.png")]
    assert find_images(["nul\0", "x" * 5000]) == [Path("nul\0"), Path("x" * 5000)]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may read everything")
def test_folders_that_may_not_be_listed_are_kept_for_the_caller_to_name(tmp_path: Path) -> None:
    classes_in(tmp_path, "a b")
    locked = tmp_path / "a" / "locked"
    locked.mkdir(mode=0)
    assert locked in find_images([tmp_path])
