"""Heads on frozen features. All of them are linear, so all of them are deployed as one matrix and one vector.

Each family is a function of a matrix in its principal axes (:class:`headstart.probe.logistic.Axes`), fitted on
several sets of rows at once, that yields ``(strength, W (folds, r, k), b (folds, k))`` from simple to flexible.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from headstart.evaluation.calibration import softmax
from headstart.probe.logistic import Axes, Fit, Floats, fit_path

Family = Literal["nearest mean", "shrunk LDA", "logistic regression"]
#: Strengths of logistic regression, as scikit-learn's C on standardised features: half decades.
C_PATH = tuple((10.0 ** np.arange(-5.0, 1.5, 0.5)).tolist())


@dataclass(frozen=True, kw_only=True)
class LinearHead:
    """``logits = X @ weight + bias``; ``proba = softmax(logits / temperature)``.

    ``weight`` (d, k) float32 and ``bias`` (k,) float32 act on raw features: standardisation is folded in.
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    temperature: float

    def logits(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Uncalibrated logits of feature rows X (n, d): (n, k)."""
        return X.astype(np.float64) @ self.weight.astype(np.float64) + self.bias.astype(np.float64)

    def predict_proba(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Calibrated probabilities of feature rows X (n, d): (n, k), rows sum to 1."""
        return softmax(self.logits(X), self.temperature)


def fit_family(
    family: Family,
    axes: Axes,
    y: NDArray[np.int64],
    *,
    rows: NDArray[np.bool_],
    num_classes: int,
    class_weight: Floats | None = None,
    strengths: tuple[float, ...] = C_PATH,
    tolerance: float = 1e-3,
) -> Iterator[Fit]:
    """Fit one family on each row set of ``rows`` (folds, n); only logistic regression has more than one strength."""
    if family == "logistic regression":
        yield from fit_path(axes, y, rows, strengths, num_classes, class_weight, tolerance)
        return
    d, fitted = len(axes.mean), []
    for row in rows:
        Z, labels = axes.Z[row], y[row]
        onehot = np.zeros((num_classes, len(Z)))
        onehot[labels, np.arange(len(Z))] = 1.0
        means = (onehot @ Z) / np.maximum(onehot.sum(axis=1, keepdims=True), 1.0)
        fitted.append(nearest_mean(means) if family == "nearest mean" else shrunk_lda(Z, labels, means, d))
    yield 0.0, np.stack([W for W, _ in fitted]), np.stack([b for _, b in fitted])


def nearest_mean(means: Floats) -> tuple[Floats, Floats]:
    """Nearest class mean: ``−½‖x − μ‖²`` less the part that is the same for every class. (r, k), (k,)."""
    return means.T, -0.5 * (means**2).sum(axis=1)


def shrunk_lda(Z: Floats, y: NDArray[np.int64], means: Floats, d: int) -> tuple[Floats, Floats]:
    """Linear discriminant with an empirical-Bayes ridge on the pooled covariance S, in closed form.

    ``Σ⁻¹ = d · ((n − 1)·S + tr(S)·I)⁻¹`` (Kubokawa and Srivastava 2008; Wang et al., "A hard-to-beat baseline for
    training-free CLIP-based adaptation", 2024, eq. 6). For rows Z (n, r) of classes ``y``, whose means are (k, r), and
    d features: (r, k), (k,).
    """
    from scipy.linalg import solve

    (n, r), k = Z.shape, len(means)
    centred = Z.astype(np.float64) - means[y]
    S = centred.T @ centred / max(n - k, 1)
    ridge = (n - 1) * S
    ridge.flat[:: r + 1] += np.trace(S) or 1.0  # one picture of each class: no spread is known, all axes count alike
    W = d * solve(ridge, means.T, assume_a="pos", check_finite=False)
    prior = np.bincount(y, minlength=k) / n
    return W, -0.5 * np.einsum("ck,kc->c", means, W) + np.log(np.maximum(prior, 1e-12))
