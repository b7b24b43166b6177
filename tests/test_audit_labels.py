from __future__ import annotations

import numpy as np
import pytest

from headstart.audit.labels import conflicts, doubt


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
def test_flipped_labels_come_first_and_are_counted(k: int) -> None:
    proba, y, bad = judged(1000, k, 0.06, seed=k)
    doubts = doubt(proba, y)
    first = np.argsort(doubts.confidence)[: bad.sum()]
    assert bad[first].mean() > 0.9
    assert doubts.expected == pytest.approx(bad.sum(), rel=0.25)
    assert (bad[doubts.confident]).mean() > 0.9
    assert (doubts.suggested[bad] == (y[bad] - 1) % k).mean() > 0.9


def test_sound_labels_are_not_doubted() -> None:
    proba, y, _ = judged(1000, 3, 0.0, seed=1)
    doubts = doubt(proba, y)
    assert doubts.expected < 10
    assert not (doubts.suggested == y).any()
    np.testing.assert_allclose(doubts.joint.sum(axis=1), np.bincount(y))


def test_a_class_nobody_is_sure_of_does_not_swallow_the_others() -> None:
    # One class gets 0.4 at best: its own mean is its threshold, so pictures of it are still seen as its own.
    proba = np.array([[0.9, 0.1]] * 50 + [[0.6, 0.4]] * 50)
    y = np.repeat([0, 1], 50)
    assert not doubt(proba, y).confident[50:].any()


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
