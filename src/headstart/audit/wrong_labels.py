"""How many labels are wrong, with an interval that holds 0 where classes merely overlap.

Two things make a classifier disagree with a label. Where classes overlap, it is wrong about hard pictures, less and
less often the surer it is. A label that was mixed up has nothing to do with the picture, so its disagreement is as
frequent where the classifier is sure. The model is a mixture of both, symmetric noise as in Menon et al., "Learning
from corrupted binary labels via class-probability estimation" (2015):

    P(label y) = (1 − ε) q_y + ε (1 − q_y) / (k − 1)

ε is the share of wrong labels, and q what right labels would have, from the margins u_c = log(max p / p_c) of a
classifier that was not fitted on the picture:

    q_c ∝ exp(−a r^b u_c)

a puts right how sure the classifier is in general. r is how far out the picture lies among all, its distance from the
mean in standardised features over that of the median picture. Where features have heavy tails, pictures far out are
answered less reliably than their margins say (b < 0), and without b their mistakes would count as wrong labels.

a, b and ε are those of largest likelihood. The interval holds every ε whose likelihood, a and b chosen anew, is not
significantly lower (profile likelihood; Wilks 1938), times n, rounded outward. ``benchmarks/wrong_labels.py`` measures
how often it holds the truth.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from headstart.arrays import Floats, Index, Labels, Rows
from headstart.evaluation.intervals import Estimate, t_quantile
from headstart.evaluation.losses import surprise
from headstart.features.rows import divisors

MOST_WRONG = 0.5
"""Largest share of wrong labels that is considered. With more, the labels would not name what is in the pictures."""
STEPS = 32
"""Shares from 0 to MOST_WRONG at which the likelihood is computed, dense near 0; between them a spline goes through."""
MOST_PROBABILITIES = 500_000
"""Of n pictures and k classes, n · k; of more, every second, third … picture is looked at. Chosen for its cost, about
two seconds."""
LARGE = 100_000_000
"""Numbers of a matrix, 400 MB, from which no second one of its size is made."""
_TOGETHER = 1_024  # rows of it
_WIDEST = 4.0  # |log a| and |b| are at most this
_METHOD = "profile likelihood of label noise beside overlapping classes"


def wrong_labels(proba: Floats, y: Labels, X: Rows, groups: Index) -> Estimate:
    """How many of n labels are wrong: estimate and 95 % interval, whole numbers at both ends.

    Args:
        proba: (n, k), each row from a classifier that was not fitted on that picture.
        y: (n,) labels given, as columns of ``proba``.
        X: (n, d) frozen features.
        groups: (n,); the pictures of one group count as one, since they are mistaken together.
    """
    from scipy.interpolate import CubicSpline

    n, k = proba.shape
    some = slice(None, None, -(-n * k // MOST_PROBABILITIES))
    steps, fine = np.linspace(0, 1, STEPS + 1), np.linspace(0, 1, 100 * STEPS + 1)
    losses = _losses(proba[some], y[some], far_out(X)[some], groups[some], MOST_WRONG * steps**3)
    excess = CubicSpline(steps, losses)(fine)
    excess -= excess.min()
    within = np.flatnonzero(excess <= t_quantile(math.inf) ** 2 / 2)
    value, low, high = n * MOST_WRONG * fine[[excess.argmin(), within[0], within[-1]]] ** 3
    return Estimate(float(value), float(math.floor(low)), float(math.ceil(high)), n, _METHOD)


def far_out(X: Rows) -> Floats:
    """(n,) logarithm of each picture's distance from the mean of standardised features X (n, d), less the median."""
    mean = X.mean(axis=0)
    if X.size <= LARGE:
        divisor = divisors((X - mean).std(axis=0))
    else:
        squares = sum(((part - mean) ** 2).sum(axis=0, dtype=np.float64) for part in _parts(X))
        divisor = divisors(np.sqrt(squares / len(X)).astype(np.float32))
    distances = []
    for part in _parts(X):
        scaled = (part - mean) / divisor
        distances.append(np.einsum("nd,nd->n", scaled, scaled, dtype=np.float64) / X.shape[1])
    logs = 0.5 * np.log(np.maximum(np.concatenate(distances), 1e-6))
    return np.asarray(logs - np.median(logs))


def _parts(X: Rows) -> Iterator[Rows]:
    return (X[start : start + _TOGETHER] for start in range(0, len(X), _TOGETHER))


def _losses(proba: Floats, y: Labels, far: Floats, groups: Index, shares: Floats) -> Floats:
    """Smallest negative log-likelihood of the labels (n,) under the model above, for each of the rising ``shares``."""
    from scipy.optimize import minimize

    rows, others = np.arange(len(y)), proba.shape[1] - 1
    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    weight = 1.0 / sizes[group]
    margins = surprise(proba)
    margins -= margins.min(axis=1, keepdims=True)  # (n, k)

    def loss(at: Floats, noise: float) -> tuple[float, Floats]:  # and its gradient by log a and b
        scaled = margins * np.exp(at[0] + at[1] * far)[:, None]
        q = np.exp(-scaled)
        q /= q.sum(axis=1, keepdims=True)
        own = q[rows, y]
        likely = np.maximum((1 - noise) * own + noise * (1 - own) / others, 1e-300)
        rise = own * ((q * scaled).sum(axis=1) - scaled[rows, y])  # of q_y by log a
        slope = weight * (1 - noise - noise / others) * rise / likely
        return -float(weight @ np.log(likely)), -np.array([slope.sum(), slope @ far])

    losses, at = [], np.zeros(2)
    for share in shares:
        best = minimize(
            loss, at, (share,), jac=True, method="L-BFGS-B", bounds=[(-_WIDEST, _WIDEST)] * 2, options={"ftol": 1e-6}
        )
        at = best.x
        losses.append(best.fun)
    return np.array(losses)
