"""Log-loss and correctness of single answers, and the mean of such values with its error; written here once."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.arrays import Floats, Mask

SMALLEST_PROBABILITY = 1e-15
"""A truth given probability 0 costs 34.5 nats, not infinity; as scikit-learn did until 1.3."""
LARGEST_LOSS = -math.log(SMALLEST_PROBABILITY)
"""In nats; no log-loss, and no mean of them, is above it."""


def log_losses(proba: NDArray[np.floating[Any]], y: NDArray[np.integer[Any]]) -> Floats:
    """−log of the probability that each answer gives the true class, in nats: (n,), or (…, n) of several.

    ``proba`` (…, n, k); ``y`` (n,) class indices. NaN stays NaN: a network that broke is not to look merely uncertain.
    """
    return surprise(proba[..., np.arange(len(y)), y])


def surprise(proba: NDArray[np.floating[Any]]) -> Floats:
    """−log of each probability, of whatever shape, in nats: what the log-loss would be if that were the true class."""
    return np.asarray(-np.log(np.maximum(proba, SMALLEST_PROBABILITY)), np.float64)


def correct(proba: NDArray[np.floating[Any]], y: NDArray[np.integer[Any]]) -> Mask:
    """Whether the most probable class is the true one: (n,), or (…, n) of several. ``proba`` (…, n, k); ``y`` (n,)."""
    return np.asarray(proba.argmax(axis=-1) == y)


def accuracy(proba: NDArray[np.floating[Any]], y: NDArray[np.integer[Any]]) -> float:
    """Share of answers that are right, 0 to 1."""
    return float(correct(proba, y).mean())


def mean_and_error(values: Floats, groups: NDArray[np.integer[Any]]) -> tuple[float, float]:
    """Mean of (n,) values and its standard error, in which the pictures of one group count as one draw."""
    mean = float(values.mean())
    _, group = np.unique(groups, return_inverse=True)
    sums = np.bincount(group, weights=values - mean)
    return mean, float(np.sqrt((sums**2).sum()) / len(values))
