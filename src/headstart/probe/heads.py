"""Heads on frozen features. All of them are linear, so all of them are deployed as one matrix and one vector.

Each family is a function of a matrix in its principal axes (`Axes`), fitted on several sets of rows at once, that
yields ``(strength, W (folds, r, k), b (folds, k))`` from simple to flexible.

Multinomial logistic regression is fitted along a path of C, for several folds of one matrix at once. The objective of
one fold is scikit-learn's, ``C · Σᵢ cᵢ · CE(xᵢW + b, yᵢ) + ½‖W‖²`` with the intercept b free. Three things make a path
over five folds cost about as much as one ordinary fit:

- **One rotation.** An L2 penalty does not change under rotation, so the matrix is written once in its principal axes,
  which have at most min(n, d) columns. Every fit of the path works there.
- **One preconditioner.** In those axes XᵀX = diag(s²), and the Hessian of the cross-entropy is at most ½·XᵀX (Böhning,
  "Multinomial logistic regression algorithm", 1992). This holds for any subset of the rows too. Scaling axis j by
  √(½·C·max(c)·sⱼ² + 1) leaves a well-conditioned problem for L-BFGS.
- **One product.** The folds share the matrix, so their gradients come from one matrix product, and the path is
  warm-started from strong to weak regularisation.

``benchmarks/heads.py`` compares cost and log-losses with scikit-learn's: about an eighth of the CPU time for the same
log-losses within 0.003.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from headstart.arrays import Floats, Labels, Mask, Reals, Rows
from headstart.evaluation.calibration import softmax
from headstart.features.rows import divisors
from headstart.features.spread import Spread, in_threads
from headstart.probe.lbfgs import minimise

Fit = tuple[float, Reals, Reals]
"""A strength of regularisation, the weights W (folds, r, k) and the intercepts b (folds, k) of all folds."""
Family = Literal["nearest mean", "shrunk LDA", "logistic regression"]
C_PATH = tuple((10.0 ** np.arange(-5.0, 1.5, 0.5)).tolist())
"""Strengths of logistic regression, as scikit-learn's C on standardised features: half decades."""
LEAST_SCALE = 0.3
"""Share of the root mean square of all deviations. A column that hardly varies would get a weight of hundreds or
thousands (5,406 on the demo's fabric), which blows up whatever rounding, another runtime or fine-tuning changes there.
Measured, log-loss out of fold with 0, 0.3 and 1: last layer of ants and bees .1008, .0997, .0934, all depths .1120,
.1109, .1208; cats and dogs .0229, .0226, .0234; five classes .2695, .2627, .2602; fabric .3431, .3270, .3145."""
LARGE = 100_000_000
"""Numbers of a matrix, 400 MB, from which it is rotated in its own memory, some rows at a time."""
_TOGETHER = 8_192  # of these rows
WORTH_SENDING = 1_000_000_000
"""Numbers of a matrix, times folds, times classes, from which ``spread`` does parts. Chosen: fits then take seconds."""
MOST_STEPS = 200
"""Of L-BFGS for one C."""
PARTS = 2
"""Into which folds are dealt to be fitted at the same time. Chosen: more would gain on more cores, and cost on two."""
LEAST_COLUMNS = 20
"""Folds times classes of a part; products with fewer columns take two threads longer than one (measured on two cores:
10 folds of 2 classes 0.9 times as fast in parts, of 5 classes 1.4 times, 25 of 50 classes 1.6 times)."""
LANES, WORTH_FILLING = 16, 10
"""Columns that a product computes together, and how many of the last ones make it worth adding columns of zeros up to
that. Measured with 2,000 rows: 10 to 15 columns take 1.2 to 1.5 times as long as 16, and 9 or fewer no longer."""


@dataclass(frozen=True, kw_only=True)
class LinearHead:
    """``logits = X @ weight + bias``; ``proba = softmax(logits / temperature)``.

    ``weight`` (d, k) float32 and ``bias`` (k,) float32 act on raw features: standardisation is folded in.
    """

    weight: Rows
    bias: Rows
    temperature: float

    def logits(self, X: Rows) -> Floats:
        """Uncalibrated logits of feature rows X (n, d): (n, k)."""
        return X.astype(np.float64) @ self.weight.astype(np.float64) + self.bias.astype(np.float64)

    def predict_proba(self, X: Rows) -> Floats:
        """Calibrated probabilities of feature rows X (n, d): (n, k), rows sum to 1."""
        return softmax(self.logits(X), self.temperature)


