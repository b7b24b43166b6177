"""What a classifier achieves if it may leave the pictures it is least sure of to someone else.

The risk–coverage curve (El-Yaniv and Wiener, "On the foundations of noise-free selective classification", 2010): answer
only the most confident share c of pictures (the coverage), and see how often those answers are wrong (the risk). The
area under it is the mean risk over all coverages: as low as the mistakes allow where they are the least sure answers,
and the plain error rate where confidence says nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from headstart.arrays import Floats, Mask
from headstart.evaluation.intervals import Estimate, Size, Units, undefined
from headstart.evaluation.losses import correct
from headstart.files import plain

SHARES = (1.0, 0.95, 0.9, 0.8, 0.7, 0.5)
"""Shares of pictures answered that are listed. Chosen, not measured: nothing but the table and a figure depends."""
ERROR_LEFT = 0.5
"""Error rate of the answers called sure, as a share of that of all. Chosen, not measured: how many answers are sure
with it, and how often they are right, is what `benchmarks/prediction_sets.py` shows."""


@dataclass(frozen=True, kw_only=True)
class Answered:
    """The pictures that would be answered: which share of all, how sure at least, and how often right."""

    share: Estimate
    threshold: float
    """Probability of the answer, 0 to 1, from which pictures count as answered; mean over repeats."""
    accuracy: Estimate


@dataclass(frozen=True, kw_only=True)
class RiskCoverage:
    """The curve on ``n`` pictures, the area under it, and what holds at stated shares."""

    n: int
    risk: Floats = field(repr=False)
    """(n,): error rate among the 1, 2, …, n most confident answers; equal confidence in random order."""
    area: Estimate
    """Mean of ``risk``, 0 to 1, less is better."""
    best_area: float
    """What it would be if all mistakes were the least confident answers."""
    at: tuple[Answered, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; of the curve, at most 100 points (share answered, error rate)."""
        points = np.unique(np.linspace(1, self.n, min(self.n, 100)).round().astype(int))
        curve = np.column_stack([points / self.n, self.risk[points - 1]])
        return plain(self, "n", "area", "best_area", "at", curve=curve)


def risk_coverage(
    proba: ArrayLike, y: ArrayLike, groups: ArrayLike | None = None, *, shares: Sequence[float] = SHARES
) -> RiskCoverage:
    """The curve from probabilities (n, k), or (repeats, n, k) whose curves are averaged, and true classes (n,)."""
    confidence, hits = _answers(proba, y)
    n = confidence.shape[1]
    units = Units.of(n, groups)
    errors = np.stack([_in_order(c, h) for c, h in zip(confidence, hits, strict=True)])  # (repeats, n), surest first
    risks = errors.cumsum(axis=1) / np.arange(1, n + 1)
    area = float(risks.mean())
    repeats = zip(confidence, errors, risks, strict=True)
    influence = np.stack([_area_influence(*repeat) for repeat in repeats]).mean(axis=0)
    mistakes = np.rint((~hits).sum(axis=1)).astype(int)
    best = [np.concatenate([np.zeros(n - m), np.arange(1, m + 1)]) / np.arange(1, n + 1) for m in mistakes]
    return RiskCoverage(
        n=n,
        risk=risks.mean(axis=0),
        area=units.share(area, influence, [Size(n, units.count)], n=n),
        best_area=float(np.mean(best)),
        at=tuple(_at_share(share, confidence, hits, units) for share in shares),
    )


def answered_above(threshold: float, proba: ArrayLike, y: ArrayLike, groups: ArrayLike | None = None) -> Answered:
    """What answering only from this probability up gives on labelled pictures; shapes as for `risk_coverage`."""
    confidence, hits = _answers(proba, y)
    return _answered(confidence >= threshold, hits, threshold, Units.of(confidence.shape[1], groups))


