from __future__ import annotations

import os
from pathlib import Path

import pytest

import sources
from headstart.errors import DataError, OptionError
from headstart.images.folder import scan
from headstart.workflows.convert import FORMATS, convert
from test_images_formats_registry import trained_on


@pytest.mark.parametrize("to", [*FORMATS])
@pytest.mark.parametrize("copy", [False, True])
def test_what_is_written_gives_the_same_set_with_splits_and_groups(tmp_path: Path, to: str, copy: bool) -> None:
    table = sources.our_table(tmp_path / "from", sources.drawn(6, splits=True))
    header, *rows = table.read_text(encoding="utf-8").splitlines()
    grouped = [f"{header},group", *(f"{row},{'burst' if '/0000' in row or '/0001' in row else ''}" for row in rows)]
    table.write_text("\n".join(grouped), encoding="utf-8")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "from").rglob("*")}
    images = scan(table)
    done = convert(table, to, tmp_path / "to", copy=copy)
    assert (done.pictures, done.linked) == (16, not copy and to != "webdataset")
    assert trained_on(scan(tmp_path / "to")) == trained_on(images)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "from").rglob("*")} == before
    linked = [path for path in (tmp_path / "to").rglob("*.png") if path.stat().st_nlink > 1 or path.is_symlink()]
    assert bool(linked) == done.linked
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_equal_names_are_told_apart(tmp_path: Path) -> None:
    first, second = sources.drawn()[:5], sources.drawn()[5:]
    for folder, pictures in (("x", first), ("y", second)):
        for number, each in enumerate(pictures):
            sources.put(tmp_path / "from" / each.label / folder, f"{number}.png", each.data)
            sources.put(tmp_path / "from" / each.label, f"{number}.PNG", each.data)
    images = scan(tmp_path / "from")
    for to in ("folders", "imagefolder", "csv"):
        assert convert(tmp_path / "from", to, tmp_path / to).pictures == 20
        assert trained_on(scan(tmp_path / to)) == trained_on(images)


def test_an_archive_is_copied_and_an_output_that_is_not_empty_refused(tmp_path: Path) -> None:
    source = sources.zipped(tmp_path / "from", sources.drawn())
    assert not convert(source, "folders", tmp_path / "to").linked
    with pytest.raises(OptionError, match="expected: a new or empty folder"):
        convert(source, "csv", tmp_path / "to")
    with pytest.raises(OptionError, match="expected: one of csv, folders, imagefolder, webdataset"):
        convert(source, "coco", tmp_path / "other")
    folder = sources.class_folders(tmp_path / "photos", sources.drawn())
    with pytest.raises(OptionError, match="a folder outside the pictures"):
        convert(folder, "csv", folder / "inside")
    assert not os.path.lexists(folder / "inside")


def test_classes_that_no_folder_can_be_called_are_named(tmp_path: Path) -> None:
    table = sources.our_table(tmp_path / "from", sources.drawn(classes=("a/b", "train")))
    with pytest.raises(DataError, match=r"found: 'a/b', 'train'\n   to do: convert --to csv"):
        convert(table, "folders", tmp_path / "to")
    assert not (tmp_path / "to").exists()


def test_a_table_that_says_otherwise_than_folders_is_the_only_reading_of_what_is_written(tmp_path: Path) -> None:
    pictures = sources.drawn()
    folder = sources.class_folders(tmp_path / "from", pictures)
    named = {path.stem: path for path in folder.rglob("*.png")}
    rows = [f"{named[each.name.removesuffix('.png')].relative_to(folder)},{each.label}" for each in pictures]
    rows[0] = f"{rows[0].rpartition(',')[0]},{pictures[-1].label}"  # a label that somebody put right
    table = sources.put_text(folder, "labels.csv", "\n".join(["path,label", *rows]))
    images = scan(table)
    convert(table, "csv", tmp_path / "to")
    assert trained_on(scan(tmp_path / "to")) == trained_on(images)