def fit_family(
    family: Family,
    axes: Axes,
    y: Labels,
    *,
    rows: Mask,
    num_classes: int,
    balanced: bool = False,
    strengths: tuple[float, ...] = C_PATH,
    tolerance: float = 1e-3,
    start: Fit | None = None,
    spread: Spread = in_threads,
) -> Iterator[Fit]:
    """Fit one family on each row set of ``rows`` (folds, n); only logistic regression has more than one strength.

    ``balanced`` lets every class of ``y`` count the same in the loss of logistic regression; ``tolerance``,
    ``start`` and ``spread`` are those of `fit_path`.
    """
    if family == "logistic regression":
        counts = np.bincount(y, minlength=num_classes)
        weight = len(y) / (num_classes * np.maximum(counts, 1.0)) if balanced else None
        yield from fit_path(axes, y, rows, strengths, num_classes, weight, tolerance, start, spread)
        return
    d, fitted = len(axes.mean), []
    for row in rows:
        Z, labels = axes.Z[row], y[row]
        onehot = (labels == np.arange(num_classes)[:, None]).astype(np.float64)
        means = (onehot @ Z) / np.maximum(onehot.sum(axis=1, keepdims=True), 1.0)
        fitted.append(nearest_mean(means) if family == "nearest mean" else shrunk_lda(Z, labels, means, d))
    yield 0.0, np.stack([W for W, _ in fitted]), np.stack([b for _, b in fitted])


def nearest_mean(means: Reals) -> tuple[Reals, Reals]:
    """Nearest class mean: ``−½‖x − μ‖²`` less the part that is the same for every class. (r, k), (k,)."""
    return means.T, -0.5 * (means**2).sum(axis=1)


def shrunk_lda(Z: Reals, y: Labels, means: Reals, d: int) -> tuple[Reals, Reals]:
    """Linear discriminant with an empirical-Bayes ridge on the pooled covariance S, in closed form.

    ``Σ⁻¹ = d · ((n − 1)·S + tr(S)·I)⁻¹`` (Kubokawa and Srivastava 2008; Wang et al., "A hard-to-beat baseline for
    training-free CLIP-based adaptation", 2024, eq. 6). For rows Z (n, r) of classes ``y``, whose means are (k, r), and
    d features: (r, k), (k,).
    """
    from scipy.linalg import cho_factor, cho_solve

    (n, r), k = Z.shape, len(means)
    centred = Z.astype(np.float64) - means[y]
    S = centred.T @ centred / max(n - k, 1)
    ridge = (n - 1) * S
    ridge.flat[:: r + 1] += np.trace(S) or 1.0  # one image of each class: no spread is known, all axes count alike
    W = d * cho_solve(cho_factor(ridge, check_finite=False), means.T, check_finite=False)
    prior = np.bincount(y, minlength=k) / n
    return W, -0.5 * np.einsum("ck,kc->c", means, W) + np.log(np.maximum(prior, 1e-12))


@dataclass(frozen=True, kw_only=True)
class Axes:
    """A standardised matrix ``S = (X − mean) / scale`` (n, d) in its principal axes, ``Z = S @ components``.

    ``Z`` (n, r) float32 has ZᵀZ = diag(squares). The components (d, r) are ``basis`` itself where d ≤ n. Otherwise they
    are never formed: they are ``standardised.T @ basis``, with ``basis`` (n, r).
    """

    Z: Rows
    squares: Floats
    basis: Rows
    standardised: Rows | None
    mean: Rows
    scale: Rows

    def unproject(self, W: Reals, b: Reals) -> tuple[Reals, Reals]:
        """A linear map on the axes, W (r, k) and b (k,), as the same map on raw features: (d, k), (k,)."""
        weight: Reals = self.basis @ W.astype(np.float32)
        if self.standardised is not None:
            weight = self.standardised.T @ weight
        weight = weight.astype(np.float64) / self.scale[:, None]
        return weight, b - self.mean.astype(np.float64) @ weight


def principal_axes(X: Rows) -> Axes:
    """Standardise X (n, d) and rotate it to its principal axes; exact up to float32 rounding. X is overwritten.

    Columns that vary less than `LEAST_SCALE` of what columns do on average (root mean square) are divided by that in
    place of their own deviation.
    """
    from scipy.linalg import eigh

    mean = X.mean(axis=0, dtype=np.float64).astype(np.float32)
    X -= mean
    deviations = np.sqrt(np.einsum("nd,nd->d", X, X, dtype=np.float64) / len(X))
    least = LEAST_SCALE * np.sqrt(np.mean(deviations**2))
    scale = divisors(np.maximum(deviations, least).astype(np.float32))
    X /= scale
    wide = X.shape[1] > X.shape[0]
    squares, vectors = eigh(X @ X.T if wide else X.T @ X, overwrite_a=True, check_finite=False, driver="evd")
    keep = squares > 1e-5 * squares[-1]
    squares, vectors = squares[keep][::-1], np.ascontiguousarray(vectors[:, keep][:, ::-1])
    root = np.sqrt(squares)
    return Axes(
        Z=vectors * root if wide else _rotated(X, vectors),
        squares=squares.astype(np.float64),
        basis=vectors / root if wide else vectors,
        standardised=X if wide else None,
        mean=mean,
        scale=scale,
    )


def _rotated(X: Rows, vectors: Rows) -> Rows:
    """``X @ vectors``, (n, d) times (d, r), r ≤ d; of more than `LARGE` numbers in the memory of X."""
    if X.size <= LARGE:
        return np.asarray(X @ vectors)
    for start in range(0, len(X), _TOGETHER):
        X[start : start + _TOGETHER, : vectors.shape[1]] = X[start : start + _TOGETHER] @ vectors
    return X[:, : vectors.shape[1]]


