from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from headstart.audit.alignment import COPY, MINIATURE, Miniature, coarse, compare_miniatures, promising
from headstart.images.decode import encode, resample
from pictures import scene


def miniature(data: bytes) -> Miniature:
    kept = MINIATURE.of_file(data)
    assert kept is not None
    return Miniature.unpacked(kept)


def small(*pictures: NDArray[np.uint8], format: str = "PNG") -> Miniature:
    made = [miniature(encode(one, format=format)) for one in pictures]
    return Miniature(np.stack([one.luminance for one in made]), np.stack([one.colour for one in made]))


ORIGINALS = [scene(seed) for seed in range(6)]


def test_a_miniature_is_the_whole_picture() -> None:
    left_white = np.zeros((40, 80, 3), np.uint8)
    left_white[:, :40] = 255
    luminance, colour = miniature(encode(left_white, format="PNG"))
    assert luminance.shape == (64, 64)
    assert colour.shape == (16, 16, 3)
    assert luminance[:, :30].min() > 250
    assert luminance[:, 34:].max() < 5
    assert coarse(small(left_white)).shape == (1, 16, 16)


@pytest.mark.parametrize(
    ("copies", "mirrored"),
    [
        ([encode(one, quality=40) for one in ORIGINALS], False),
        ([encode(resample(one, size=(60, 50)), format="PNG") for one in ORIGINALS], False),
        ([encode(one[6:, :-7], format="PNG") for one in ORIGINALS], False),
        ([encode(one[3:-3, 4:-4], format="PNG") for one in ORIGINALS], False),
        ([encode(one[:, ::-1], format="PNG") for one in ORIGINALS], True),
        ([encode(one[6:, :-7][:, ::-1], quality=60) for one in ORIGINALS], True),
    ],
    ids=["recompressed", "resized", "cut at a corner", "cut all round", "mirrored", "all at once"],
)
def test_copies_agree_whichever_comes_first(copies: list[bytes], mirrored: bool) -> None:
    made = [miniature(one) for one in copies]
    second = Miniature(np.stack([one.luminance for one in made]), np.stack([one.colour for one in made]))
    for found in (compare_miniatures(small(*ORIGINALS), second), compare_miniatures(second, small(*ORIGINALS))):
        assert found.detail.min() > 0.8
        assert found.colour.max() < 15
        assert (found.mirrored == mirrored).all()


def test_different_pictures_do_not_agree() -> None:
    others = [scene(seed) for seed in range(100, 106)]
    assert compare_miniatures(small(*ORIGINALS), small(*others)).detail.max() < 0.4


def test_a_glance_keeps_copies_and_spares_most_others() -> None:
    both = small(*ORIGINALS, *(one[4:, :-5][:, ::-1] for one in ORIGINALS))
    copies = np.array([[i, i + 6] for i in range(6)])
    others = np.array([[i, j] for i in range(6) for j in range(i)])
    assert promising(both, copies).all()
    assert promising(both, others).mean() < 0.5


def test_a_strong_frame_in_common_does_not_make_two_pictures_agree() -> None:
    framed = []
    for one in ORIGINALS[:2]:
        picture = (one // 4 + 96).astype(np.uint8)  # faint, so that the frame outweighs it
        for side in (slice(0, 8), slice(-8, None)):
            picture[side], picture[:, side] = 255, 0
        framed.append(picture)
    assert compare_miniatures(small(framed[0]), small(framed[1])).detail[0] < COPY


def test_the_same_shape_in_another_colour_differs_in_colour() -> None:
    red = np.zeros_like(ORIGINALS[0])
    red[..., 0] = ORIGINALS[0][..., 1]
    blue = red[..., ::-1] * np.float32(0.299 / 0.114 / 4)  # nearer in luminance, and blue
    found = compare_miniatures(small(red), small(blue.astype(np.uint8)))
    assert found.colour[0] > 15


def test_blank_pictures_agree_with_nothing() -> None:
    blank = np.full((50, 50, 3), 200, np.uint8)
    found = compare_miniatures(small(blank, blank), small(blank, ORIGINALS[0]))
    assert found.detail.tolist() == [0, 0]
    assert np.isinf(found.colour).all()
