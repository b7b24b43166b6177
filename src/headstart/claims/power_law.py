"""Equally likely power laws that agree with a measured learning curve, and what they forecast beyond it.

The error with m pictures is described by an inverse power law with a limit, ``e(m) = E · (f + (1 − f) · (m / M)^−c)``,
the form that learning curves have been found to follow (Viering and Loog, "The shape of learning curves: a review",
2022). E is the error at M, the largest part; f the share of it that no number of pictures removes; c how fast the rest
goes.

All triples (E, f, c) that agree with the measured curve are kept, each with its posterior weight, and every forecast is
an interval of what they say. So where the curve is known badly, as it is when only three mistakes are left to count,
the interval is wide. What is measured twice on the same pictures is compared picture by picture: the level E is as
certain as a share of n pictures, the shape (f, c) follows from the covariance of the errors at the different sizes.

No curve says of itself how long it will go on falling: heads on well separated classes fall steeply and then not at
all, heads on small defects slowly and then faster. So beyond M each curve goes u times the way that it promises (on the
logarithm of the error), with u anything from 0 to 2. ``benchmarks/learning_curve.py`` measures what that is worth.
"""

from __future__ import annotations

import math

import numpy as np

from headstart.arrays import Floats
from headstart.evaluation.intervals import Units

FASTEST = 1.5
"""Largest power c. Chosen, not measured alone; how often forecasts with it hold: ``benchmarks/learning_curve.py``."""
TRUST = 2.0
"""Largest u: times the way its law promises that a curve goes. Set on the sets in ``benchmarks/learning_curve.py``."""
MISFIT = 0.2
"""Of the logarithm of an error, per doubling, that the power law may miss whatever the pictures say. Chosen, not
measured alone; how often forecasts with it hold: ``benchmarks/learning_curve.py``."""


def equally_likely(
    errors: Floats, sizes: Floats, units: Units, rng: np.random.Generator, samples: int = 2000
) -> Floats:
    """Equally likely (E, f, c, u), (samples, 4), given errors (J, n) of each picture at each size.

    Prior: Jeffreys' for E; f uniform in (0, 1); c uniform in (0, FASTEST). Likelihood: the level is binomial; the
    logarithms of the errors at smaller sizes, less that at the largest, are normal with the covariance seen over
    pictures, half a mistake added so that none seen is not none at all.
    """
    n, last = errors.shape[1], float(errors[-1].mean())
    variance = units.variance((errors[-1] - last) / n)
    seen = last * (1 - last) / variance if variance > 0 else float(units.count)
    size = float(n if units.alone else min(n, seen))
    middle, width = math.asin(math.sqrt((last * size + 0.5) / (size + 1))), 2.5 / math.sqrt(size)
    angle = np.linspace(max(middle - width, 1e-3), min(middle + width, math.pi / 2), 81)  # E = sin² of a uniform angle
    f, c = (np.arange(40) + 0.5) / 40, (np.arange(40) + 0.5) / 40 * FASTEST

    level = np.sin(angle) ** 2
    log_level = size * (last * np.log(level) + (1 - last) * np.log1p(-np.minimum(level, 1 - 1e-12)))
    log_shape = np.zeros((len(f), len(c)))
    if len(sizes) > 1:
        means = errors.mean(axis=1)
        smooth = means + 0.5 / n
        influence = (errors - means[:, None]) / (n * smooth[:, None])
        ratio = influence[:-1] - influence[-1]
        sums = np.stack([np.bincount(units.codes, weights=row, minlength=units.count) for row in ratio])
        unseen = 0.25 / (n * smooth) ** 2
        covariance = sums @ sums.T + np.diag(unseen[:-1]) + unseen[-1]
        covariance += MISFIT**2 * np.diag(np.log2(sizes[-1] / sizes[:-1]))
        relative = f[:, None, None] + (1 - f)[:, None, None] * (sizes[:-1] / sizes[-1]) ** -c[:, None]
        off = np.log(smooth[:-1] / smooth[-1]) - np.log(relative)  # (f, c, J − 1)
        log_shape = -0.5 * np.einsum("fcj,jk,fck->fc", off, np.linalg.inv(covariance), off)
    pick = rng.choice(len(level), size=samples, p=_normalised(log_level))
    shape = rng.choice(log_shape.size, size=samples, p=_normalised(log_shape).ravel())
    trusted = TRUST * (rng.permutation(samples) + 0.5) / samples
    return np.column_stack([level[pick], f[shape // len(c)], c[shape % len(c)], trusted])


def _normalised(log_weight: Floats) -> Floats:
    weight = np.exp(log_weight - log_weight.max())
    return np.asarray(weight / weight.sum())
