from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

import insisting
import sources
from headstart.errors import DataError
from headstart.images.folder import scan
from headstart.images.formats.reading import labels_of
from test_images_formats_registry import trained_on


@pytest.mark.parametrize(("layout", "format"), [("webdataset", "webdataset")])
def test_a_format_that_is_insisted_on_is_read_or_refused(layout: str, format: str, tmp_path: Path) -> None:
    insisting.require_same_set(layout, format, tmp_path / "one")
    insisting.require_refusal(format, tmp_path / "other")


@pytest.mark.parametrize("ending", ["tar.gz", "tgz"])
def test_compressed_shards_and_names_with_several_dots(ending: str, tmp_path: Path) -> None:
    pictures = sources.drawn(splits=True)
    (tmp_path / "a").mkdir()
    for split in ("train", "val", "test"):
        with tarfile.open(tmp_path / "a" / f"{split}-000000.{ending}", "w:gz") as archive:
            for at, each in enumerate(picture for picture in pictures if picture.split == split):
                for name, data in ((f"x/{at}.image.png", each.data), (f"x/{at}.label.cls", each.label.encode())):
                    info = tarfile.TarInfo(name)
                    info.size = len(data)
                    archive.addfile(info, io.BytesIO(data))
    folders = sources.folders(tmp_path / "folders", pictures)
    assert trained_on(scan(tmp_path / "a")) == trained_on(scan(folders))


def shard(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir()
    with tarfile.open(folder / "train-000000.tar", "w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return folder


def test_a_second_picture_of_a_sample_is_listed(tmp_path: Path) -> None:
    drawn = sources.drawn()
    files = {
        f"{at}.{view}.png": drawn[2 * at + (view == "right")].data for at in range(5) for view in ("left", "right")
    }
    files |= {f"{at}.cls": drawn[2 * at].label.encode() for at in range(5)}
    found = labels_of(shard(tmp_path / "a", files))
    assert sorted(entry.path.name for entry in found.entries) == [f"{at}.left.png" for at in range(5)]
    assert sorted(out.path.name for out in found.left_out) == [f"{at}.right.png" for at in range(5)]


def test_a_class_without_a_picture_is_refused(tmp_path: Path) -> None:
    drawn = sources.drawn()
    files = {"0.png": drawn[0].data, "0.cls": b"cat", "1.cls": b"dog"}
    with pytest.raises(DataError, match=r"expected: a picture beside every class\n *found: 1\.cls"):
        labels_of(shard(tmp_path / "a", files))


@pytest.mark.parametrize(
    ("cls", "document", "is_refused"),
    [("cat", '{"label": "dog"}', True), ("0", '{"label": 1}', True), ("0", '{"label": "cat"}', False),
     ("cat", '{"width": 7}', False), ("cat", "{", False)],
)  # fmt: skip
def test_two_files_that_name_two_classes_of_a_picture_are_refused(
    cls: str, document: str, is_refused: bool, tmp_path: Path
) -> None:
    (each,) = sources.drawn()[:1]
    tar = shard(tmp_path / "a", {"1.png": each.data, "1.cls": cls.encode(), "1.json": document.encode()})
    if is_refused:
        with pytest.raises(DataError, match=r"found: record 1: train/1\.png: \{\"cls\": "):
            labels_of(tar)
    else:
        assert [entry.label for entry in labels_of(tar).entries] == [cls]