def fit_path(
    axes: Axes,
    y: Labels,
    rows: Mask,
    Cs: Sequence[float],
    num_classes: int,
    class_weight: Reals | None = None,
    tolerance: float = 1e-3,
    start: Fit | None = None,
    spread: Spread = in_threads,
) -> Iterator[Fit]:
    """Fit all folds for each C, ascending; ``start`` is a fit of the same folds at a C nearby.

    ``rows`` (folds, n) says which rows each fold is fitted on; ``class_weight`` (k,) multiplies the loss of a class.
    ``tolerance`` bounds the largest entry of the preconditioned gradient, relative to that at zero weights. The folds
    are fitted in `PARTS`, by ``spread`` where they are worth it; how many there are does not depend on the machine, so
    neither do the heads.
    """
    cost = np.ones(num_classes) if class_weight is None else class_weight
    curvature = 0.5 * cost.max() * np.append(axes.squares, len(y))
    count = min(PARTS, len(rows), max(1, len(rows) * num_classes // LEAST_COLUMNS))
    worth = axes.Z.size * len(rows) * num_classes >= WORTH_SENDING
    parts = [_Folds(axes, y, part, cost) for part in np.array_split(rows, count)]
    if start is not None:
        by_fold = np.concatenate([start[1], start[2][:, None]], axis=1)
        for part, of_part in zip(parts, np.array_split(by_fold, count), strict=True):
            part.W = of_part.transpose(0, 2, 1).reshape(part.W.shape)
    for C in Cs:
        root = np.sqrt(C * curvature + np.append(np.ones(len(axes.squares)), 0.0))
        fit = partial(_Folds.fit, C=C, root=root, tolerance=tolerance)
        for part, W in zip(parts, (spread if worth else in_threads)(fit, parts, axes.Z), strict=True):
            part.W = W
        by_fold = np.concatenate([part.by_fold() for part in parts])
        yield C, by_fold[:, :-1], by_fold[:, -1]


class _Folds:
    """Folds of one matrix that are fitted together, see `fit_path`: all but the matrix itself."""

    def __init__(self, axes: Axes, y: Labels, rows: Mask, cost: Reals) -> None:
        (n, r), k = axes.Z.shape, len(cost)
        self._y, self._shape = y, (len(rows), k, n)
        self._sample = (rows * cost[y]).astype(np.float32)  # (folds, n)
        self.W = np.zeros((len(rows) * k, r + 1))
        """Weights of all folds, those of a class one after the other; the last column is the intercept."""

    def by_fold(self) -> Reals:
        """Weights and intercepts (folds, r + 1, k)."""
        return self.W.reshape(*self._shape[:2], -1).transpose(0, 2, 1)

    def fit(self, Z: Rows, *, C: float, root: Reals, tolerance: float) -> Reals:
        """The next ``W``, of the matrix Z (n, r) at C, from that before; ``root`` (r + 1,) scales axes."""
        objective = partial(self._objective, Z=Z, C=C, root=root)
        least = tolerance * np.abs(objective(np.zeros(self.W.size))[1]).max()
        found = minimise(objective, (self.W * root).ravel(), gradient_tolerance=least, max_iter=MOST_STEPS)
        return found.reshape(self.W.shape) / root

    def _objective(self, v: Reals, *, Z: Rows, C: float, root: Reals) -> tuple[float, Reals]:
        W, (folds, k, n) = v.reshape(self.W.shape) / root, self._shape
        logits = (Z @ _filled(W[:, :-1]).T).T[: len(W)]
        P = np.ascontiguousarray(logits).reshape(folds, k, n)  # so that sums over classes are of long rows
        P += W[:, -1].astype(np.float32).reshape(folds, k, 1)
        P -= P.max(axis=1, keepdims=True)
        true = slice(None), self._y, np.arange(n)
        right = P[true]
        np.exp(P, out=P)
        total = P.sum(axis=1)
        loss = C * float((self._sample * (np.log(total) - right)).sum(dtype=np.float64))
        P /= total[:, None]
        P[true] -= 1
        P *= C * self._sample[:, None]
        gradient = np.empty_like(W)
        gradient[:, :-1] = (Z.T @ _filled(P.reshape(len(W), n)).T).T[: len(W)]
        gradient[:, :-1] += W[:, :-1]
        gradient[:, -1] = P.sum(axis=2, dtype=np.float64).ravel()
        gradient /= root
        return loss + 0.5 * float((W[:, :-1] ** 2).sum()), gradient.ravel()


def _filled(rows: Reals) -> Rows:
    """The rows (m, …) in float32, with rows of zeros up to a multiple of `LANES` where that is worth it."""
    short = -len(rows) % LANES
    if not 0 < short <= LANES - WORTH_FILLING:
        return np.asarray(rows, np.float32)
    return np.pad(np.asarray(rows, np.float32), ((0, short), (0, 0)))
