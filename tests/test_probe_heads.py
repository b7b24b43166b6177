from __future__ import annotations

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.neighbors import NearestCentroid

from headstart.probe.heads import C_PATH, LinearHead, fit_family
from headstart.probe.logistic import principal_axes


def blobs(n: int = 120, d: int = 8, k: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y = (np.arange(n) % k).astype(np.int64)
    return (rng.normal(0, 2, (k, d))[y] + rng.normal(0, 1, (n, d))).astype(np.float32), y


@pytest.mark.parametrize("family", ["nearest mean", "shrunk LDA", "logistic regression"])
def test_every_family_is_fitted_on_its_rows_only(family: str) -> None:
    X, y = blobs()
    axes = principal_axes(X.copy())
    rows = np.stack([np.arange(120) < 90, np.arange(120) >= 30])
    fits = list(fit_family(family, axes, y, rows=rows, num_classes=3, tolerance=1e-6))
    flipped = y.copy()
    flipped[90:] = (flipped[90:] + 1) % 3
    again = list(fit_family(family, axes, flipped, rows=rows[:1], num_classes=3, tolerance=1e-6))
    assert len(fits) == (len(C_PATH) if family == "logistic regression" else 1)
    for (strength, W, b), (same, W1, b1) in zip(fits, again, strict=True):
        assert strength == same
        assert W.shape == (2, axes.Z.shape[1], 3)
        assert b.shape == (2, 3)
        np.testing.assert_allclose(axes.Z @ W[0] + b[0], axes.Z @ W1[0] + b1[0], atol=0.05)


def test_nearest_mean_is_scikit_learns_nearest_centroid() -> None:
    X, y = blobs()
    axes = principal_axes(X.copy())
    ((_, W, b),) = fit_family("nearest mean", axes, y, rows=np.ones((1, 120), bool), num_classes=3)
    expected = NearestCentroid().fit(axes.Z, y).predict(axes.Z)
    np.testing.assert_array_equal((axes.Z @ W[0] + b[0]).argmax(axis=1), expected)


def test_shrunk_lda_tends_to_lda_where_pictures_are_many() -> None:
    X, y = blobs(n=3_000)
    axes = principal_axes(X.copy())
    ((_, W, b),) = fit_family("shrunk LDA", axes, y, rows=np.ones((1, 3_000), bool), num_classes=3)
    expected = LinearDiscriminantAnalysis().fit(axes.Z, y).predict(axes.Z)
    assert ((axes.Z @ W[0] + b[0]).argmax(axis=1) == expected).mean() > 0.995


def test_shrunk_lda_works_with_one_picture_of_a_class() -> None:
    rng = np.random.default_rng(1)
    X = rng.normal(0, 1, (3, 50)).astype(np.float32)
    axes = principal_axes(X.copy())
    ((_, W, b),) = fit_family("shrunk LDA", axes, np.arange(3), rows=np.ones((1, 3), bool), num_classes=3)
    np.testing.assert_array_equal((axes.Z @ W[0] + b[0]).argmax(axis=1), [0, 1, 2])


def test_a_head_gives_probabilities_and_temperature_softens_them() -> None:
    X, y = blobs()
    axes = principal_axes(X.copy())
    _, W, b = list(fit_family("logistic regression", axes, y, rows=np.ones((1, 120), bool), num_classes=3))[-1]
    weight, bias = (a.astype(np.float32) for a in axes.unproject(W[0], b[0]))
    sharp, soft = (LinearHead(weight=weight, bias=bias, temperature=t).predict_proba(X) for t in (1.0, 5.0))
    np.testing.assert_allclose(sharp.sum(axis=1), 1)
    np.testing.assert_array_equal(sharp.argmax(axis=1), soft.argmax(axis=1))
    assert (sharp.argmax(axis=1) == y).mean() > 0.95
    assert (sharp.max(axis=1) >= soft.max(axis=1)).all()
