"""Labels that are probably wrong, by confident learning on probabilities that each picture's own label did not shape.

Northcutt, Jiang and Chuang, "Confident learning: estimating uncertainty in dataset labels" (2021). A picture counts as
confidently of class j if its probability of j reaches ``thresholds[j]``, the mean that pictures labelled j have of j.
How often pictures labelled i are confidently of class j gives, scaled to the classes' sizes, how many labels are wrong.

The ranking is by self-confidence, the calibrated probability of the label that was given.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart.images.folder import ImageSet

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelDoubts:
    """What n pictures' labels look like to a classifier that was not fitted on them."""

    confidence: Floats
    """(n,) probability of the label that was given."""
    suggested: Ints
    """(n,) the most probable of the other labels."""
    confident: NDArray[np.bool_]
    """(n,) whether another label than the given one is confidently reached."""
    joint: Floats
    """(k, k) pictures by label given and class confidently reached, scaled to the number given each label."""

    @property
    def expected(self) -> float:
        """How many labels are wrong, as estimated from the confident ones."""
        return float(self.joint.sum() - self.joint.trace())


def doubt(proba: Floats, y: Ints) -> LabelDoubts:
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


def conflicts(images: ImageSet, confidence: Floats, proba: Floats) -> dict[int, tuple[float, int, Path]]:
    """Byte-identical pictures under several labels, of which at most one is right.

    Returns position → (probability that its label is right given that one of them is, at most ½; the most probable of
    the others' labels; a file that has it).
    """
    rows_of: dict[str, list[int]] = {}
    for row, digest in enumerate(images.digests):
        rows_of.setdefault(digest, []).append(row)
    found = {}
    for rows in rows_of.values():
        labels = {int(images.y[row]) for row in rows}
        if len(labels) == 1:
            continue
        for row in rows:
            others = [other for other in rows if images.y[other] != images.y[row]]
            best = max(others, key=lambda other: proba[row, images.y[other]])
            among = sum(float(proba[row, label]) for label in labels)
            right = min(0.5, float(confidence[row]) / among if among > 0 else 0.5)
            found[row] = right, int(images.y[best]), images.paths[best]
    return found
