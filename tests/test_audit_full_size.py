from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from headstart.audit.clusters import ALIKE
from headstart.audit.full_size import Difference, Ground, Limit, compare, luminance, side_of
from headstart.errors import UnreadableImageError
from headstart.images.decode import encode, resample
from test_audit_duplicates import panel

AS_IT_LIES = np.array([1, 0, 1, 0], np.float32)


def difference(tmp_path: Path, first: NDArray[np.uint8], second: bytes, *, mirrored: bool = False) -> Difference:
    (tmp_path / "first").write_bytes(encode(first, format="PNG"))
    (tmp_path / "second").write_bytes(second)
    paths = tmp_path / "first", tmp_path / "second"
    side = min(map(side_of, paths))
    pictures = (luminance(path, side) for path in paths)
    return compare(Ground.of(next(pictures)), next(pictures), AS_IT_LIES, mirrored=mirrored, enough=ALIKE)[0]


def test_pictures_are_compared_at_their_own_size_up_to_a_limit(tmp_path: Path) -> None:
    for size, side in (((300, 500), 288), ((20, 900), 16), ((2000, 1500), 512), ((5, 5), 16)):
        path = tmp_path / f"{side}"
        path.write_bytes(encode(np.zeros((*size, 3), np.uint8), format="PNG"))
        assert side_of(path) == side
    with pytest.raises(UnreadableImageError, match="not found"):
        side_of(tmp_path / "none")


def test_what_copying_leaves_behind_is_within_the_limit(tmp_path: Path) -> None:
    first = panel(0)
    same = difference(tmp_path, first, encode(first, format="PNG"))
    assert (same.typical, same.largest, same.grain) == pytest.approx((0, 0, 1), abs=1e-3)
    for copy in (encode(first, quality=40), encode(resample(first, size=(80, 80)), quality=50)):
        assert difference(tmp_path, first, copy).within(ALIKE)
    turned = encode(first[:, ::-1], quality=90)
    assert difference(tmp_path, first, turned, mirrored=True).within(ALIKE)
    assert not difference(tmp_path, first, turned).within(ALIKE)
    brighter = np.clip(first * 1.1 + 5, 0, 255).astype(np.uint8)
    assert difference(tmp_path, first, encode(brighter, format="PNG")).within(ALIKE)


def test_another_picture_of_the_same_kind_of_thing_differs(tmp_path: Path) -> None:
    assert difference(tmp_path, panel(0), encode(panel(1), format="PNG")).typical > 3 * ALIKE.typical


def test_a_speck_that_only_one_has_tells_them_apart(tmp_path: Path) -> None:
    marked = panel(0)
    marked[70:73, 70:73] = 60
    found = difference(tmp_path, panel(0), encode(marked, format="PNG"))
    assert found.typical < ALIKE.typical
    assert found.largest > ALIKE.largest
    assert not found.within(ALIKE)


def test_other_grain_on_the_same_thing_tells_them_apart(tmp_path: Path) -> None:
    def grainy(seed: int) -> NDArray[np.uint8]:
        grain = 2 * np.random.default_rng(seed).normal(0, 1, (160, 160, 1))
        return np.asarray(np.clip(150 + grain + np.zeros(3), 0, 255), dtype=np.uint8)

    found = difference(tmp_path, grainy(0), encode(grainy(1), format="PNG"))
    assert found.typical < ALIKE.typical
    assert found.grain < 0.1
    assert not found.within(ALIKE)


def test_pictures_are_laid_on_each_other_better_only_where_they_differ_by_more_than_enough() -> None:
    rows, columns = np.mgrid[:160, :160].astype(np.float32)
    picture, moved = (127 + 60 * np.sin((columns - x) / 12) + 40 * np.cos(rows / 9) for x in (0, 2))
    lying = [
        compare(Ground.of(picture), moved, AS_IT_LIES, mirrored=False, enough=Limit(each, each)) for each in (255, 0)
    ]
    (as_it_lay, unmoved), (better, placed) = lying
    np.testing.assert_array_equal(unmoved, AS_IT_LIES)
    assert placed[3] * len(picture) / 2 == pytest.approx(2, abs=0.2)  # pixels to the right
    assert better.typical < as_it_lay.typical / 5


def test_pictures_too_small_to_be_told_apart_are_no_copies() -> None:
    picture = np.zeros((8, 8), np.float32)
    found, _ = compare(Ground.of(picture), picture, AS_IT_LIES, mirrored=False, enough=ALIKE)
    assert found == Difference(typical=np.inf, largest=np.inf, grain=-1)
