"""Arithmetic on feature rows."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Rows = TypeVar("Rows", NDArray[np.float32], NDArray[np.float64])
SHORTEST = 1e-12
"""Length below which a row is taken for zero and left as it is."""


def unit(rows: Rows) -> Rows:
    """Rows (n, d) divided by their Euclidean length, in the precision they come in; a row of zeros stays."""
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), SHORTEST), rows.dtype)
