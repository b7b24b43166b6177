"""Labels that are probably wrong, by confident learning on probabilities from classifiers not fitted on the picture.

Northcutt, Jiang and Chuang, "Confident learning: estimating uncertainty in dataset labels" (2021). A picture counts as
confidently of class j if its probability of j reaches ``thresholds[j]``, the mean that pictures labelled j have of j.
How often pictures labelled i are confidently of class j gives, scaled to the classes' sizes, how many labels are wrong.

The ranking is by self-confidence, the calibrated probability of the label that was given.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headstart.arrays import Floats, Index, Labels, Mask


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelDoubts:
    """The labels of n pictures against the probabilities of a classifier that was not fitted on them."""

    confidence: Floats
    """(n,) probability of the label that was given."""
    suggested: Labels
    """(n,) the most probable of the other labels."""
    confident: Mask
    """(n,) whether another label than the given one is confidently reached."""
    joint: Floats
    """(k, k) pictures by label given and class confidently reached, scaled to the number given each label."""

    @property
    def expected(self) -> float:
        """How many labels are wrong, as estimated from the confident ones."""
        return float(self.joint.sum() - self.joint.trace())


def doubt(proba: Floats, y: Labels) -> LabelDoubts:
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
    seen = confidently >= 0
    counts = np.zeros((k, k))
    np.add.at(counts, (y[seen], confidently[seen]), 1)
    given = np.bincount(y, minlength=k)
    rate = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return LabelDoubts(
        confidence=confidence,
        suggested=others.argmax(axis=1),
        confident=seen & (confidently != y),
        joint=rate * given[:, None],
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
    starts = np.flatnonzero(np.diff(clusters[order], prepend=clusters[order[:1]] - 1))
    conflicting = {}
    for members in np.split(order, starts[1:]):
        present = np.unique(y[members])
        if len(present) < 2:
            continue
        for i in members.tolist():
            others = members[y[members] != y[i]]
            among = float(proba[i, present].sum())
            right = float(proba[i, y[i]]) / among if among > 0 else 0.5
            conflicting[i] = Conflict(right=min(0.5, right), other=int(others[proba[i, y[others]].argmax()]))
    return conflicting
