"""Accuracy on pictures without labels, with an interval, and which of them to label next.

The accuracy is estimated from the probabilities of the answers. There are three published estimates, each of which
starts from pictures with known labels that the classifier had not seen:

- *average confidence*: the mean probability of the answer, which is right where the probabilities are calibrated;
- *difference of confidences* (Guillory et al. 2021): the known accuracy less the fall of the mean probability;
- *thresholded confidence* (ATC, Garg et al. 2022): the share of answers above the threshold that as many known answers
  exceed as were right.

The median of the three is quoted, and the interval reaches over the intervals of all three: where they disagree, less
is known. All three assume that what a probability means has not changed. If the classes themselves mean something else
now, or pictures are of things never seen, they can all be wrong, and nothing in the pictures tells.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.arrays import Floats, Index, Labels, Mask, Rows
from headstart.evaluation.intervals import CONFIDENCE, Estimate
from headstart.evaluation.losses import correct
from headstart.files import plain

Probabilities = NDArray[np.floating]

METHODS = ("average confidence", "difference of confidences", "thresholded confidence")
DRAWS = 2000
"""Of the known pictures with replacement: the ends of an interval are then known to some 2 % of its width."""


@dataclass(frozen=True, kw_only=True)
class Unlabelled:
    """Estimated accuracy on n pictures."""

    accuracy: Estimate
    by_method: dict[str, Estimate] = field(repr=False)
    known: float
    """Accuracy on the m pictures with labels that it starts from."""
    m: int

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return plain(self, "accuracy", "by_method", known_accuracy=self.known, known_n=self.m)


def estimate(proba: Probabilities, known_proba: Probabilities, known_y: Labels, *, seed: int = 0) -> Unlabelled:
    """Estimate how many of the answers ``proba`` (n, k) are right, n at least 1.

    The interval is for the share of these very n pictures. Known pictures are drawn anew with replacement, and whether
    each new answer is right is drawn from the estimate, 2,000 times.

    Args:
        proba: calibrated probabilities of the new pictures.
        known_proba: (m, k) of pictures the classifier had not seen.
        known_y: (m,) their labels.
        seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    sure = np.asarray(proba.max(axis=1), np.float64)
    known_sure = np.asarray(known_proba.max(axis=1), np.float64)
    right = correct(known_proba, known_y)
    n, m = len(sure), len(right)
    values = _three(sure, known_sure, right)
    draws = np.empty((DRAWS, len(METHODS)))
    for i in range(DRAWS):
        again = rng.integers(0, m, m)
        three = _three(sure, known_sure[again], right[again])
        # A share of exactly 1 would leave no doubt at all: half a picture is taken off, as Jeffreys' prior does.
        draws[i, 1:] = rng.binomial(n, (three[1:] * m + 0.5) / (m + 1)) / n
        draws[i, 0] = (rng.random(n) < sure).mean()
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(draws, (tail, 1 - tail), axis=0)
    by_method = {
        name: Estimate(float(value), float(min(below, value)), float(max(above, value)), n, "simulated")
        for name, value, below, above in zip(METHODS, values, low, high, strict=True)
    }
    middle = float(np.median(values))
    accuracy = Estimate(
        middle,
        min(estimated.low for estimated in by_method.values()),
        max(estimated.high for estimated in by_method.values()),
        n,
        "median of three estimates without labels; interval over all three",
    )
    return Unlabelled(accuracy=accuracy, by_method=by_method, known=float(right.mean()), m=m)


def _three(sure: Floats, known_sure: Floats, right: Mask) -> Floats:
    """The estimates in the order of `METHODS`, each in [0, 1]."""
    known = float(right.mean())
    fall = float(known_sure.mean() - sure.mean())
    wrong = int((~right).sum())
    ordered = np.sort(known_sure)
    # As many known answers lie below the threshold as were wrong.
    threshold = ordered[wrong] if wrong < len(ordered) else np.inf
    return np.asarray(np.clip([sure.mean(), known - fall, (sure >= threshold).mean()], 0.0, 1.0), np.float64)


def labelling_queue(proba: Probabilities, rows: Rows, count: int) -> Index:
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
    for _ in range(min(count, len(proba))):
        worth = (unsure + 1e-9) * (nearest + 1e-9)
        worth[taken] = -1.0
        taken.append(int(worth.argmax()))
        distances = np.maximum(2.0 - 2.0 * (rows @ rows[taken[-1]]).astype(np.float64), 0.0)
        nearest = distances if len(taken) == 1 else np.minimum(nearest, distances)
    return np.array(taken, np.int64)


def margins(proba: Probabilities) -> Floats:
    """The highest probability less the second highest: (n,), 0 for undecided."""
    top = np.sort(np.asarray(proba, np.float64), axis=1)
    return np.asarray(top[:, -1] - top[:, -2])
