"""One number that makes probabilities mean what they say: temperature scaling."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.arrays import Floats

COLDEST, HOTTEST = 0.05, 20.0
"""Temperatures between which the minimum is sought; outside, probabilities are 0 and 1, or all alike."""
CLOSE = 1e-6
"""Relative error of a temperature."""
MOST_STEPS = 60
"""Of Newton's method or of halving: halving alone needs 23."""
MOST_TOGETHER = 1 << 17
"""Probabilities worked on at once: a megabyte, which a core's cache holds."""


def softmax(logits: ArrayLike, temperature: float = 1.0) -> Floats:
    """Logits (…, k) as probabilities of the same shape. A temperature above 1 makes them less sure."""
    Z = np.asarray(logits, dtype=np.float64) / temperature
    E = np.exp(Z - Z.max(axis=-1, keepdims=True))
    return np.asarray(E / E.sum(axis=-1, keepdims=True))


def fit_temperature(logits: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
    """The temperature that minimises the log-loss of ``softmax(logits, temperature)``, within [0.05, 20].

    Guo et al., "On calibration of modern neural networks", 2017, with one pseudo-picture added to the n pictures
    (Laplace's rule of succession): its log-loss is the mean over all pictures and over all k classes, as if each class
    were as likely to be the true one. Without it, n answers that are all right would push the temperature to its lower
    bound; with it, the probability of a wrong answer stays near 1 / n.

    Args:
        logits: (n, k), of pictures the model was not fitted on, else it learns to be as sure as it was in training.
        y: (n,) class indices.
        sample_weight: (n,), weight of each picture in the sum; the pseudo-picture has a weight of 1.
    """
    weights = np.ones(len(np.asarray(y))) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    return float(fit_temperatures(logits, y, weights[None])[0])


def fit_temperatures(logits: ArrayLike, y: ArrayLike, weights: Floats) -> Floats:
    """As `fit_temperature`, the temperature for each row of ``weights`` (m, n): (m,).

    None depends on the other rows. Inside, classes lie along the first axis, so that sums over them are of long rows.
    """
    labels = np.asarray(y)
    Z = np.ascontiguousarray(np.asarray(logits, dtype=np.float64).T)
    Z -= Z.max(axis=0)
    most = max(1, MOST_TOGETHER // Z.size)
    blocks = [_fit(Z, labels, weights[at : at + most]) for at in range(0, len(weights), most)]
    return np.concatenate(blocks)


def _fit(Z: Floats, y: NDArray[np.integer[Any]], weights: Floats) -> Floats:
    """Temperatures (m,) for logits (k, n), the largest of each picture 0, and weights (m, n).

    The loss is convex in 1/T. Newton's method in log T, where a step means the same ratio everywhere, kept within its
    bounds.
    """
    total = weights.sum(axis=1)
    expected = (weights * Z[y, np.arange(len(y))]).sum(axis=1) + (weights * Z.mean(axis=0)).sum(axis=1) / total
    weights, squares = weights * (1 + 1 / total)[:, None], Z**2
    low, high = np.full(len(weights), -math.log(HOTTEST)), np.full(len(weights), -math.log(COLDEST))
    log_beta, on = np.zeros(len(weights)), np.arange(len(weights))
    for _ in range(MOST_STEPS):
        here, beta = log_beta[on], np.exp(log_beta[on])
        E = np.exp(beta[:, None, None] * Z)
        sums = E.sum(axis=1)
        means = np.einsum("mkn,kn->mn", E, Z) / sums
        slope = (weights[on] * means).sum(axis=1) - expected[on]
        spread = np.einsum("mkn,kn->mn", E, squares) / sums - means**2
        curvature = beta * (weights[on] * spread).sum(axis=1)
        low[on], high[on] = np.where(slope < 0, here, low[on]), np.where(slope < 0, high[on], here)
        with np.errstate(over="ignore"):  # where nothing curves any more, a step leads beyond the bounds
            ahead = here - np.divide(slope, curvature, out=np.full(len(on), -np.inf), where=curvature > 0)
        ahead = np.where((low[on] < ahead) & (ahead < high[on]), ahead, (low[on] + high[on]) / 2)
        log_beta[on] = ahead
        if not len(on := on[np.abs(ahead - here) >= CLOSE]):
            break
    return np.exp(-log_beta)
