"""Prediction sets: every class that cannot be ruled out, so that the true one is among them as often as was asked for.

A class stays in the set of a picture if its calibrated probability is not below those of nearly all training pictures
of that class, each answered out of fold ("least ambiguous sets", Sadinle, Lei and Wasserman 2019, with the scores of
cross-conformal prediction, Vovk 2015). The threshold holds the correction for small samples: of n probabilities it is
the ⌊(n + 1)(1 − coverage)⌋-th lowest.

The thresholds are each class's own ("Mondrian"), so that the promise holds for pictures of a rare class as well as of
a frequent one, and whatever the mixture will be. The most probable class is always in the set: an empty set would say
less than a label. For a model that is right more often than was asked for the sets then hold one label each.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from headstart.arrays import Floats, Mask, Singles
from headstart.errors import OptionError, Problem

COVERAGE = 0.9
"""Share of pictures whose set holds the true class, where no other is asked for. Chosen: the usual one."""
LEAST_PER_CLASS = 20
"""Pictures, or groups, of each class. With 20 and a coverage of 0.9, what is realised lies between 0.78 and 0.98 nine
times out of ten (:meth:`PredictionSets.realised`); with fewer it strays further."""


@dataclass(frozen=True, kw_only=True)
class TooFewPictures:
    """Why there are no prediction sets: classes with fewer independent training pictures than are needed."""

    needed: int = LEAST_PER_CLASS
    """Of every class."""
    counts: dict[str, int]
    """Pictures, or groups of them, of every such class."""


@dataclass(frozen=True, kw_only=True)
class PredictionSets:
    """For each class, the out-of-fold probability of it for each training picture of it."""

    scores: tuple[Singles, ...] = field(repr=False)
    """k arrays (n_c,), ascending, 0 to 1."""

    @property
    def most_coverage(self) -> float:
        """The highest coverage, 0 to 1, for which there are pictures enough: n / (n + 1) of the smallest class."""
        fewest = min(map(len, self.scores))
        return fewest / (fewest + 1)

    def thresholds(self, coverage: float = COVERAGE) -> Floats:
        """(k,) probability from which each class is in a set. OptionError for a coverage that cannot be had."""
        if not 0.5 <= coverage <= self.most_coverage:
            fewest, most = min(map(len, self.scores)), math.floor(1000 * self.most_coverage) / 1000
            problem = Problem(
                expected=f"a coverage from 0.5 to {most:.3f}: the smallest class has {fewest} pictures",
                found=f"{coverage:g}",
                todo="ask for another coverage, or train on more pictures of that class",
            )
            raise OptionError("prediction sets", [problem])
        return np.array([scores[_passed_over(len(scores), coverage)] for scores in self.scores], dtype=np.float64)

    def sets(self, proba: ArrayLike, coverage: float = COVERAGE) -> Mask:
        """Which classes are in the set of each picture, (n, k), from calibrated probabilities (n, k)."""
        P = np.asarray(proba, dtype=np.float64)
        inside = P.astype(np.float32) >= self.thresholds(coverage).astype(np.float32)
        inside[np.arange(len(P)), P.argmax(axis=1)] = True
        return np.asarray(inside)

    def realised(self, coverage: float = COVERAGE) -> tuple[float, float]:
        """Lowest and highest share of new pictures whose set holds the true class, with a chance of 0.9 over samples.

        Another training sample of the same size would have given another threshold. For the smallest class, which
        varies most; the law of the share is Beta(n − l, l + 1) with l pictures passed over (Vovk 2012).
        """
        from scipy.special import betaincinv

        n = min(map(len, self.scores))
        passed = _passed_over(n, coverage)
        low, high = (float(betaincinv(n - passed, passed + 1, p)) for p in (0.05, 0.95))
        return low, high

    def tensors(self) -> dict[str, Singles]:
        """Arrays to keep: all scores in a row, and how many belong to each class."""
        return {
            "conformal.scores": np.concatenate(self.scores),
            "conformal.counts": np.array([len(scores) for scores in self.scores], dtype=np.float32),
        }

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Singles], num_classes: int) -> PredictionSets:
        """The inverse of `tensors`. Raises ValueError unless they are ascending probabilities of every class."""
        empty = np.empty(0, np.float32)
        scores, sizes = tensors.get("conformal.scores", empty), tensors.get("conformal.counts", empty)
        if scores.ndim != 1 or sizes.shape != (num_classes,) or not ((sizes >= 1) & (sizes <= len(scores))).all():
            raise ValueError(f"{scores.shape} probabilities of {sizes.shape} classes")
        counts = sizes.astype(np.int64)
        if counts.sum() != len(scores):
            raise ValueError(f"{len(scores)} probabilities, where {counts.sum()} pictures were counted")
        parts = tuple(np.split(scores, np.cumsum(counts)[:-1]))
        if not all(part[0] >= 0 and part[-1] <= 1 and (np.diff(part) >= 0).all() for part in parts):
            raise ValueError("probabilities that do not ascend from 0 to 1")
        return cls(scores=parts)


def learn_prediction_sets(
    proba: ArrayLike, y: ArrayLike, classes: Sequence[str], groups: ArrayLike | None = None
) -> PredictionSets | TooFewPictures:
    """Prediction sets from out-of-fold calibrated probabilities (n, k) and true classes (n,), or why there are none."""
    P, labels = np.asarray(proba, dtype=np.float64), np.asarray(y)
    own = np.arange(len(labels)) if groups is None else np.asarray(groups)
    counts = [len(np.unique(own[labels == c])) for c in range(len(classes))]
    if few := {name: count for name, count in zip(classes, counts, strict=True) if count < LEAST_PER_CLASS}:
        return TooFewPictures(counts=few)
    return PredictionSets(scores=tuple(np.sort(P[labels == c, c]).astype(np.float32) for c in range(len(classes))))


def _passed_over(n: int, coverage: float) -> int:
    """How many of n scores lie below the threshold; 1e-9 takes back the rounding of 1 − coverage."""
    return max(0, math.floor((n + 1) * (1 - coverage) + 1e-9) - 1)
