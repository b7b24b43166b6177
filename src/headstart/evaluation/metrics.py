"""Probabilities and labels become metrics, each with an interval and the name of what it was measured on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.arrays import Floats, Mask
from headstart.errors import DataError, Problem
from headstart.evaluation.intervals import CONFIDENCE, Estimate, Size, Units, undefined, wilson
from headstart.evaluation.losses import LARGEST_LOSS, correct, log_losses, surprise
from headstart.evaluation.measured_on import MeasuredOn
from headstart.files import plain

MAX_BINS = 15
"""Bins of a reliability diagram; 15 as in Guo et al. 2017."""
PICTURES_PER_BIN = 20
"""Fewest pictures in a bin, so that its accuracy is known to 20 points or so."""


@dataclass(frozen=True, kw_only=True)
class ClassMetrics:
    """One class against the rest. ``support``: pictures of this class in the sample."""

    name: str
    precision: Estimate
    recall: Estimate
    f1: Estimate
    support: int


@dataclass(frozen=True, kw_only=True)
class ReliabilityBin:
    """Predictions of like confidence: how sure they were, how often right with its interval, how many."""

    confidence: float
    accuracy: float
    low: float
    high: float
    count: float


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What can be claimed of a classifier from one sample of ``n`` labelled pictures.

    ``majority_baseline`` is the accuracy of always answering ``majority``, the class most frequent in training.
    ``log_loss`` is in nats. ``ece`` is the expected calibration error in ``ece_bins`` bins of equal mass.
    ``roc_auc`` has the second class as positive for two classes, else it is the macro average of one class
    against the rest. Macro averages go over the classes the sample holds. ``confusion`` (k, k) has a row
    per true and a column per predicted class, mean counts if there were repeats.
    """

    measured_on: MeasuredOn
    n: int
    classes: tuple[str, ...]
    majority: int
    accuracy: Estimate
    balanced_accuracy: Estimate
    macro_f1: Estimate
    log_loss: Estimate
    ece: Estimate
    roc_auc: Estimate
    majority_baseline: Estimate
    ece_bins: int
    per_class: tuple[ClassMetrics, ...]
    confusion: tuple[tuple[float, ...], ...]
    reliability: tuple[ReliabilityBin, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types. An undefined metric is None and says why."""
        document = plain(self, majority=self.classes[self.majority])
        return {"measurement": document.pop("measured_on"), **document}


def evaluate(
    proba: ArrayLike,
    y: ArrayLike,
    classes: Sequence[str],
    *,
    measured_on: MeasuredOn,
    majority: int,
    groups: ArrayLike | None = None,
    seed: int = 0,
    resamples: int = 2000,
) -> Evaluation:
    """Measure probabilities against labels.

    ``proba`` (n, k), rows summing to 1, or (repeats, n, k) from repeated cross-validation: a metric is then
    its mean over repeats, and its interval still that of n pictures. ``y`` (n,) class indices. ``majority``
    is the index of the class most frequent *in training*. ``groups`` (n,) marks pictures that are not
    independent of each other. ``seed`` and ``resamples`` matter to the interval of ``ece`` alone. Raises
    DataError with every input that does not fit.
    """
    P, y, units = _checked(proba, y, classes, majority=majority, groups=groups)
    n = len(y)
    predicted = P.argmax(axis=2)
    hits = correct(P, y)
    bins = min(MAX_BINS, max(1, n // PICTURES_PER_BIN))
    confidence = P.max(axis=2)
    per_class, balanced_accuracy, macro_f1 = _by_class(predicted, y, classes, units)
    return Evaluation(
        measured_on=measured_on,
        n=n,
        classes=tuple(classes),
        majority=majority,
        accuracy=units.mean_share(hits.mean(axis=0)),
        balanced_accuracy=balanced_accuracy,
        macro_f1=macro_f1,
        log_loss=_log_loss(P, y, hits, units),
        ece=_calibration_error(confidence, hits, units, bins=bins, seed=seed, resamples=resamples),
        ece_bins=bins,
        roc_auc=_roc_auc(P, y, units),
        majority_baseline=units.mean_share(y == majority),
        per_class=per_class,
        confusion=_confusion(predicted, y, len(classes)),
        reliability=_reliability(confidence, hits, bins),
    )


def _checked(
    proba: ArrayLike, y: ArrayLike, classes: Sequence[str], *, majority: int, groups: ArrayLike | None
) -> tuple[Floats, NDArray[np.intp], Units]:
    """Inputs as (repeats, n, k), (n,) and units, or a DataError with everything that is wrong with them."""
    P, labels, k = np.asarray(proba, dtype=np.float64), np.asarray(y), len(classes)
    P = P[None] if P.ndim == 2 else P
    n = len(labels) if labels.ndim == 1 else 0
    shaped = P.ndim == 3 and P.shape[1:] == (n, k) and 0 not in P.shape and k > 1
    requirements = (
        (
            shaped,
            f"probabilities of shape ({n}, {k}) or (repeats, {n}, {k}), with n > 0 and at least 2 classes",
            f"shape {np.shape(proba)} for labels of shape {labels.shape} and {k} classes",
            "pass a row per label and a column per class",
        ),
        (
            not shaped or bool(P.min() >= 0 and np.abs(P.sum(axis=2) - 1).max() < 1e-3),  # False for nan
            "probabilities that are finite, not negative, and sum to 1 in each row",
            f"values from {P.min(initial=1)} to {P.max(initial=0)}",
            "pass softmax(logits), not the logits",
        ),
        (
            labels.dtype.kind in "iu" and bool(n == 0 or (labels.min() >= 0 and labels.max() < k)),
            f"labels that are whole numbers from 0 to {k - 1}",
            f"{labels.dtype} such as {sorted(set(labels.ravel().tolist()), key=str)[-1:]}",
            "encode the labels as indices into classes",
        ),
        (
            0 <= majority < k,
            f"majority from 0 to {k - 1}",
            str(majority),
            "pass the index of the class most frequent in training",
        ),
        (
            groups is None or np.shape(groups) == (n,),
            f"groups of shape ({n},), one per label",
            f"shape {np.shape(groups) if groups is not None else None}",
            "pass a group for every picture, or none at all",
        ),
    )
    problems = [
        Problem(expected=wanted, found=found, todo=todo) for fine, wanted, found, todo in requirements if not fine
    ]
    if problems:
        raise DataError("These predictions cannot be evaluated", problems)
    return P, labels.astype(np.intp), Units.of(n, groups)


def _log_loss(P: Floats, y: NDArray[np.intp], hits: Mask, units: Units) -> Estimate:
    """Mean of −log p of the true class."""
    losses = surprise(P)  # of every possible answer
    expected = (P * losses**2).sum(axis=2) - (P * losses).sum(axis=2) ** 2  # their variance, were P right
    losses = log_losses(P, y).mean(axis=0)
    expected = np.maximum(expected, 0.0).mean(axis=0)
    return units.mean(losses, most=LARGEST_LOSS, expected=expected, mistaken=np.asarray(~hits.all(axis=0)))


def _ratio(numerator: Floats, denominator: Floats) -> tuple[float, Floats] | None:
    """Mean over repeats of Σ numerator / Σ denominator, both (repeats, n), and each picture's influence (n,).

    The derivative of a ratio N/D by the weight of picture i is (aᵢ − N/D · bᵢ) / D. None if no repeat has a
    denominator.
    """
    D = denominator.sum(axis=1)
    if not D.any():
        return None
    a, b, D = numerator[D > 0], denominator[D > 0], D[D > 0]
    value = a.sum(axis=1) / D
    return float(value.mean()), ((a - value[:, None] * b) / D[:, None]).mean(axis=0)


def _by_class(
    predicted: NDArray[np.intp], y: NDArray[np.intp], classes: Sequence[str], units: Units
) -> tuple[tuple[ClassMetrics, ...], Estimate, Estimate]:
    """Every class by itself; balanced accuracy and macro-F1, the means over the classes present."""
    per_class, sizes = [], []
    recalls: list[tuple[float, Floats]] = []
    f1s: list[tuple[float, Floats]] = []
    for c, name in enumerate(classes):
        true, guess = np.broadcast_to(y == c, predicted.shape), predicted == c
        right = (true & guess).astype(np.float64)
        precision = _ratio(right, guess.astype(np.float64))
        recall = _ratio(right, true.astype(np.float64))
        f1 = _ratio(2 * right, true.astype(np.float64) + guess)
        per_class.append(
            ClassMetrics(
                name=name,
                precision=_class_share(precision, units.size(guess), units, "never predicted"),
                recall=_class_share(recall, units.size(true), units, "no picture of it"),
                f1=_class_share(f1, units.size(true | guess), units, "no picture of it, never predicted"),
                support=int(true[0].sum()),
            )
        )
        if recall is not None and f1 is not None:
            recalls.append(recall)
            f1s.append(f1)
            sizes.append(units.size(true[0]))
    return tuple(per_class), _macro(recalls, sizes, units), _macro(f1s, sizes, units)


def _class_share(ratio: tuple[float, Floats] | None, size: Size, units: Units, reason: str) -> Estimate:
    return units.share(*ratio, [size], n=round(size.pictures)) if ratio else undefined(reason)


def _macro(ratios: list[tuple[float, Floats]], sizes: list[Size], units: Units) -> Estimate:
    values, influences = zip(*ratios, strict=True)
    return units.share(float(np.mean(values)), np.mean(influences, axis=0), sizes, n=len(units.codes))


def _roc_auc(P: Floats, y: NDArray[np.intp], units: Units) -> Estimate:
    """Area under the ROC curve; the influence of a picture is its placement value (DeLong et al. 1988)."""
    n, k = P.shape[1:]
    present = np.unique(y)
    if len(present) < 2:
        return undefined("only one class", n=n)
    positives = [1] if k == 2 else present.tolist()
    sizes, total, influence = [], 0.0, np.zeros(n)
    for c in positives:
        positive = y == c
        sides = units.size(positive), units.size(~positive)
        sizes.append(min(sides, key=lambda side: side.groups))
        # n / (n − 1) on each side: a class of ten pictures spreads less around its own mean than around the true one.
        unbiased = np.where(positive, *(math.sqrt(side.groups / max(side.groups - 1, 1)) for side in sides))
        for scores in P[:, :, c]:
            value, own = _placements(scores, positive)
            total += value
            influence += own * unbiased
    pairs = len(positives) * len(P)
    return units.share(total / pairs, influence / pairs, sizes, n=n, binomial=False)


def _placements(scores: Floats, positive: Mask) -> tuple[float, Floats]:
    """AUC of scores (n,), and the influence (n,) of each picture: how much of the other side it outranks."""

    def below(ordered: Floats, values: Floats) -> Floats:  # share of ``ordered`` below each value, ties half
        left, right = (ordered.searchsorted(values, side=side) for side in ("left", "right"))
        return (left + right) / (2 * len(ordered))

    up, down = np.sort(scores[positive]), np.sort(scores[~positive])
    won = below(down, scores[positive])
    value = float(won.mean())
    influence = np.empty(len(scores))
    influence[positive] = (won - value) / len(up)
    influence[~positive] = (1 - below(up, scores[~positive]) - value) / len(down)
    return value, influence


def _bin_edges(n: int, bins: int) -> NDArray[np.intp]:
    """Where each of ``bins`` runs of (almost) equal length starts in n ordered values."""
    return np.linspace(0, n, bins + 1).astype(np.intp)[:-1]


def _calibration_error(
    confidence: Floats, hits: Mask, units: Units, *, bins: int, seed: int, resamples: int
) -> Estimate:
    """Expected calibration error: Σ over bins of |confidence − accuracy| weighted by mass; mean over repeats.

    It is positive even for perfect calibration, so a bootstrap of it never reaches 0. Its spread is drawn
    from perfect calibration instead, where a picture is right with the probability the model gave
    ("consistency resampling", Bröcker & Smith 2007). Pictures of one group, and repeats of one picture,
    share their draw. It answers "could this be 0?"; as an interval of a clear error's size it is wide
    (``benchmarks/interval_coverage.py``).
    """
    n = confidence.shape[1]
    order = np.argsort(confidence, axis=1, kind="stable")
    ordered, edges = np.take_along_axis(confidence, order, axis=1), _bin_edges(n, bins)

    def error(right: Mask) -> Floats:  # (draws, repeats, n) in order of confidence → (draws,)
        gaps = np.add.reduceat(ordered - right, edges, axis=2)
        return np.asarray(np.abs(gaps).sum(axis=2).mean(axis=1) / n)

    value = float(error(np.take_along_axis(hits, order, axis=1)[None])[0])
    rng = np.random.default_rng(seed)
    step = max(1, 1_000_000 // confidence.size)  # keeps the draws in cache and memory flat in n
    null = np.concatenate(
        [
            error(rng.random((min(step, resamples - start), units.count))[:, units.codes][:, order] < ordered)
            for start in range(0, resamples, step)
        ]
    )
    spread = float(np.quantile(null, (1 + CONFIDENCE) / 2))
    method = f"consistency resampling, {bins} equal-mass bins"
    return Estimate(value, max(0.0, value - spread), min(1.0, value + spread), n, method)


def _reliability(confidence: Floats, hits: Mask, bins: int) -> tuple[ReliabilityBin, ...]:
    """Bins of equal mass over all repeats; a bin counts pictures, not repeats of them."""
    repeats = len(confidence)
    order = np.argsort(confidence, axis=None, kind="stable")
    edges = _bin_edges(order.size, bins)[1:]
    ordered = (np.split(values.ravel()[order], edges) for values in (confidence, hits))
    rows = []
    for sure, right in zip(*ordered, strict=True):
        count, accuracy = len(sure) / repeats, float(right.mean())
        low, high = wilson(accuracy * count, count)
        rows.append(ReliabilityBin(confidence=float(sure.mean()), accuracy=accuracy, low=low, high=high, count=count))
    return tuple(rows)


def _confusion(predicted: NDArray[np.intp], y: NDArray[np.intp], k: int) -> tuple[tuple[float, ...], ...]:
    counts = np.bincount((y * k + predicted).ravel(), minlength=k * k).reshape(k, k)
    return tuple(map(tuple, (counts if len(predicted) == 1 else counts / len(predicted)).tolist()))
