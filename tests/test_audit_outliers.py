from __future__ import annotations

import numpy as np

from headstart.audit import outliers


def cloud(n: int, seed: int, d: int = 24) -> np.ndarray:
    return (np.random.default_rng(seed).normal(0, 1, (n, d)) + 2).astype(np.float32)


def test_one_picture_unlike_all_others_is_found() -> None:
    X = cloud(300, 0)
    X[17] = -X[17]
    found = outliers.find(X, np.arange(300), seed=0)
    assert found.distance.argmax() == 17
    assert found.ordinary[17] < 0.01
    assert np.delete(found.ordinary, 17).min() > 0.1


def test_where_nothing_is_odd_hardly_anything_is_found() -> None:
    flagged = [(outliers.find(cloud(200, seed), np.arange(200), seed=0).ordinary < 0.05).sum() for seed in range(20)]
    assert max(flagged) <= 2
    assert sum(flagged) <= 8  # of 4,000 pictures


def test_only_the_direction_of_features_counts() -> None:
    X = cloud(100, 1)
    scaled = X * np.random.default_rng(1).uniform(0.5, 2, (100, 1)).astype(np.float32)
    one, two = (outliers.find(rows, np.arange(100), seed=0) for rows in (X, scaled))
    np.testing.assert_allclose(one.distance, two.distance, atol=1e-4)


def test_copies_do_not_vouch_for_each_other() -> None:
    X, groups = cloud(200, 2), np.arange(200)
    X[:15] = -X[0]  # the same odd picture fifteen times
    alone = outliers.find(X, groups, seed=0)
    groups[:15] = 0
    together = outliers.find(X, groups, seed=0)
    assert alone.distance[0] < 0.01
    assert together.distance[0] == together.distance.max()


def test_a_sample_of_neighbours_is_enough(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    X = cloud(600, 3)
    X[5] = -X[5]
    whole = outliers.find(X, np.arange(600), seed=0)
    monkeypatch.setattr(outliers, "MOST", 200)
    sampled = outliers.find(X, np.arange(600), seed=0)
    assert sampled.distance.argmax() == whole.distance.argmax() == 5
    assert np.corrcoef(whole.distance, sampled.distance)[0, 1] > 0.8


def test_very_few_pictures_and_identical_ones_are_survived() -> None:
    for X in (cloud(3, 4), np.ones((10, 4), np.float32), np.zeros((4, 4), np.float32)):
        found = outliers.find(X, np.arange(len(X)), seed=0)
        assert np.isfinite(found.ordinary).all()
        assert found.ordinary.min() >= 0
