from __future__ import annotations

import numpy as np
import pytest

from headstart.audit import doubts
from headstart.audit.doubts import conflicts, distances, doubt_labels, ordinary


def judged(n: int, k: int, wrong: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities of a good classifier, labels of which a share is wrong, and which."""
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % k
    logits = rng.normal(0, 1, (n, k))
    logits[np.arange(n), truth] += 5
    proba = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    bad = rng.random(n) < wrong
    return proba, np.where(bad, (truth + 1) % k, truth), bad


@pytest.mark.parametrize("k", [2, 5])
def test_flipped_labels_come_first(k: int) -> None:
    proba, y, bad = judged(1000, k, 0.06, seed=k)
    doubts = doubt_labels(proba, y)
    first = np.argsort(doubts.confidence)[: bad.sum()]
    assert bad[first].mean() > 0.9
    assert (bad[doubts.confident]).mean() > 0.9
    assert (doubts.suggested[bad] == (y[bad] - 1) % k).mean() > 0.9


def test_sound_labels_are_not_doubted() -> None:
    proba, y, _ = judged(1000, 3, 0.0, seed=1)
    doubts = doubt_labels(proba, y)
    assert doubts.confident.sum() < 10
    assert not (doubts.suggested == y).any()


def test_a_class_nobody_is_sure_of_does_not_swallow_the_others() -> None:
    # One class gets 0.4 at best: its own mean is its threshold, so pictures of it are still seen as its own.
    proba = np.array([[0.9, 0.1]] * 50 + [[0.6, 0.4]] * 50)
    y = np.repeat([0, 1], 50)
    assert not doubt_labels(proba, y).confident[50:].any()


def test_the_same_picture_under_two_labels_is_a_conflict() -> None:
    clusters = np.array([7, 3, 7, 4, 3, 9])
    y = np.array([0, 1, 1, 0, 1, 2])
    proba = np.tile([0.6, 0.2, 0.2], (6, 1))
    found = conflicts(clusters, y, proba)
    assert set(found) == {0, 2}
    assert (found[2].right, found[2].other) == (pytest.approx(0.25), 0)
    assert (found[0].right, found[0].other) == (0.5, 2)  # however sure the classifier is, one of the two is wrong


def test_of_several_other_labels_the_most_probable_is_named() -> None:
    y, proba = np.array([0, 1, 2]), np.tile([0.1, 0.2, 0.7], (3, 1))
    found = conflicts(np.zeros(3, int), y, proba)
    assert [found[i].other for i in range(3)] == [2, 2, 1]
    assert conflicts(np.zeros(3, int), np.zeros(3, int), proba) == {}


def cloud(n: int, seed: int, d: int = 24) -> np.ndarray:
    return (np.random.default_rng(seed).normal(0, 1, (n, d)) + 2).astype(np.float32)


def test_one_picture_unlike_all_others_is_found() -> None:
    X = cloud(300, 0)
    X[17] = -X[17]
    assert distances(X, np.arange(300), seed=0).argmax() == 17
    found = ordinary(X, np.arange(300), seed=0)
    assert found[17] < 0.01
    assert np.delete(found, 17).min() > 0.1


def test_where_nothing_is_odd_hardly_anything_is_found() -> None:
    flagged = [(ordinary(cloud(200, seed), np.arange(200), seed=0) < 0.05).sum() for seed in range(20)]
    assert max(flagged) <= 2
    assert sum(flagged) <= 8  # of 4,000 pictures


def test_only_the_direction_of_features_counts() -> None:
    X = cloud(100, 1)
    scaled = X * np.random.default_rng(1).uniform(0.5, 2, (100, 1)).astype(np.float32)
    one, two = (distances(rows, np.arange(100), seed=0) for rows in (X, scaled))
    np.testing.assert_allclose(one, two, atol=1e-4)


def test_copies_do_not_vouch_for_each_other() -> None:
    X, groups = cloud(200, 2), np.arange(200)
    X[:15] = -X[0]  # the same odd picture fifteen times
    alone = distances(X, groups, seed=0)
    groups[:15] = 0
    together = distances(X, groups, seed=0)
    assert alone[0] < 0.01
    assert together[0] == together.max()


def test_a_sample_of_neighbours_is_enough(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    X = cloud(600, 3)
    X[5] = -X[5]
    whole = distances(X, np.arange(600), seed=0)
    monkeypatch.setattr(doubts, "MOST", 200)
    sampled = distances(X, np.arange(600), seed=0)
    assert sampled.argmax() == whole.argmax() == 5
    assert np.corrcoef(whole, sampled)[0, 1] > 0.8


def test_very_few_pictures_and_identical_ones_are_survived() -> None:
    for X in (cloud(3, 4), np.ones((10, 4), np.float32), np.zeros((4, 4), np.float32)):
        found = ordinary(X, np.arange(len(X)), seed=0)
        assert np.isfinite(found).all()
        assert found.min() >= 0
