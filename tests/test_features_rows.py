from __future__ import annotations

import numpy as np

from headstart.features.rows import CONSTANT, divisors, unit


def test_rows_have_length_one_in_their_own_precision_and_zeros_stay() -> None:
    rows = np.array([[3.0, 4.0], [0.0, 0.0]], np.float32)
    assert unit(rows).dtype == np.float32
    assert np.allclose(unit(rows), [[0.6, 0.8], [0.0, 0.0]])
    assert unit(rows.astype(np.float64)).dtype == np.float64


def test_a_row_has_the_same_unit_alone_and_among_many() -> None:
    rows = np.random.default_rng(0).normal(size=(2_500, 37)).astype(np.float32)
    plain = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    np.testing.assert_array_equal(unit(rows), plain)
    np.testing.assert_array_equal(unit(rows[7:8]), plain[7:8])
    assert unit(rows, out=rows) is rows
    np.testing.assert_array_equal(rows, plain)


def test_constant_columns_are_divided_by_one_in_their_own_precision() -> None:
    deviations = np.array([2.0, 0.0, CONSTANT, 3 * CONSTANT], np.float32)
    assert divisors(deviations).dtype == np.float32
    assert divisors(deviations).tolist() == [2.0, 1.0, 1.0, deviations[3]]
    assert divisors(np.zeros(2)).tolist() == [1.0, 1.0]
    assert divisors(np.zeros(0)).shape == (0,)
