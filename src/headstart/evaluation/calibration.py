"""One number that makes probabilities mean what they say: temperature scaling."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

COLDEST, HOTTEST = 0.05, 20.0


def softmax(logits: ArrayLike, temperature: float = 1.0) -> NDArray[np.float64]:
    """Logits (…, k) as probabilities of the same shape. A temperature above 1 makes them less sure."""
    Z = np.asarray(logits, dtype=np.float64) / temperature
    E = np.exp(Z - Z.max(axis=-1, keepdims=True))
    return np.asarray(E / E.sum(axis=-1, keepdims=True))


def fit_temperature(logits: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
    """The temperature that minimises the log-loss of ``softmax(logits, temperature)``, within [0.05, 20].

    ``logits`` (n, k) must come from pictures the model was not fitted on, else it learns to be as sure as
    it was in training. ``y`` (n,) class indices, ``sample_weight`` (n,). Guo et al., "On calibration of
    modern neural networks", 2017.
    """
    from scipy.optimize import minimize_scalar

    Z, labels = np.asarray(logits, dtype=np.float64), np.asarray(y)
    Z = Z - Z.max(axis=1, keepdims=True)
    true = Z[np.arange(len(labels)), labels]
    weights = np.ones(len(labels)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)

    def log_loss(log_temperature: float) -> float:
        beta = math.exp(-log_temperature)
        return float(weights @ (np.log(np.exp(beta * Z).sum(axis=1)) - beta * true))

    # Convex in 1/T, so one valley in log T, where a step means the same ratio everywhere.
    bounds = (math.log(COLDEST), math.log(HOTTEST))
    return math.exp(minimize_scalar(log_loss, bounds=bounds, method="bounded", options={"xatol": 1e-6}).x)
