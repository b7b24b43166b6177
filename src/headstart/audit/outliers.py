"""Pictures unlike all the others: a placeholder, a page of text, a thumb on the lens.

The measure is the mean distance to the nearest other pictures of any label, on frozen features scaled to length one
(Sun et al., "Out-of-distribution detection with deep nearest neighbors", 2022). Whether the label fits is another
question, asked in ``labels``. Logarithms of such distances are close to normal, so each has a
tail probability. Its centre is the median, and its scale that of the upper half, from the upper quartile or decile,
whichever gives the wider: the halves differ, and fewer than a tenth of outliers move neither.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headstart.arrays import Floats, Index, Rows
from headstart.features.rows import unit

NEIGHBOURS = 5
"""Nearest pictures whose mean distance is taken. Chosen; the rank it gives a picture known to be wrong is measured in
``benchmarks/doubts.py trap``."""
MOST = 8000
"""Pictures among which neighbours are looked for, drawn at random from more: what fits in a few seconds."""
_BLOCK = 1024
_QUARTILE, _DECILE = 0.6745, 1.2816  # the normal law's upper quartile and upper decile
_SAME = 1e-3  # distances that differ by less, as a share, are the same


@dataclass(frozen=True, kw_only=True, eq=False)
class Outliers:
    """How unlike the others each of n pictures is."""

    distance: Floats
    """(n,) mean distance to its nearest neighbours, 0 to 2."""
    ordinary: Floats
    """(n,) of the pictures at least as far out as this one, the share to be expected if nothing were wrong: the
    q-value of Benjamini and Hochberg (1995). 1 for all but the farthest."""


def find(X: Rows, groups: Index, *, seed: int, neighbours: int = NEIGHBOURS) -> Outliers:
    """Measure n pictures.

    Args:
        X: (n, d) frozen features.
        groups: (n,); pictures of one group, such as copies, are not each other's neighbours.
        seed: of the sample among which neighbours are looked for where there are more than ``MOST`` pictures.
        neighbours: how many.
    """
    from scipy.special import ndtr

    n = len(X)
    distance = _distances(X, groups, neighbours, seed)
    logs = np.log(np.maximum(distance, 1e-6))
    centre, quarter, tenth = np.quantile(logs, (0.5, 0.75, 0.9))
    scale = max((quarter - centre) / _QUARTILE, (tenth - centre) / _DECILE)
    tail = np.where(logs > centre, ndtr(-(logs - centre) / max(float(scale), _SAME)), 1.0)
    order = np.argsort(tail, kind="stable")
    expected = tail[order] * n / np.arange(1, n + 1)
    ordinary = np.empty(n)
    ordinary[order] = np.minimum(1.0, np.minimum.accumulate(expected[::-1])[::-1])
    return Outliers(distance=distance, ordinary=ordinary)


def _distances(X: Rows, groups: Index, neighbours: int, seed: int) -> Floats:
    """(n,) mean distance to the nearest pictures of other groups; 2 where there are none."""
    Z = unit(X)
    n = len(Z)
    among = np.sort(np.random.default_rng(seed).choice(n, MOST, replace=False)) if n > MOST else np.arange(n)
    count = max(1, min(neighbours, len(among) - 1))
    distance = np.empty(n)
    for start in range(0, n, _BLOCK):
        block = slice(start, start + _BLOCK)
        similar = Z[block] @ Z[among].T
        similar[groups[block, None] == groups[None, among]] = -1.0
        nearest = -np.partition(-similar, count - 1, axis=1)[:, :count]
        distance[block] = np.sqrt(np.maximum(2.0 - 2.0 * nearest, 0.0)).mean(axis=1)
    return distance
