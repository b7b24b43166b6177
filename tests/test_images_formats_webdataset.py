from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

import insisting
import sources
from headstart.images.folder import scan
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
