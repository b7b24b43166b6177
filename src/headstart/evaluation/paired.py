"""Tests of two settings on the same test pictures, trained with one seed or with several.

A setting's accuracy varies for two reasons: other pictures would have been drawn, and another seed would have made
another model. Both count, as crossed random effects, since every seed answers every picture.

Pictures: an exact test picture by picture. With one seed each that is McNemar's, and it compares the two models there
are. With several, the same test on the mean correctness of each picture. Seeds: the z of that test is shrunk by the
share of the whole variance that pictures explain, and referred to Student's t, since the variance of a few seeds is
poorly estimated. In simulated comparisons of 2 to 6 equal settings with 2 to 5 seeds on 153 pictures, in which seeds
moved the accuracy by 1 to 4 points, this told any two apart in 1 to 7 % of sets (nominal 5 %).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist, median
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from headstart.arrays import Floats, Index
from headstart.evaluation.intervals import Estimate, Units, t_quantile

ALPHA = 0.05
"""Probability of telling apart what does not differ, over all pairs together. The usual level, fixed in advance."""
MOST_FLIPS = 1000
"""Pictures up to which the sign-flip test is exact; beyond, the normal law gives the same p within a tenth of it."""
MOST_FREEDOM = 1e6
"""Degrees of freedom from which Student's t is the normal law."""
SMALLEST_P = 1e-300
"""Below it a normal quantile is infinite in double precision."""


def mcnemar_exact(only_a: int, only_b: int) -> float:
    """Two-sided p of McNemar's exact test: how the pictures that one of two models alone got right are split."""
    from scipy.special import bdtr

    n = only_a + only_b
    return min(1.0, 2 * float(bdtr(min(only_a, only_b), n, 0.5))) if n else 1.0


def paired_difference(a: ArrayLike, b: ArrayLike, units: Units | None = None) -> Estimate:
    """Difference of two accuracies on the same n pictures, a − b, from −1 to 1, with its 95 % interval.

    ``a`` and ``b`` (n,) say which pictures were right, or how often, 0 to 1; ``units`` which pictures belong together,
    by default none. Two pictures that differ are added, one in favour of each, so that no difference in the sample is
    not certainty: Bonett and Price, "Adjusted Wald confidence interval for a difference of binomial proportions based
    on paired data", 2012. Their variance is taken from the spread of the differences, which for single pictures is the
    same to a few parts in 10,000, so that shares are allowed and a group counts as one draw, with Student's t.
    """
    gaps = np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)
    n, value = len(gaps), float(gaps.mean())
    units = units or Units.of(n)
    spread = units.variance((gaps - value) / n) * n**2 + 2.0
    shrunk, error = float(gaps.sum()) / (n + 2), math.sqrt(spread) / (n + 2)
    t = t_quantile(math.inf if units.alone else units.count - 1)
    low, high = max(-1.0, min(shrunk - t * error, value)), min(1.0, max(shrunk + t * error, value))
    return Estimate(value, low, high, n, "Bonett–Price" + ("" if units.alone else f", {units.count} groups"))


def out_of_fold_p(p: float, *, train_fraction: float) -> float:
    """A two-sided p over pictures, for answers out of fold, where the models share most of their training pictures.

    Nadeau and Bengio's factor on the variance, 1 + 1/train_fraction for one round of folds: 2.25 for five. As there it
    is an approximation, on the safe side where the training pictures hardly matter.
    """
    z = -NormalDist().inv_cdf(max(p, SMALLEST_P) / 2)
    return math.erfc(z / math.sqrt(2 * (1 + 1 / train_fraction)))


def holm(p: Sequence[float]) -> list[float]:
    """p-values corrected for their number: the i-th smallest of m times m − i + 1, never falling (Holm 1979)."""
    adjusted, highest = [0.0] * len(p), 0.0
    for i, at in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        highest = max(highest, min(1.0, (len(p) - i) * p[at]))
        adjusted[at] = highest
    return adjusted


