"""Two doubts about a picture: that its label is wrong, and that it is unlike all the others.

Labels are doubted by confident learning on probabilities from classifiers that were not fitted on the picture:
Northcutt, Jiang and Chuang, "Confident learning: estimating uncertainty in dataset labels" (2021). A picture counts as
confidently of class j if its probability of j reaches ``thresholds[j]``, the mean that pictures labelled j have of j.
The ranking is by self-confidence, the calibrated probability of the label that was given. How many labels are wrong is
another question, since where classes overlap many pictures look like another class: `headstart.audit.wrong_labels`.

Pictures unlike all the others are a placeholder, a page of text, a thumb on the lens. The measure is the mean distance
to the nearest other pictures of any label, on frozen features scaled to length one (Sun et al., "Out-of-distribution
detection with deep nearest neighbors", 2022). Logarithms of such distances are close to normal, so each has a tail
probability. Its centre is the median, and its scale that of the upper half, from the upper quartile or decile,
whichever gives the wider: the halves differ, and fewer than a tenth of outliers move neither.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headstart.arrays import Floats, Index, Labels, Mask, Rows
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
class LabelDoubts:
    """The labels of n pictures against the probabilities of a classifier that was not fitted on them."""

    confidence: Floats
    """(n,) probability of the label that was given."""
    suggested: Labels
    """(n,) the most probable of the other labels."""
    confident: Mask
    """(n,) whether another label than the given one is confidently reached."""


def doubt_labels(proba: Floats, y: Labels) -> LabelDoubts:
    """Compare labels with probabilities.

    Args:
        proba: (n, k), each row from a classifier that was not fitted on that picture.
        y: (n,) labels given, as columns of ``proba``; every class has at least one picture.
    """
    n, k = proba.shape
    rows = np.arange(n)
    confidence = proba[rows, y]
    thresholds = np.array([proba[y == label, label].mean() for label in range(k)])
    reached = np.where(proba >= thresholds, proba, -1.0)
    confidently = np.where(reached.max(axis=1) >= 0, reached.argmax(axis=1), -1)
    others = proba.copy()
    others[rows, y] = -1.0
    return LabelDoubts(
        confidence=confidence,
        suggested=others.argmax(axis=1),
        confident=(confidently >= 0) & (confidently != y),
    )


@dataclass(frozen=True, kw_only=True)
class Conflict:
    """A picture that occurs again under another label."""

    right: float
    """Probability of its label, given that one of the labels is right; at most ½, since a classifier that is sure of
    this label may have learned it from the other copy."""
    other: int
    """Position of a copy with the most probable of the other labels."""


def conflicts(clusters: Index, y: Labels, proba: Floats) -> dict[int, Conflict]:
    """Pictures that show the same under several labels, of which at most one is right; by position.

    ``clusters`` (n,) has the same number for pictures that show the same, ``y`` (n,) their labels, ``proba`` (n, k).
    """
    order = np.argsort(clusters, kind="stable")
    conflicting = {}
    for members in np.split(order, np.flatnonzero(np.diff(clusters[order])) + 1):
        present = np.unique(y[members])
        if len(present) < 2:
            continue
        for i in members.tolist():
            others = members[y[members] != y[i]]
            among = float(proba[i, present].sum())
            right = float(proba[i, y[i]]) / among if among > 0 else 0.5
            conflicting[i] = Conflict(right=min(0.5, right), other=int(others[proba[i, y[others]].argmax()]))
    return conflicting


def ordinary(X: Rows, groups: Index, *, seed: int) -> Floats:
    """How likely each of n pictures is like the others, (n,).

    Of the pictures at least as far out as this one, it is the share to be expected if nothing were wrong: the q-value
    of Benjamini and Hochberg (1995). 1 for all but the farthest.

    Args:
        X: (n, d) frozen features.
        groups: (n,); pictures of one group, such as copies, are not each other's neighbours.
        seed: of the sample among which neighbours are looked for where there are more than ``MOST`` pictures.
    """
    from scipy.special import ndtr

    n = len(X)
    logs = np.log(np.maximum(distances(X, groups, seed=seed), 1e-6))
    centre, quarter, tenth = np.quantile(logs, (0.5, 0.75, 0.9))
    scale = max((quarter - centre) / _QUARTILE, (tenth - centre) / _DECILE)
    tail = np.where(logs > centre, ndtr(-(logs - centre) / max(float(scale), _SAME)), 1.0)
    order = np.argsort(tail, kind="stable")
    expected = tail[order] * n / np.arange(1, n + 1)
    share = np.empty(n)
    share[order] = np.minimum(1.0, np.minimum.accumulate(expected[::-1])[::-1])
    return share


def distances(X: Rows, groups: Index, *, seed: int) -> Floats:
    """(n,) mean distance to the nearest pictures of other groups, 0 to 2; 2 where there are none."""
    n = len(X)
    among = np.sort(np.random.default_rng(seed).choice(n, MOST, replace=False)) if n > MOST else np.arange(n)
    count = max(1, min(NEIGHBOURS, len(among) - 1))
    others = unit(X[among])
    distance = np.empty(n)
    for start in range(0, n, _BLOCK):
        block = slice(start, start + _BLOCK)
        similar = unit(X[block]) @ others.T
        similar[groups[block, None] == groups[None, among]] = -1.0
        nearest = -np.partition(-similar, count - 1, axis=1)[:, :count]
        distance[block] = np.sqrt(np.maximum(2.0 - 2.0 * nearest, 0.0)).mean(axis=1)
    return distance
