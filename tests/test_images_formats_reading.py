from __future__ import annotations

from pathlib import Path

import pytest

import sources
from headstart.images.formats.reading import picture_folders
from pictures import picture
from test_images_formats_table import table


def test_the_folders_in_which_nothing_is_written(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for name in ("home/photos/cat/1.jpg", "home/photos/2.jpg", "elsewhere/3.jpg"):
        picture(tmp_path / name, 1)
    path = table(home, f"path,label\na.jpg,x\nphotos/cat/1.jpg,x\nphotos/2.jpg,y\n{tmp_path / 'elsewhere/3.jpg'},y\n")
    assert picture_folders(path) == (home / "photos", tmp_path / "elsewhere")
    assert picture_folders(home) == ()


@pytest.mark.parametrize("name", ["zipped", "tarred", "webdataset", "parquet"])
def test_a_file_that_holds_its_pictures_is_not_read_for_that(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = getattr(sources, name)(tmp_path, sources.drawn())
    if source.is_dir():
        source = min([*source.rglob("*.tar"), *source.rglob("*.parquet")])
    monkeypatch.setattr("headstart.images.formats.reading.labels_of", None)
    assert picture_folders(source) == ()