def sure_enough(proba: ArrayLike, y: ArrayLike, *, error_left: float = ERROR_LEFT) -> float:
    """The lowest probability of an answer from which answers are wrong at most ``error_left`` times as often as all.

    ``proba`` (n, k) must be out of fold. 1 where no answers are that much better: confidence says nothing here. The
    lowest probability seen where no answer was wrong. Else at most (n + 1) / (n + 2), since n pictures cannot show that
    a smaller chance of error is any (Laplace).
    """
    (confidence,), (hits,) = _answers(proba, y)
    order = np.argsort(-confidence, kind="stable")
    risk = (~hits[order]).cumsum() / np.arange(1, len(order) + 1)
    last_of_equals = np.append(np.diff(confidence[order]) < 0, True)
    fine = np.flatnonzero(last_of_equals & (risk <= error_left * risk[-1]))
    n = len(order)
    return min(float(confidence[order[fine[-1]]]), (n + 1) / (n + 2)) if len(fine) else 1.0


def _answers(proba: ArrayLike, y: ArrayLike) -> tuple[Floats, Mask]:
    """Probability of the answer and whether it is right, both (repeats, n)."""
    P = np.asarray(proba, dtype=np.float64)
    P = P[None] if P.ndim == 2 else P
    return P.max(axis=2), correct(P, np.asarray(y))


def _in_order(confidence: Floats, hits: Mask) -> Floats:
    """Errors (n,) from the surest answer down; equally sure ones share theirs evenly."""
    _, tied = np.unique(-confidence, return_inverse=True)
    mean = np.bincount(tied, weights=~hits) / np.bincount(tied)
    return np.asarray(mean[np.sort(tied)])


def _area_influence(confidence: Floats, errors: Floats, risk: Floats) -> Floats:
    """Influence (n,) of each picture on the area; its derivative by the picture's weight.

    With weights w, area = Σₘ wₘ Rₘ / Σ w and Rₘ = Σ_{j≤m} wⱼ eⱼ / Σ_{j≤m} wⱼ, so the derivative by wᵢ is
    (Rᵢ − area + Σ_{m≥i} (eᵢ − Rₘ) / m) / n at w = 1.
    """
    n = len(errors)
    m = np.arange(1, n + 1)
    tail_weight = np.cumsum((1 / m)[::-1])[::-1]
    tail_risk = np.cumsum((risk / m)[::-1])[::-1]
    influence = np.empty(n)
    influence[np.argsort(-confidence, kind="stable")] = (risk - risk.mean() + errors * tail_weight - tail_risk) / n
    return influence


def _at_share(share: float, confidence: Floats, hits: Mask, units: Units) -> Answered:
    """The most confident ``share`` of each repeat; of equals, the first."""
    n = confidence.shape[1]
    count = max(1, round(share * n))
    order = np.argsort(-confidence, axis=1, kind="stable")
    least = np.take_along_axis(confidence, order[:, count - 1 : count], axis=1)
    answered = _answered(order.argsort(axis=1) < count, hits, float(least.mean()), units)
    exactly = count / n
    return replace(answered, share=Estimate(exactly, exactly, exactly, n, "as stated"))


def _answered(kept: Mask, hits: Mask, threshold: float, units: Units) -> Answered:
    """Share and accuracy of the pictures ``kept`` (repeats, n)."""
    n = kept.shape[1]
    mine = kept.mean(axis=0)
    share = units.share(float(mine.mean()), (mine - mine.mean()) / n, [Size(n, units.count)], n=n)
    if not kept.any():
        return Answered(share=share, threshold=threshold, accuracy=undefined("nothing is answered"))
    some = kept.any(axis=1)
    kept, hits = kept[some], hits[some]
    count = kept.sum(axis=1, keepdims=True)
    value = (kept & hits).sum(axis=1, keepdims=True) / count
    influence = (kept * (hits - value) / count).mean(axis=0)
    accuracy = units.share(float(value.mean()), influence, [units.size(kept)], n=round(float(count.mean())))
    return Answered(share=share, threshold=threshold, accuracy=accuracy)
