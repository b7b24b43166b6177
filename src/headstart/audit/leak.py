"""How much copies flattered the number: the same pictures answered by a head that had seen copies of them.

Where splits were given, the chosen head is fitted once more on the training pictures as they were, copies of held-out
pictures and all, and both heads answer the same held-out pictures. Otherwise it is cross-validated once more in folds
that tear copies apart. The difference of the two accuracies is what the leak was worth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.audit.deduplication import Deduplicated
from headstart.evaluation.intervals import LEVEL, Estimate, Units
from headstart.features.table import FeatureTable
from headstart.probe.choice import Choice, out_of_fold, probe_with, repeats_for
from headstart.probe.options import ProbeOptions

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Leak:
    """What learning from copies of the pictures it is measured on would have added to the accuracy, and where."""

    split: str
    """What is measured on: "test", else "val", else "folds"."""
    optimism: Estimate
    """Accuracy with copies learned from less accuracy without, on the same pictures; −1 to 1."""
    leaky: float
    """Accuracy of the head that had learned from the copies too."""
    deduplicated: float
    """Accuracy of the head that had not: the honest one."""
    copied: int
    """Pictures, of ``optimism.n``, that had a copy among those learned from."""
    copied_leaky: float
    """Accuracy on these, learned from the copies."""
    copied_mended: float
    """Accuracy on these, not learned from them."""

    @property
    def sentence(self) -> str:
        """The finding in plain words."""
        value, low, high = (f"{100 * one:+.1f}" for one in (self.optimism.value, self.optimism.low, self.optimism.high))
        sure = "That is a real difference." if self.optimism.low > 0 else "So few pictures cannot tell it from none."
        if self.split == "folds":
            what = f"{self.copied} of {self.optimism.n} pictures have a near copy. Had folds torn the copies apart"
        else:
            what = (
                f"{self.copied} of {self.optimism.n} pictures of {self.split} had a copy in training. Trained on them"
            )
        return (
            f"{what}, the accuracy of the head on frozen features would have been {self.leaky:.1%}; it is "
            f"{self.deduplicated:.1%} without. "
            f"The leak was worth {value} points (95 % interval {low} to {high}). {sure}"
        )


def measure_leak(table: FeatureTable, deduplicated: Deduplicated, choice: Choice, options: ProbeOptions) -> Leak | None:
    """Measure what copies would have been worth to the chosen head on frozen features; None if there is no such copy.

    ``choice`` was made on the pictures that are left in ``deduplicated``. The table may be of any
    images: its workbench is used.
    """
    images = deduplicated.found.images
    split = next((name for name in ("test", "val") if (images.split == name).any()), "folds")
    measure = _in_folds if split == "folds" else _on_split
    index = np.flatnonzero(images.split == ("train" if split == "folds" else split))
    copied = _torn_apart(deduplicated)[index] if split == "folds" else np.isin(index, deduplicated.copied)
    if not copied.any():
        return None
    leaky, honest = measure(table, deduplicated, choice, options, index)
    if split == "folds":  # folds that fell otherwise change the answers to other pictures by luck alone
        leaky = np.where(copied, leaky, honest)
    return Leak(
        split=split,
        optimism=paired_difference(leaky, honest, groups=deduplicated.grouped.groups[index]),
        leaky=float(leaky.mean()),
        deduplicated=float(honest.mean()),
        copied=int(copied.sum()),
        copied_leaky=float(leaky[copied].mean()),
        copied_mended=float(honest[copied].mean()),
    )


def _torn_apart(deduplicated: Deduplicated) -> NDArray[np.bool_]:
    """(n,) whether a picture has copies that were not in its group before: exact ones always were."""
    member = np.array([cluster is not None for cluster in deduplicated.found.membership()])
    before, after = (np.bincount(one.groups)[one.groups] for one in (deduplicated.found.images, deduplicated.grouped))
    torn: NDArray[np.bool_] = member & (after > before)
    return torn


def _on_split(
    table: FeatureTable, deduplicated: Deduplicated, choice: Choice, options: ProbeOptions, index: NDArray[np.int64]
) -> tuple[Floats, Floats]:
    """Whether each held-out picture is answered rightly, (n,): having learned from copies, and not."""
    images, candidate = deduplicated.found.images, choice.candidate
    table = table.of(images)
    leaky = probe_with(table, np.flatnonzero(images.split == "train"), candidate, options)
    X = table.rows(candidate.size, candidate.output, index)
    first, second = (head.predict_proba(X).argmax(axis=1) == images.y[index] for head in (leaky, choice.head))
    return first.astype(np.float64), second.astype(np.float64)


def _in_folds(
    table: FeatureTable, deduplicated: Deduplicated, choice: Choice, options: ProbeOptions, index: NDArray[np.int64]
) -> tuple[Floats, Floats]:
    """How often each picture is answered rightly out of fold, (n,), copies torn apart and not."""
    repeats = repeats_for(len(index))
    found = []
    for images in (deduplicated.found.images, deduplicated.grouped):
        hits = np.zeros(len(index))
        for repeat in range(repeats):
            proba = out_of_fold(table.of(images), index, choice.candidate, replace(options, seed=options.seed + repeat))
            hits += proba.argmax(axis=1) == images.y[index]
        found.append(hits / repeats)
    return found[0], found[1]


def paired_difference(a: ArrayLike, b: ArrayLike, *, groups: ArrayLike | None = None) -> Estimate:
    """Difference of two accuracies on the same pictures, a − b, with its 95 % interval.

    ``a`` and ``b`` (n,) say which pictures were right, or how often. The interval is that of Bonett and Price
    ("Adjusted Wald confidence interval for a difference of binomial proportions based on paired data", 2012), which
    holds its level where few pictures differ; with ``groups`` (n,) it is widened as far as differences cluster in them.
    """
    d = np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)
    n = len(d)
    better, worse = float(np.maximum(d, 0).sum()), float(np.maximum(-d, 0).sum())
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
