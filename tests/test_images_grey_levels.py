from __future__ import annotations

import numpy as np
import pytest

from headstart.images.grey_levels import eight_bits


@pytest.mark.parametrize(
    ("mode", "levels", "expected"),
    [
        ("I;16", [0, 257, 65535], [0, 1, 255]),
        ("I;16B", [0, 32768, 65535], [0, 128, 255]),
        ("I", [0, 100, 255], [0, 100, 255]),
        ("I", [0, 0, 1], [0, 0, 1]),  # 1 is the usual white in floating point alone
        ("I", [0, 300, 65535], [0, 1, 255]),
        ("I", [-10, 0, 10], [0, 128, 255]),
        ("I", [0, 0, 70000], [0, 0, 255]),
        ("F", [0.0, 0.5, 1.0], [0, 128, 255]),
        ("F", [0.0, np.nan, np.inf], [0, 0, 0]),
        ("F", [-3.0, -3.0, -3.0], [0, 0, 0]),
    ],
)
def test_white_is_the_smallest_usual_one_that_no_pixel_exceeds(mode: str, levels: list, expected: list[int]) -> None:
    scaled = eight_bits(np.array([levels]), mode)
    assert scaled.dtype == np.uint8
    assert scaled.tolist() == [expected]
