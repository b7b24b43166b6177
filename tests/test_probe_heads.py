from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestCentroid

from headstart.probe import heads
from headstart.probe.heads import C_PATH, LEAST_SCALE, LinearHead, fit_family, fit_path, principal_axes


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


def data(n: int, d: int, k: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.arange(n) % k
    centres = rng.normal(0, 0.4, (k, d))
    X = (centres[y] + rng.normal(0, 1, (n, d))) * rng.uniform(0.1, 10, d) + rng.normal(0, 5, d)
    return X.astype(np.float32), y.astype(np.int64)


@pytest.mark.parametrize(("n", "d"), [(120, 30), (60, 200)])
def test_axes_are_a_rotation_of_the_standardised_matrix(n: int, d: int) -> None:
    X, _ = data(n, d, 2)
    axes = principal_axes(X.copy())
    S, deviations = (X - axes.mean) / axes.scale, X.std(axis=0)
    least = LEAST_SCALE * np.sqrt((deviations**2).mean())
    assert (deviations < least).any()
    np.testing.assert_allclose(S.std(axis=0), np.minimum(deviations / least, 1), atol=1e-3)
    np.testing.assert_allclose(axes.Z @ axes.Z.T, S @ S.T, atol=2e-2)
    np.testing.assert_allclose(axes.Z.T @ axes.Z, np.diag(axes.squares), atol=2e-2 * axes.squares[0] / 10)


def test_a_column_that_hardly_varies_gets_no_great_weight() -> None:
    X, y = data(200, 20, 2)
    X[:, 3] = 1e-4 * y + 1e-5 * np.random.default_rng(0).normal(size=200)  # tells the classes apart, in its last digits
    axes = principal_axes(X.copy())
    _, W, b = next(fit_path(axes, y, np.ones((1, 200), bool), [1.0], 2))
    assert np.abs(axes.unproject(W[0], b[0])[0]).max() < 2


def test_a_constant_column_does_no_harm() -> None:
    X, _ = data(40, 5, 2)
    X[:, 2] = 7.0
    assert np.isfinite(principal_axes(X.copy()).Z).all()


@pytest.mark.parametrize(("n", "d", "k"), [(150, 20, 3), (60, 200, 3), (80, 10, 2)])
@pytest.mark.parametrize("C", [1e-3, 1e-1, 1.0])
def test_the_optimum_is_that_of_scikit_learn(n: int, d: int, k: int, C: float) -> None:
    X, y = data(n, d, k)
    axes = principal_axes(X.copy())
    _, W, b = next(fit_path(axes, y, np.ones((1, n), bool), [C], k, tolerance=1e-5))
    weight, bias = axes.unproject(W[0], b[0])
    # Two softmax columns share between them what scikit-learn's one logit carries alone: half the penalty.
    reference = LogisticRegression(C=C * (2 if k == 2 else 1), tol=1e-8, max_iter=10_000)
    reference.fit((X - axes.mean) / axes.scale, y)
    expected = reference.predict_log_proba((X - axes.mean) / axes.scale)
    logits = X @ weight + bias
    found = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    np.testing.assert_allclose(np.exp(found), np.exp(expected), atol=3e-3)


def test_folds_fitted_together_equal_folds_fitted_alone() -> None:
    X, y = data(90, 40, 3)
    axes = principal_axes(X.copy())
    rows = np.stack([np.arange(90) // 30 != fold for fold in range(3)])
    Cs = [1e-3, 1e-2, 1e-1]
    together = list(fit_path(axes, y, rows=rows, Cs=Cs, num_classes=3, tolerance=1e-5))
    for fold in range(3):
        alone = list(fit_path(axes, y, rows=rows[fold : fold + 1], Cs=Cs, num_classes=3, tolerance=1e-5))
        for (_, W, b), (_, W1, b1) in zip(together, alone, strict=True):
            np.testing.assert_allclose(axes.Z @ W[fold] + b[fold], axes.Z @ W1[0] + b1[0], atol=2e-2)


def test_rows_left_out_have_no_influence() -> None:
    X, y = data(60, 10, 2)
    axes = principal_axes(X.copy())
    rows = (np.arange(60) < 40)[None]
    arguments = {"rows": rows, "Cs": [0.1], "num_classes": 2}
    _, W, b = next(fit_path(axes, y, **arguments))
    other = y.copy()
    other[40:] = 1 - other[40:]
    _, W1, b1 = next(fit_path(axes, other, **arguments))
    np.testing.assert_array_equal(W, W1)
    np.testing.assert_array_equal(b, b1)


def test_class_weight_moves_the_decision_to_the_rare_class() -> None:
    X, _ = data(100, 5, 2)
    y = (np.arange(100) < 10).astype(np.int64)
    axes = principal_axes(X.copy())
    arguments = {"rows": np.ones((1, 100), bool), "Cs": [1e-3], "num_classes": 2}
    plain = next(fit_path(axes, y, **arguments))[2][0]
    weighted = next(fit_path(axes, y, class_weight=np.array([0.55, 5.0]), **arguments))[2][0]
    assert plain[1] - plain[0] < -1.5
    assert abs(weighted[1] - weighted[0]) < 0.2


@pytest.mark.parametrize("rank", [12, 40])
def test_a_large_matrix_is_rotated_in_its_own_memory(rank: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    X = (rng.normal(size=(500, rank)) @ rng.normal(size=(rank, 40))).astype(np.float32)
    apart = principal_axes(X.copy())
    monkeypatch.setattr(heads, "LARGE", 0)
    monkeypatch.setattr(heads, "_TOGETHER", 64)
    inside = principal_axes(given := X.copy())
    np.testing.assert_array_equal(inside.squares, apart.squares)
    np.testing.assert_allclose(inside.Z, apart.Z, atol=1e-4)
    assert np.shares_memory(inside.Z, given)
    y, rows = (X[:, 0] > 0).astype(np.int64), np.arange(500) % 5 != np.arange(5)[:, None]
    for one, other in zip(*(fit_path(axes, y, rows, (1e-2,), 2) for axes in (apart, inside)), strict=True):
        np.testing.assert_allclose(one[1], other[1], atol=1e-4)


def test_only_parts_of_much_work_are_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = data(120, 30, 12)
    axes, rows = principal_axes(X), np.arange(120) % 10 != np.arange(10)[:, None]
    asked: list[int] = []

    def spread(work: Callable[..., Any], items: Sequence[Any], X: np.ndarray) -> list[Any]:
        asked.append(len(items))
        pickled = pickle.dumps([work, *items])
        assert X.tobytes() not in pickled
        X = X.copy()
        X.flags.writeable = False
        work, *items = pickle.loads(pickled)
        return [work(item, X) for item in items]

    def fitted(worth: int) -> list[tuple[float, bytes, bytes]]:
        monkeypatch.setattr(heads, "WORTH_SENDING", worth)
        return [(C, W.tobytes(), b.tobytes()) for C, W, b in fit_path(axes, y, rows, (1e-3, 1e-2), 12, spread=spread)]

    work = axes.Z.size * 10 * 12
    alone = fitted(work + 1)
    assert asked == []
    assert fitted(work) == alone
    assert asked == [2, 2]
