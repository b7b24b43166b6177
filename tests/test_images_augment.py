"""Varied views: seeded, turned about the centre, mirrored at the edge."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.images.augment import rotated, vary
from headstart.images.decode import encode
from headstart.images.transforms import Geometry, load
from pictures import draw

GEOMETRY = Geometry(size=48, mode="squash")


def test_a_quarter_turn_is_numpy_s() -> None:
    picture = draw("rings", 0, side=33)
    np.testing.assert_array_equal(rotated(picture, 0.25), np.rot90(picture))
    np.testing.assert_array_equal(rotated(picture, 0.0), picture)


def test_what_comes_from_outside_is_mirrored() -> None:
    picture = np.zeros((16, 16, 3), np.uint8)
    picture[0] = 200  # after an eighth of a turn, a corner shows what lies above the edge: the edge again
    assert (rotated(picture, 0.125) > 0).any()
    plain = np.full((16, 16, 3), 77, np.uint8)
    assert (rotated(plain, 0.13) == 77).all()


@pytest.mark.parametrize("kind", ["crop", "rotate"])
def test_same_seed_same_pixels_and_seeds_differ(kind: str) -> None:
    source = encode(draw("stripes", 1))
    views = vary(source, GEOMETRY, kind, (0, 0, 1, 2), area=(0.3, 1.0), turn=0.2)
    np.testing.assert_array_equal(views[0], views[1])
    assert len({view.tobytes() for view in views}) == 3
    assert views[0].shape == (48, 48, 3)


def test_none_is_the_plain_view() -> None:
    source = encode(draw("blobs", 1))
    (plain,) = vary(source, GEOMETRY, "none", [5], area=(0.3, 1.0), turn=0.2)
    np.testing.assert_array_equal(plain, load(source, GEOMETRY)[0])


def test_half_of_the_turned_views_are_mirrored() -> None:
    picture = np.zeros((32, 32, 3), np.uint8)
    picture[:, 16:] = 255
    source = encode(picture, format="PNG")
    views = vary(source, GEOMETRY, "rotate", range(60), area=(1, 1), turn=0.05)
    right = [view[:, 30:].mean() > 128 for view in views]
    assert 15 <= sum(right) <= 45
