from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from headstart.audit.clusters import ALIKE, Link, Measure, Move, copies
from headstart.images.decode import encode
from pictures import scene

STAY = Move(np.ones(2), np.zeros(2))


def link(first: int, second: int, score: float = 0.9) -> Link:
    return Link(first=first, second=second, score=score, move=STAY, apart=1.0)


def test_moves_are_joined_and_undone() -> None:
    half = Move.placed(np.array([0.9, 0.1, 0.95, -0.05], np.float32), mirrored=True)
    placement, mirrored = half.placement()
    np.testing.assert_allclose(placement, [0.9, 0.1, 0.95, -0.05], rtol=1e-6)
    assert mirrored
    back = half.then(half.inverse())
    np.testing.assert_allclose(np.concatenate(back), [1, 1, 0, 0], atol=1e-12)
    twice = half.then(half)
    point = np.array([0.3, -0.2])
    np.testing.assert_allclose(
        twice.scale * point + twice.shift, half.scale * (half.scale * point + half.shift) + half.shift
    )
    assert not twice.placement()[1]  # mirrored twice is upright


@pytest.fixture
def morph(tmp_path: Path) -> Measure:
    """Eight pictures, each a little more of another than the last, and the first one again, recompressed."""
    here = scene(1, size=(96, 96)).astype(float)
    there = gaussian_filter(np.random.default_rng(0).normal(0, 1, (96, 96, 1)), (8, 8, 0)) * 60
    paths = []
    for step in range(8):
        paths.append(tmp_path / str(step))
        paths[-1].write_bytes(
            encode(np.clip(here * 0.5 + 60 + 0.4 * step * there, 0, 255).astype(np.uint8), format="PNG")
        )
    paths.append(tmp_path / "copy")
    paths[-1].write_bytes(encode(np.clip(here * 0.5 + 60, 0, 255).astype(np.uint8), quality=60))
    return Measure(paths)


def test_a_chain_is_cut_where_its_ends_are_no_copies(morph: Measure) -> None:
    links = [link(i, i + 1) for i in range(7)]
    differences = [morph.link(each) for each in links]
    assert all(each is not None and each.within(ALIKE) for each in differences)
    kept = copies(links, morph, refuted=True)
    assert 0 < len(kept) < 7
    joined = {each.first for each in kept}
    for first in joined:  # no two of one cluster are further apart than two copies of one picture
        last = first
        while last in joined:
            last += 1
            difference = morph(first, last, STAY)
            assert difference is not None
            assert difference.within(ALIKE * 2**0.5)


def test_one_refuted_pair_makes_the_limit_strict(morph: Measure) -> None:
    far, near = link(0, 3), link(0, 8)
    assert copies([near, far], morph, refuted=False) == [near, far]
    assert copies([near, far], morph, refuted=True) == [near]
    assert copies([near, far, link(0, 7)], morph, refuted=False) == [near]


def test_what_cannot_be_read_is_a_copy_of_nothing(tmp_path: Path) -> None:
    assert copies([link(0, 1)], Measure([tmp_path / "a", tmp_path / "b"]), refuted=False) == []
