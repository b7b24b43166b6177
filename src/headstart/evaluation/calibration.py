"""One number that makes probabilities mean what they say: temperature scaling."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from headstart.arrays import Floats

COLDEST, HOTTEST = 0.05, 20.0
"""Temperatures between which the minimum is sought; outside, probabilities are 0 and 1, or all alike."""
CLOSE = 1e-6
"""Relative error of a temperature."""
MOST_STEPS = 60
"""Of Newton's method or of halving: halving alone needs 23."""


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
    Z, labels = np.asarray(logits, dtype=np.float64), np.asarray(y)
    Z = Z - Z.max(axis=1, keepdims=True)
    weights = np.ones(len(labels)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    expected = weights @ (Z[np.arange(len(labels)), labels] + Z.mean(axis=1) / weights.sum())
    weights = weights * (1 + 1 / weights.sum())

    # Convex in 1/T. Newton's method in log T, where a step means the same ratio everywhere, kept within its bounds.
    low, high, log_beta = -math.log(HOTTEST), -math.log(COLDEST), 0.0
    for _ in range(MOST_STEPS):
        beta = math.exp(log_beta)
        proba = np.exp(beta * Z)
        proba /= proba.sum(axis=1, keepdims=True)
        weighted = proba * Z
        means = weighted.sum(axis=1)
        slope = float(weights @ means - expected)
        curvature = beta * float(weights @ (np.einsum("nk,nk->n", weighted, Z) - means**2))
        low, high = (log_beta, high) if slope < 0 else (low, log_beta)
        ahead = log_beta - slope / curvature if curvature > 0 else math.inf
        ahead = ahead if low < ahead < high else (low + high) / 2
        if abs(ahead - log_beta) < CLOSE:
            return math.exp(-ahead)
        log_beta = ahead
    return math.exp(-log_beta)
