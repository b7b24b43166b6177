"""How many labels are wrong: none where classes overlap, the planted number where labels were mixed up."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.audit.wrong_labels import far_out, wrong_labels
from headstart.evaluation.intervals import Estimate


def overlapping(
    n: int, k: int, apart: float, seed: int, *, tails: float = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features (n, 16) of k classes, right labels, and the probabilities that classes without heavy tails would have.

    ``apart``: distance of a class's mean from the origin, in standard deviations. ``tails``: degrees of freedom of
    Student's t, 0 for the normal law.
    """
    rng = np.random.default_rng(seed)
    y = rng.integers(k, size=n)
    centres = apart * np.eye(k, 16)
    spread = np.sqrt(tails / rng.chisquare(tails, size=(n, 1))) if tails else 1.0
    X = centres[y] + spread * rng.normal(size=(n, 16))
    logits = X @ centres.T
    proba = np.exp(logits - logits.max(axis=1, keepdims=True))
    return X.astype(np.float32), y, proba / proba.sum(axis=1, keepdims=True)


def estimated(X: np.ndarray, y: np.ndarray, proba: np.ndarray) -> Estimate:
    return wrong_labels(proba, y, X, np.arange(len(y)))


@pytest.mark.parametrize(("k", "apart"), [(2, 1.2), (2, 4.0), (5, 2.0), (10, 3.0)])
def test_classes_that_overlap_have_no_wrong_labels(k: int, apart: float) -> None:
    drawn = [estimated(*overlapping(600, k, apart, seed)) for seed in range(10)]
    assert [wrong.low for wrong in drawn] == [0.0] * 10
    assert max(wrong.value for wrong in drawn) < 15


def test_pictures_far_out_are_not_taken_for_wrong_labels() -> None:
    drawn = [estimated(*overlapping(600, 3, 3.0, seed, tails=3)) for seed in range(10)]
    assert sum(wrong.low > 0 for wrong in drawn) <= 1


@pytest.mark.parametrize(("k", "share"), [(2, 0.05), (5, 0.05), (5, 0.2)])
def test_labels_mixed_up_are_counted(k: int, share: float) -> None:
    n = 1000
    planted = round(share * n)
    for seed in range(5):
        X, y, proba = overlapping(n, k, 3.0, seed)
        y[:planted] = (y[:planted] + 1) % k
        wrong = estimated(X, y, proba)
        assert 0 < wrong.low <= planted <= wrong.high
        assert wrong.value == pytest.approx(planted, rel=0.35)
        assert (wrong.low, wrong.high) == (int(wrong.low), int(wrong.high))


def test_pictures_of_one_group_count_as_one() -> None:
    X, y, proba = overlapping(300, 2, 3.0, 0)
    y[:8] = 1 - y[:8]
    groups = np.arange(300)
    alone = wrong_labels(proba, y, X, groups)
    groups[:8] = 0  # eight frames of one scene
    together = wrong_labels(proba, y, X, groups)
    assert alone.low > 0 == together.low


def test_every_second_picture_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y, proba = overlapping(2000, 2, 3.0, 0)
    y[::20] = 1 - y[::20]
    monkeypatch.setattr("headstart.audit.wrong_labels.MOST_PROBABILITIES", 2 * len(y) // 3 + 1)
    wrong = estimated(X, y, proba)
    assert wrong.n == 2000
    assert wrong.low <= 100 <= wrong.high


def test_few_pictures_certain_answers_and_equal_rows_are_survived() -> None:
    for n in (2, 3, 20):
        y = np.arange(n) % 2
        for proba in (np.eye(2)[y], np.eye(2)[1 - y], np.full((n, 2), 0.5)):
            wrong = wrong_labels(proba, y, np.ones((n, 4), np.float32), np.arange(n))
            assert 0 <= wrong.low <= wrong.value <= wrong.high <= n


def test_the_distance_of_a_picture_is_measured_in_standardised_features() -> None:
    X = np.random.default_rng(0).normal(size=(200, 8)).astype(np.float32)
    X[7] *= 5
    far = far_out(X)
    assert far.argmax() == 7
    assert np.median(far) == pytest.approx(0, abs=1e-9)
    scaled = X * np.array([1, 10, 1e3, 1, 1, 0.1, 1, 1], np.float32) + 5
    np.testing.assert_allclose(far_out(scaled), far, atol=1e-3)


def test_a_large_matrix_is_measured_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    X = np.random.default_rng(5).gamma(2.0, size=(3_000, 7)).astype(np.float32)
    whole = far_out(X)
    centred = (X - X.mean(axis=0)) / X.std(axis=0)
    expected = np.log(np.sqrt((centred.astype(np.float64) ** 2).mean(axis=1)))
    np.testing.assert_allclose(whole, expected - np.median(expected), atol=1e-5)
    monkeypatch.setattr("headstart.audit.wrong_labels.LARGE", 0)
    np.testing.assert_allclose(far_out(X), whole, atol=1e-5)
