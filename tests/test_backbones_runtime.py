"""The pictures and the cosine that decide whether a runtime is trusted."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from headstart.backbones import runtime
from headstart.backbones.runtime import by_depth


def test_pictures_are_the_same_everywhere_and_differ_from_each_other() -> None:
    made = runtime.synthetic_images(64)
    assert (made.shape, made.dtype) == ((8, 64, 64, 3), np.uint8)
    assert len({picture.tobytes() for picture in made}) == 8
    assert made.std() > 40
    assert hashlib.sha256(made.tobytes()).hexdigest()[:16] == "a2ab2e0e0a3cd45c"


def test_agreement_is_that_of_the_worst_output() -> None:
    rows = {"last": np.array([[1.0, 0.0]], np.float32), "depths": np.array([[2.0, 0.0], [0.0, 3.0]], np.float32)}
    assert runtime.agreement(rows, rows) == 1
    turned = {**rows, "depths": np.array([[0.0, 2.0], [0.0, 5.0]], np.float32)}
    assert runtime.agreement(turned, rows) == 0.5
    assert runtime.agreement({**rows, "last": -rows["last"]}, rows) == -1


@pytest.mark.parametrize(("other", "expected"), [(0.0, 1.0), (1.0, 0.0)])
def test_rows_of_zeros_agree_only_with_each_other(other: float, expected: float) -> None:
    zeros = {"last": np.zeros((1, 2), np.float32)}
    assert runtime.agreement(zeros, {"last": np.full((1, 2), other, np.float32)}) == expected


def test_rows_that_are_no_numbers_do_not_agree() -> None:
    broken = {"last": np.full((1, 2), np.nan, np.float32)}
    assert not runtime.agreement(broken, {"last": np.ones((1, 2), np.float32)}) >= runtime.LEAST_PARITY


def test_rows_are_cut_into_those_of_each_depth() -> None:
    rows = np.arange(2 * 15, dtype=np.float32).reshape(2, 15)
    parts = by_depth(rows, (("shallow", 2), ("deep", 3)))
    assert list(parts) == ["shallow", "deep"]
    assert parts["shallow"].tolist() == rows[:, :6].tolist()
    assert parts["deep"].tolist() == rows[:, 6:].tolist()
    with pytest.raises(ValueError, match="rows of 15 numbers do not fit depths of 12"):
        by_depth(rows, (("shallow", 4),))


def test_images_are_stacked_as_they_are_asked_for() -> None:
    drawn: list[int] = []

    def images() -> Iterator[NDArray[np.uint8]]:
        for i in range(5):
            drawn.append(i)
            yield np.full((2, 2, 3), i, np.uint8)

    batches = runtime.stacked(images(), 2)
    assert next(batches).shape == (2, 2, 2, 3)
    assert drawn == [0, 1]
    assert [batch[:, 0, 0, 0].tolist() for batch in batches] == [[2, 3], [4]]
    assert list(runtime.stacked(iter([]), 2)) == []
