"""How much copies in training flattered the number: the held-out pictures answered by a head that had seen them.

The chosen head is fitted once more on the training pictures as they were given, copies of held-out pictures and all,
and both heads answer the same held-out pictures. The difference of the two accuracies is what the leak was worth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.evaluation.intervals import LEVEL, Estimate, Units
from headstart.features.table import FeatureTable
from headstart.training.probe import Choice, ProbeOptions, probe_with
from headstart.trust.mending import Mended


@dataclass(frozen=True, kw_only=True)
class Leak:
    """What training on copies of held-out pictures would have added to the accuracy, and where."""

    split: str
    """The split that is quoted: "test", else "val"."""
    flattery: Estimate
    """Accuracy with the copies in training less accuracy without, on the same pictures; −1 to 1."""
    leaky: float
    """Accuracy of the head that was trained on the copies too."""
    mended: float
    """Accuracy of the head that was not: the honest one."""
    copied: int
    """Pictures of the split that had a copy in training, of ``flattery.n``."""
    copied_leaky: float
    """Accuracy on these, trained on the copies; nan where there are none."""
    copied_mended: float
    """Accuracy on these, not trained on them."""

    @property
    def sentence(self) -> str:
        """The finding in plain words."""
        points = [f"{100 * value:+.1f}" for value in (self.flattery.value, self.flattery.low, self.flattery.high)]
        shown = f"{points[0]} points (95 % interval {points[1]} to {points[2]})"
        sure = "That is a real difference." if self.flattery.low > 0 else "So few pictures cannot tell it from none."
        return (
            f"{self.copied} of {self.flattery.n} pictures of {self.split} had a copy in training. Trained on the "
            f"copies, the accuracy would have been {self.leaky:.1%}; it is {self.mended:.1%} without them. The leak "
            f"was worth {shown}. {sure}"
        )


def measure_leak(table: FeatureTable, mended: Mended, choice: Choice, options: ProbeOptions) -> Leak | None:
    """Measure what the copies would have been worth to the chosen head on frozen features; None if none were dropped.

    ``table`` holds the pictures as they were, ``mended.found.images``; ``choice`` was made on those that are left.
    """
    images = mended.found.images
    split = "test" if (images.split == "test").any() else "val"
    index = np.flatnonzero(images.split == split)
    is_copied = np.isin(index, mended.copied)
    if not is_copied.any():
        return None
    candidate, y = choice.candidate, images.y[index]
    X = table.rows(candidate.size, candidate.output, index)
    leaky_head = probe_with(table, np.flatnonzero(images.split == "train"), candidate, options)
    leaky, honest = (head.predict_proba(X).argmax(axis=1) == y for head in (leaky_head, choice.head))
    return Leak(
        split=split,
        flattery=paired_difference(leaky, honest, groups=images.groups[index]),
        leaky=float(leaky.mean()),
        mended=float(honest.mean()),
        copied=int(is_copied.sum()),
        copied_leaky=float(leaky[is_copied].mean()),
        copied_mended=float(honest[is_copied].mean()),
    )


def paired_difference(a: ArrayLike, b: ArrayLike, *, groups: ArrayLike | None = None) -> Estimate:
    """Difference of two accuracies on the same pictures, a − b, with its 95 % interval.

    ``a`` and ``b`` (n,) say which pictures were right. The interval is that of Bonett and Price ("Adjusted Wald
    confidence interval for a difference of binomial proportions based on paired data", 2012), which holds its level
    where few pictures differ; with ``groups`` (n,) it is widened as far as differences cluster in them.
    """
    d = np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)
    n = len(d)
    better, worse = int((d > 0).sum()), int((d < 0).sum())
    centre = (better - worse) / (n + 2)
    variance = ((better + worse + 2) / (n + 2) - centre**2) / (n + 2)
    value = float(d.mean())
    units = Units.of(n, groups)
    half = NormalDist().inv_cdf((1 + LEVEL) / 2) * math.sqrt(variance * _clustering(d - value, units))
    method = "Bonett–Price" if units.alone else f"Bonett–Price, {units.count} groups"
    low, high = max(-1.0, centre - half), min(1.0, centre + half)
    return Estimate(value, min(low, value), max(high, value), n, method)


def _clustering(deviations: NDArray[np.float64], units: Units) -> float:
    """By how much grouping widens the variance of a mean, at least 1."""
    alone = float(deviations @ deviations)
    return max(1.0, units.variance(deviations) / alone) if alone > 0 else 1.0
