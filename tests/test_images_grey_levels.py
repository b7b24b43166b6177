from __future__ import annotations

import numpy as np
import pytest

from headstart.images.grey_levels import eight_bits


@pytest.mark.parametrize(
    ("kind", "levels", "expected"),
    [
        ("u2", [0, 257, 65535], [0, 1, 255]),
        (">u2", [0, 32768, 65535], [0, 128, 255]),
        ("i4", [0, 100, 255], [0, 100, 255]),
        ("i4", [0, 0, 1], [0, 0, 1]),  # 1 is the usual white in floating point alone
        ("i4", [0, 300, 65535], [0, 1, 255]),
        ("i4", [-10, 0, 10], [0, 128, 255]),
        ("i4", [0, 0, 70000], [0, 0, 255]),
        ("f4", [0.0, 0.5, 1.0], [0, 128, 255]),
        ("f4", [0.0, np.nan, np.inf], [0, 0, 0]),
        ("f4", [-3.0, -3.0, -3.0], [0, 0, 0]),
    ],
)
def test_white_is_the_smallest_usual_one_that_no_pixel_exceeds(kind: str, levels: list, expected: list[int]) -> None:
    scaled = eight_bits(np.array([levels], kind))
    assert scaled.dtype == np.uint8
    assert scaled.tolist() == [expected]
