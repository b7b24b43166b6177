from __future__ import annotations

from pathlib import Path

import pytest

from headstart.errors import DataError
from headstart.images.decode import encode
from headstart.images.folder import scan
from headstart.recipes.pictures import usable
from pictures import draw, write_folder


def cut(path: Path, seed: int) -> None:
    whole = encode(draw("rings", seed, side=96), format="JPEG")
    path.write_bytes(whole[: len(whole) // 2])


def test_a_picture_that_cannot_be_decoded_is_left_out_with_its_reason(tmp_path: Path) -> None:
    write_folder(tmp_path, {"rings": 5, "stripes": 4}, side=32)
    whole = scan(tmp_path)
    assert usable(whole, size=32) is whole
    cut(tmp_path / "rings" / "cut.jpeg", 7)
    images = scan(tmp_path)
    assert len(images) == 10  # its header is sound
    found = usable(images, size=32)
    assert found.paths == whole.paths
    ((path, reason),) = [(out.path.name, out.reason) for out in found.left_out]
    assert path == "cut.jpeg"
    assert reason


def test_too_few_that_are_left_are_refused(tmp_path: Path) -> None:
    write_folder(tmp_path, {"rings": 3, "stripes": 4}, side=32)
    cut(tmp_path / "rings" / "cut.jpeg", 7)
    with pytest.raises(DataError, match="'rings' has 3"):
        usable(scan(tmp_path), size=32)
