"""Does a faster runtime still compute the same network? Compared on a few made-up pictures, by cosine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

Rows = dict[str, NDArray[np.float32]]

THRESHOLD = 0.998
"""Least mean cosine to torch in float32. bf16 of a sound network gives 0.999; a wrong graph far less."""


def pictures(size: int, count: int = 8) -> NDArray[np.uint8]:
    """Structured pictures, (count, size, size, 3), the same on every machine: gratings, edges, noise.

    Integer arithmetic only, so that no library's rounding can change a byte.
    """
    rng = np.random.default_rng(20240229)
    rows, columns = np.mgrid[:size, :size].astype(np.int64)
    made = np.empty((count, size, size, 3), np.uint8)
    for picture in made:
        for channel in range(3):
            a, b, period = *rng.integers(1, 8, 2), rng.integers(size // 8, size)
            grating = (a * rows + b * columns) % period * 255 // period
            top, left = rng.integers(0, size // 2, 2)
            grating[top : top + size // 3, left : left + size // 3] = rng.integers(0, 256)
            picture[:, :, channel] = (3 * grating + rng.integers(0, 256, (size, size))) // 4
    return made


def measure(
    run: Callable[[Iterable[NDArray[np.uint8]]], Iterator[Rows]], *, size: int, batch: int, reference: Rows
) -> float:
    """`agreement` of what ``run`` gives for `pictures` with ``reference``, torch's rows for them in float32."""
    made = pictures(size)
    parts = list(run(made[start : start + batch] for start in range(0, len(made), batch)))
    return agreement({name: np.concatenate([part[name] for part in parts]) for name in reference}, reference)


def agreement(rows: Mapping[str, NDArray[np.float32]], reference: Mapping[str, NDArray[np.float32]]) -> float:
    """Mean cosine between matching rows, of the output that agrees least; in [-1, 1], 1 for equal directions."""
    return min(_mean_cosine(rows[name].astype(np.float64), reference[name].astype(np.float64)) for name in reference)


def _mean_cosine(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    cosines = np.divide((a * b).sum(1), norms, out=np.all(a == b, axis=1).astype(np.float64), where=norms > 0)
    return float(cosines.mean())
