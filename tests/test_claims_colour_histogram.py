from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from headstart.claims.colour_histogram import colour_histogram, colours
from headstart.images.decode import encode


def test_a_plain_picture_fills_one_bin_of_each() -> None:
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = 255
    found = colour_histogram(red)
    assert found.shape == (118,)
    assert found[15] == found[16] == found[32] == 1  # brightest red, darkest green, darkest blue
    assert found[:48].sum() == 3
    assert found[48 + 3 * 16] == 1
    assert found[-6:].tolist() == [1, 0, 0, 0, 0, 0]


def test_where_the_colours_are_does_not_matter() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (16, 16, 3)).astype(np.uint8)
    assert colour_histogram(picture) == pytest.approx(colour_histogram(picture[::-1, ::-1]))


def test_files_in_the_order_given(tmp_path: Path) -> None:
    paths = []
    for number, value in enumerate((0, 128, 255)):
        paths.append(tmp_path / f"{number}.png")
        paths[-1].write_bytes(encode(np.full((30, 40, 3), value, np.uint8), format="PNG"))
    found = colours(paths)
    assert found[:, -6] == pytest.approx([0, 128 / 255, 1])
