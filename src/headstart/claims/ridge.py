"""One plain head for any features, so that features alone are compared: ridge regression on class membership.

The answers of ridge regression with one row left out have a closed form, so its strength is chosen inside each training
part for the price of one eigenvalue decomposition. Pictures of one group are left out together: for the residuals r of
a group and its block H of the hat matrix, the residuals without it are ``(I − H)⁻¹ r``. scikit-learn's ``RidgeCV`` has
the closed form for single rows alone, and takes strengths in absolute units.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from headstart.arrays import Floats, Index, Labels

STRENGTHS = tuple(float(value) for value in 10.0 ** np.arange(-3.0, 3.5, 0.75))
"""Penalties to choose from, in units of the mean eigenvalue of the features' Gram matrix: from hardly any to one that
leaves little but the mean."""


def out_of_fold(
    X: NDArray[np.floating], y: Labels, groups: Index, splits: Sequence[tuple[NDArray[np.intp], NDArray[np.intp]]]
) -> Labels:
    """The class (n,) that ridge gives each picture of X (n, d), fitted on the other folds; strength chosen there.

    ``y`` (n,) classes, ``groups`` (n,), ``splits`` (train, test) positions; pictures that no split tests have no answer
    that means anything. X is standardised with the mean and deviation of all its rows, which hold no label.
    """
    Z = np.asarray(X, dtype=np.float32)
    Z = Z - Z.mean(axis=0)
    scale = Z.std(axis=0)
    scale[scale < 1e-6 * max(float(scale.max(initial=0.0)), 1e-12)] = 1.0
    Z /= scale
    K = (Z @ Z.T).astype(np.float64)
    targets = np.eye(int(y.max()) + 1)[y]
    answer = np.zeros(len(y), dtype=np.int64)
    for train, test in splits:
        answer[test] = _fit(K, targets, groups, train, test).argmax(axis=1)
    return answer


def _fit(K: Floats, targets: Floats, groups: Index, train: NDArray[np.intp], test: NDArray[np.intp]) -> Floats:
    """Scores (test, k), with the strength whose left-out squared error inside ``train`` is least."""
    from scipy.linalg import eigh

    inner, cross = K[np.ix_(train, train)], K[np.ix_(test, train)]
    middle = inner.mean(axis=0)
    cross = cross - middle - cross.mean(axis=1, keepdims=True) + middle.mean()
    inner = inner - middle - middle[:, None] + middle.mean()
    squares, U = eigh(inner, check_finite=False, driver="evd")
    squares = np.maximum(squares, 0.0)
    mean = targets[train].mean(axis=0)
    T = targets[train] - mean
    projected = U.T @ T
    _, codes, sizes = np.unique(groups[train], return_inverse=True, return_counts=True)
    blocks = [np.flatnonzero(codes == code) for code in np.flatnonzero(sizes > 1)]
    best, weights = np.inf, projected
    for strength in STRENGTHS:
        penalty = strength * max(float(squares.mean()), 1e-12)
        kept = squares / (squares + penalty)
        residual = T - U @ (kept[:, None] * projected)
        left_out = residual / np.maximum(1 - (U**2 @ kept + 1 / len(train)), 1e-9)[:, None]
        for block in blocks:
            hat = (U[block] * kept) @ U[block].T + 1 / len(train)
            left_out[block] = np.linalg.lstsq(np.eye(len(block)) - hat, residual[block], rcond=1e-9)[0]
        error = float((left_out**2).sum())
        if error < best:
            best, weights = error, projected / (squares + penalty)[:, None]
    return np.asarray(cross @ (U @ weights) + mean)
