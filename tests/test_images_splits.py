import numpy as np
import pytest

from headstart.errors import DataError
from headstart.images.splits import folds, holdout

LABELS = np.repeat([0, 1, 2], [50, 30, 20])


def check(y: np.ndarray, groups: np.ndarray, parts: list) -> None:
    tested = np.concatenate([test for _, test in parts])
    assert sorted(tested.tolist()) == list(range(len(y))), "each picture is tested exactly once"
    for train, test in parts:
        assert sorted([*train, *test]) == list(range(len(y)))
        assert not set(groups[train]) & set(groups[test])
        assert set(y[train]) == set(y)


def test_singletons_are_stratified() -> None:
    parts = folds(LABELS, np.arange(100), seed=0)
    check(LABELS, np.arange(100), parts)
    assert [np.bincount(LABELS[test]).tolist() for _, test in parts] == [[10, 6, 4]] * 5


@pytest.mark.parametrize("largest", [3, 12])
def test_groups_stay_together_small_and_large(largest: int) -> None:
    rng = np.random.default_rng(1)
    y = np.sort(rng.integers(0, 3, 400))
    groups = np.arange(400) // largest
    parts = folds(y, groups, seed=3)
    assert len(parts) == 5
    check(y, groups, parts)
    shares = np.array([np.bincount(y[test], minlength=3) for _, test in parts]) / np.bincount(y)
    assert np.abs(shares - 0.2).max() < 0.12


def test_groups_of_mixed_classes() -> None:
    y = np.tile([0, 1], 40)
    check(y, np.arange(80) // 2, folds(y, np.arange(80) // 2, seed=0))


def test_same_seed_same_folds() -> None:
    def tests_of(seed: int) -> list[list[int]]:
        return [test.tolist() for _, test in folds(LABELS, np.arange(100), seed=seed)]

    assert tests_of(4) == tests_of(4)
    assert tests_of(4) != tests_of(5)


def test_fewer_folds_for_small_classes() -> None:
    y = np.repeat([0, 1], [50, 3])
    assert len(folds(y, np.arange(53), seed=0)) == 3
    grouped = np.array([*range(50), 50, 50, 51])
    parts = folds(y, grouped, seed=0)
    assert len(parts) == 2
    check(y, grouped, parts)


def test_no_two_folds() -> None:
    y = np.repeat([0, 1], [50, 3])
    groups = np.array([*range(50), 50, 50, 50])
    for names, named in (((), "class number 1"), (("ants", "bees"), "'bees'")):
        with pytest.raises(DataError, match=f"found: {named} has 1 in 51 groups in all"):
            folds(y, groups, seed=0, classes=names)
        with pytest.raises(DataError, match=f"found: {named} has 1 in 51 groups in all"):
            holdout(y, groups, fraction=0.2, seed=0, classes=names)


@pytest.mark.parametrize("fraction", [0.05, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("size", [1, 4])
def test_holdout(fraction: float, size: int) -> None:
    y = np.repeat([0, 1, 2], [200, 120, 80])
    groups = np.arange(400) // size
    train, test = holdout(y, groups, fraction=fraction, seed=7)
    assert sorted([*train, *test]) == list(range(400))
    assert not set(groups[train]) & set(groups[test])
    np.testing.assert_allclose(np.bincount(y[test]) / np.bincount(y), fraction, atol=0.03)
    again = holdout(y, groups, fraction=fraction, seed=7)
    np.testing.assert_array_equal(test, again[1])
    assert test.tolist() != holdout(y, groups, fraction=fraction, seed=8)[1].tolist()


def test_large_groups_leave_folds_even() -> None:
    """One group holds a fifth of its class, another is of both classes: the small ones make up for them."""
    y = np.repeat([0, 1], [100, 60])
    groups = np.arange(160)
    groups[:20] = 0
    groups[90:105] = 90
    parts = folds(y, groups, seed=2)
    check(y, groups, parts)
    assert [np.bincount(y[test]).tolist() for _, test in parts] == [[20, 12]] * 5
    assert [test.tolist() for _, test in parts] == [test.tolist() for _, test in folds(y, groups, seed=2)]
