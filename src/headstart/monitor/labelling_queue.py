"""The pictures to label next: those whose answers are least sure, and unlike each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from headstart.arrays import Floats, Index, Rows


def labelling_queue(proba: NDArray[np.floating], rows: Rows, count: int) -> Index:
    """Positions of ``count`` pictures to label, the most useful first; fewer where there are fewer.

    Each time the picture is taken that is most unsure and least like those already taken: the largest ``(1 − margin) ·
    distance²``, where the margin is that between the two highest probabilities and the distance that to the nearest
    picture taken. (The greedy form of k-means++, weighted by uncertainty: a core-set, Sener and Savarese 2018, of what
    is uncertain, in the spirit of BADGE, Ash et al. 2020.)

    Args:
        proba: (n, k) probabilities.
        rows: (n, d), of length 1.
        count: how many.
    """
    unsure = 1.0 - margins(proba)
    nearest = np.ones(len(proba))
    taken: list[int] = []
    left = np.ones(len(proba), bool)
    for _ in range(min(count, len(proba))):
        worth = np.where(left, (unsure + 1e-9) * (nearest + 1e-9), -1.0)
        best = int(worth.argmax())
        taken.append(best)
        left[best] = False
        distances = np.maximum(2.0 - 2.0 * (rows @ rows[best]).astype(np.float64), 0.0)
        nearest = distances if len(taken) == 1 else np.minimum(nearest, distances)
    return np.array(taken, np.int64)


def margins(proba: NDArray[np.floating]) -> Floats:
    """The highest probability less the second highest: (n,), 0 for undecided."""
    top = np.sort(np.asarray(proba, np.float64), axis=1)
    return np.asarray(top[:, -1] - top[:, -2])
