from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

import broken
import sources
from broken import Row, good
from headstart.errors import DataError
from headstart.images.formats.unlabelled import pictures_of


def named(*inputs: Path | str) -> list[str]:
    found = pictures_of(inputs)
    assert all(path.is_absolute() for path in found.paths)
    return [found.name(i) for i in range(len(found.paths))]


def test_files_folders_and_patterns_are_as_they_are(tmp_path: Path) -> None:
    for each in sources.drawn()[:2]:
        sources.put(tmp_path, f"a/{each.name}", each.data)
    note = sources.put_text(tmp_path, "notes.txt", "no list")
    gone = tmp_path / "gone.png"
    files = [str(tmp_path / "a" / name) for name in ("0000.png", "0001.png")]
    assert named(tmp_path / "a", f"{tmp_path}/a/*1.png", note, gone) == [*files, files[1], str(note), str(gone)]
    assert not pictures_of([tmp_path]).in_cache


def test_an_archive_is_what_lies_in_it(tmp_path: Path) -> None:
    source = sources.zipped(tmp_path, sources.drawn())
    assert named(source)[:2] == ["photos/train/cat/0000.png", "photos/train/cat/0001.png"]
    assert pictures_of([source]).in_cache
    assert named(source, source)[10:] == named(source)
    shards = sources.webdataset(tmp_path / "shards", sources.drawn()) / "train-000000.tar"
    assert named(shards) == [f"{name}.png" for name in ("0000", "0002", "0004", "1001", "1003")]
    with zipfile.ZipFile(source, "a") as archive:
        archive.writestr("../out.png", b"x")
    with pytest.raises(DataError, match=r"a path with \.\. in it"):
        pictures_of([source])


@pytest.mark.parametrize("name", ["comma", "tab", "lines", "imagefolder_parquet"])
def test_a_table_is_its_files_in_order(name: str, tmp_path: Path) -> None:
    source = broken.FORMATS[name](tmp_path / "a", [*good()[5:], *good()[:5], Row("0002.png", ())])
    source = source / "metadata.parquet" if source.is_dir() else source
    assert named(source) == [row.name for row in [*good()[5:], *good()[:5], good()[2]]], "also what is there twice"
    source = broken.FORMATS[name](tmp_path / "b", [*good(), Row("gone.png", ()), Row("", ("cat",))])
    source = source / "metadata.parquet" if source.is_dir() else source
    with pytest.raises(DataError, match=r"(line 13|record 12): no path[^§]*(line 12|record 11): gone\.png"):
        pictures_of([source])


def test_a_table_of_nothing_but_files(tmp_path: Path) -> None:
    broken.pictures(tmp_path / "files")
    table = sources.put_text(tmp_path, "new.csv", "path\nfiles/1001.png\nfiles/0003.png\n")
    assert named(table) == ["files/1001.png", "files/0003.png"]
    lines = sources.put_text(tmp_path, "new.jsonl", '{"file": "files/0003.png"}\n{"file": "files/0001.png"}\n')
    assert named(lines) == ["files/0003.png", "files/0001.png"]
    empty = sources.put_text(tmp_path, "empty.csv", "")
    with pytest.raises(DataError, match="columns path\n   found: an empty file\n   to do: add the header"):
        pictures_of([empty])


@pytest.mark.parametrize("name", ["parquet", "label_studio", "coco", "cvat"])
def test_labels_that_are_no_list_of_files_are_refused_in_words(name: str, tmp_path: Path) -> None:
    source = broken.FORMATS[name](tmp_path / "a", good())
    with pytest.raises(DataError, match="to do: give the pictures themselves, or first: headstart convert"):
        pictures_of([source])