class SeedSpread(NamedTuple):
    """How the accuracy of a setting, mean over its seeds, varies with them."""

    added: float
    """Variance that comes on top of what the test pictures explain."""
    whole: float
    """Variance with that part."""
    freedom: int


def seed_spreads(settings: Sequence[Floats]) -> list[SeedSpread]:
    """Of every setting, given its answers (seeds, n) as 0 and 1. All zero if all have one seed: nothing is known.

    By the two-way analysis of variance: accuracies of single seeds vary by σ²_seed + σ²_rest / n, of which the first
    is added. Two or three seeds may agree by luck, so no setting is believed to vary less than the median setting;
    one with a single seed is taken to vary like that.
    """
    known = {i: _seed_variances(hits) for i, hits in enumerate(settings) if len(hits) > 1}
    if not known:
        return [SeedSpread(0.0, 0.0, 0)] * len(settings)
    usual = [median(values) for values in zip(*known.values(), strict=True)]
    fewest = min(len(settings[i]) for i in known)
    spreads = []
    for i, hits in enumerate(settings):
        added, whole = (
            max(own, median_of) / len(hits) for own, median_of in zip(known.get(i, usual), usual, strict=True)
        )
        spreads.append(SeedSpread(added, whole, (len(hits) if i in known else fewest) - 1))
    return spreads


def _seed_variances(hits: Floats) -> tuple[float, float]:
    """σ²_seed and σ²_seed + σ²_rest / n, from (seeds, n) with two seeds or more."""
    seeds, n = hits.shape
    means = hits.mean(axis=1, keepdims=True)
    rest = hits - hits.mean(axis=0) - means + hits.mean()
    whole = float(means.var(ddof=1))
    return max(whole - float((rest**2).sum()) / ((seeds - 1) * max(n - 1, 1) * n), 0.0), whole


def freedom_of(variance: float, *spreads: SeedSpread) -> float:
    """Degrees of freedom of a variance to which one or two settings add their spreads, and pictures the rest.

    Satterthwaite's, with pictures as known and the spreads as one sum. Of two settings' freedom one is taken off: in
    simulation all of it told too many settings apart with two seeds each, and only the smaller of the two too few.
    """
    uncertain = sum(spread.whole for spread in spreads)
    freedom = sum(spread.freedom for spread in spreads) - (len(spreads) - 1)
    return min((variance / uncertain) ** 2 * freedom, MOST_FREEDOM) if uncertain else MOST_FREEDOM


def paired_p(a: Floats, b: Floats, spread_a: SeedSpread, spread_b: SeedSpread) -> float:
    """Two-sided p for two settings, answers (seeds, n) as 0 and 1 on the same pictures."""
    from scipy.special import stdtr

    scale = math.lcm(len(a), len(b))
    shares = np.rint(scale * (a.mean(axis=0) - b.mean(axis=0))).astype(np.int64)  # whole numbers: exact
    p = sign_flip(shares)
    if p == 1 or not spread_a.whole + spread_b.whole:
        return p
    pictures = float(shares @ shares) / (scale * len(shares)) ** 2
    variance = pictures + spread_a.added + spread_b.added
    z = -NormalDist().inv_cdf(max(p, SMALLEST_P) / 2)
    return float(2 * stdtr(freedom_of(variance, spread_a, spread_b), -abs(z * math.sqrt(pictures / variance))))


def sign_flip(shares: Index) -> float:
    """Two-sided p of the sum of whole numbers if each were as likely to have the other sign.

    With ±1 alone that is McNemar's exact test. The law of the sum is built picture by picture.
    """
    steps = np.abs(shares[shares != 0])
    total, reach = abs(int(shares.sum())), int(steps.sum())
    if not total:
        return 1.0
    if len(steps) > MOST_FLIPS:
        return math.erfc(total / math.sqrt(2 * float(steps @ steps)))
    law = np.zeros(2 * reach + 1)  # of the sum, from −reach to reach
    law[reach] = 1.0
    for step in steps:
        law = (np.roll(law, step) + np.roll(law, -step)) / 2
    return min(1.0, 2 * float(law[reach + total :].sum()))
