from __future__ import annotations

from pathlib import Path

import pytest

import sources
from headstart.images.formats.reading import labels_of, picture_folders
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


def test_labels_that_are_refused_beside_class_folders_are_left_out_with_the_reason(tmp_path: Path) -> None:
    """Two folders of pictures, each with the same names: to which the table's names belong it does not say."""
    pictures = sources.drawn()
    for folder in ("x", "y"):
        for number, each in enumerate(pictures):
            sources.put(tmp_path / "img" / folder, each.name, each.data + bytes([number, ord(folder)]))
    rows = "".join(f"{each.name},{each.label}\n" for each in pictures)
    sources.put_text(tmp_path / "img", "labels.csv", f"path,label\n{rows}")
    (out,) = labels_of(tmp_path / "img").left_out
    assert out.path.name == "labels.csv"
    assert out.reason.startswith(
        "labels that cannot be read: expected names that say in which folder a file lies, found "
    )
