from __future__ import annotations

import numpy as np
import pytest

from headstart.claims.parts import MOST_SIZES, FixedHead, logits_of_parts, places_in, shares_of
from headstart.images.splits import folds
from headstart.probe.heads import principal_axes
from test_claims_learning_curve import LOGISTIC, draw


def test_a_share_of_the_places_is_that_share_of_every_class_and_nested() -> None:
    y, train = np.repeat([0, 1], [80, 20]), np.arange(0, 100, 2)
    place = places_in(y, np.arange(100), train, np.random.default_rng(0))
    assert np.isinf(np.delete(place, train)).all()
    for share, counts in ((0.25, [10, 2]), (0.5, [20, 5]), (1.0, [40, 10])):
        assert np.bincount(y[place <= share]).tolist() == counts
    assert ((place <= 0.25) <= (place <= 0.5)).all()


def test_a_group_is_in_a_part_as_a_whole() -> None:
    groups = np.arange(60) // 3
    place = places_in(np.repeat([0, 1], 30), groups, np.arange(60), np.random.default_rng(0))
    assert all(len(set(place[groups == group])) == 1 for group in range(20))


@pytest.mark.parametrize(("rarest", "shares"), [(2, [1.0]), (6, [0.5, 1.0]), (12, [0.25, 0.5, 1.0])])
def test_shares_are_halves_down_to_a_few_of_the_rarest_class(rarest: int, shares: list[float]) -> None:
    assert shares_alone(np.repeat([0, 1], [100, rarest])) == shares
    assert len(shares_alone(np.repeat([0, 1], 10_000))) == MOST_SIZES


def shares_alone(y: np.ndarray) -> list[float]:
    """Of pictures without groups."""
    every = np.arange(len(y))
    return shares_of(y, [places_in(y, every, every, np.random.default_rng(0))])


def test_the_smallest_share_has_a_group_of_every_class() -> None:
    y, groups = np.repeat([0, 1], [200, 40]), np.r_[np.arange(200) // 2, np.repeat(range(100, 104), 10)]
    place = places_in(y, groups, np.arange(240), np.random.default_rng(0))
    assert shares_of(y, [place])[0] == 0.25  # of four groups; its 40 pictures would do for 0.125
    assert set(y[place <= 0.25].tolist()) == {0, 1}


@pytest.mark.parametrize("balanced", [False, True])
def test_every_picture_is_answered_by_heads_that_were_not_fitted_on_it(balanced: bool) -> None:
    pictures = draw(60, apart=6.0)
    splits = folds(pictures.y, pictures.groups, n_splits=3, seed=0)
    rows = np.array([np.isin(np.arange(60), train) for train, _ in splits])
    tests = [test for _, test in splits]
    head = FixedHead(family=LOGISTIC.family, strength=LOGISTIC.strength, balanced=balanced)
    axes = principal_axes(pictures.X)
    logits = logits_of_parts(axes, pictures, head, rows, tests)
    assert logits.shape == (1, 60, 2)
    assert (logits[0].argmax(axis=1) == pictures.y).mean() > 0.95
    shifted = logits_of_parts(axes, pictures, head, rows, tests, np.tile([0.0, 2.0], (3, 1)))
    np.testing.assert_allclose(shifted[0] - logits[0], np.tile([0.0, 2.0], (60, 1)), atol=1e-9)
