from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from headstart.claims import ridge
from headstart.claims.ridge import out_of_fold
from headstart.images.splits import folds


def data(n: int = 90, d: int = 30) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, n)
    return rng.normal(size=(n, d)) + 1.2 * np.eye(3)[y] @ rng.normal(size=(3, d)), y


def test_the_answers_are_those_of_ridge_regression(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ridge, "STRENGTHS", (0.1,))
    X, y = data()
    splits = folds(y, np.arange(90), seed=0)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    expected = np.empty(90, dtype=int)
    for train, test in splits:
        inner = Z[train] - Z[train].mean(axis=0)
        penalty = 0.1 * np.trace(inner @ inner.T) / len(train)
        expected[test] = Ridge(alpha=penalty).fit(Z[train], np.eye(3)[y[train]]).predict(Z[test]).argmax(axis=1)
    assert (out_of_fold(X, y, np.arange(90), splits) == expected).mean() > 0.98


def test_it_learns_what_there_is_and_nothing_else() -> None:
    X, y = data()
    splits = folds(y, np.arange(90), seed=0)
    assert (out_of_fold(X, y, np.arange(90), splits) == y).mean() > 0.85
    noise = np.random.default_rng(1).normal(size=X.shape)
    assert (out_of_fold(noise, y, np.arange(90), splits) == y).mean() < 0.55


def test_features_that_never_change_are_no_harm() -> None:
    X, y = data()
    splits = folds(y, np.arange(90), seed=0)
    padded = np.c_[X, np.full((90, 5), 7.0)]
    assert (out_of_fold(padded, y, np.arange(90), splits) == out_of_fold(X, y, np.arange(90), splits)).all()
    assert out_of_fold(np.zeros((90, 4)), y, np.arange(90), splits).shape == (90,)


def test_copies_do_not_choose_the_strength() -> None:
    """Noise and its copies: leaving out one picture alone, its copy gives the answer away and weak penalties win."""
    rng = np.random.default_rng(2)
    X, y = np.repeat(rng.normal(size=(60, 200)), 2, axis=0), np.repeat(rng.integers(0, 2, 60), 2)
    X[:, 0] += 3 * y
    groups = np.arange(120) // 2
    splits = folds(y, groups, seed=0)
    known = (out_of_fold(X, y, groups, splits) == y).mean()
    unknown = (out_of_fold(X, y, np.arange(120), splits) == y).mean()
    assert known >= unknown
