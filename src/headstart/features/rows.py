"""Arithmetic on feature rows: unit length, and deviations that can be divided by."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Precision = TypeVar("Precision", np.float32, np.float64)
SHORTEST = 1e-12
"""Length below which a row is taken for zero and left as it is."""
CONSTANT = 1e-6
"""Share of the largest standard deviation, below which a column is taken for constant: a few steps of float32 rounding.
Chosen, not measured: it decides only which columns are left out of a standardised matrix."""

_TOGETHER = 1_024  # rows whose squares are in memory at a time


def unit(rows: NDArray[Precision], out: NDArray[Precision] | None = None) -> NDArray[Precision]:
    """Rows (n, d) divided by their Euclidean length, in the precision they come in; a row of zeros stays.

    They are written into ``out``, which may be ``rows``, if it is given.
    """
    scaled = np.empty_like(rows) if out is None else out
    for start in range(0, len(rows), _TOGETHER):
        some = slice(start, start + _TOGETHER)
        length = np.linalg.norm(rows[some], axis=1, keepdims=True)
        np.divide(rows[some], np.maximum(length, SHORTEST), out=scaled[some])
    return scaled


def divisors(deviations: NDArray[Precision]) -> NDArray[Precision]:
    """Standard deviations (d,) with 1 in place of those of constant columns, which then stay zero when divided."""
    constant = deviations < CONSTANT * max(float(deviations.max(initial=0.0)), SHORTEST)
    return np.where(constant, np.ones_like(deviations), deviations)
