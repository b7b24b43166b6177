"""The pictures and the cosine that decide whether a runtime is trusted."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from headstart.backbones import parity


def test_pictures_are_the_same_everywhere_and_differ_from_each_other() -> None:
    made = parity.pictures(64)
    assert (made.shape, made.dtype) == ((8, 64, 64, 3), np.uint8)
    assert len({picture.tobytes() for picture in made}) == 8
    assert made.std() > 40
    assert hashlib.sha256(made.tobytes()).hexdigest()[:16] == "a2ab2e0e0a3cd45c"


def test_agreement_is_that_of_the_worst_output() -> None:
    rows = {"last": np.array([[1.0, 0.0]], np.float32), "depths": np.array([[2.0, 0.0], [0.0, 3.0]], np.float32)}
    assert parity.agreement(rows, rows) == 1
    turned = {**rows, "depths": np.array([[0.0, 2.0], [0.0, 5.0]], np.float32)}
    assert parity.agreement(turned, rows) == 0.5
    assert parity.agreement({**rows, "last": -rows["last"]}, rows) == -1


@pytest.mark.parametrize(("other", "expected"), [(0.0, 1.0), (1.0, 0.0)])
def test_rows_of_zeros_agree_only_with_each_other(other: float, expected: float) -> None:
    zeros = {"last": np.zeros((1, 2), np.float32)}
    assert parity.agreement(zeros, {"last": np.full((1, 2), other, np.float32)}) == expected


def test_rows_that_are_no_numbers_do_not_agree() -> None:
    broken = {"last": np.full((1, 2), np.nan, np.float32)}
    assert not parity.agreement(broken, {"last": np.ones((1, 2), np.float32)}) >= parity.THRESHOLD
