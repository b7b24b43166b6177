"""Splits of pictures into parts to train on and parts to test on.

Every split is decided by a seed, holds every class in about the same share on both sides, and never puts pictures of
one group on both.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from headstart.arrays import Index, Labels
from headstart.errors import DataError

_SMALL_GROUP = 5
"""Pictures in a group up to which groups are dealt to folds in turn, as if all were of one size, which leaves no fold
far from its share. Larger ones are dealt by size."""

Indices = NDArray[np.intp]


def folds(
    y: Labels, groups: Index, *, n_splits: int = 5, seed: int, classes: Sequence[str] = ()
) -> list[tuple[Indices, Indices]]:
    """Split ``n`` pictures into folds: ``(train, test)`` positions, each picture tested exactly once.

    ``n_splits`` is lowered to the number of groups that the smallest class has, and further while some training part
    lacks a class.

    Args:
        y: ``(n,)`` classes.
        groups: ``(n,)``; pictures of one group stay together.
        n_splits: folds, at least 2.
        seed: same seed, same folds.
        classes: ``(k,)`` names, for the error; without them it gives the number of a class.

    Raises:
        DataError: not even two folds can be made.
    """
    most = min(n_splits, min(_groups_per_class(y, groups).values()))
    for count in range(most, 1, -1):
        parts = _folds(y, groups, count, seed)
        if all(len(test) and _same_classes(y, train) for train, test in parts):
            return parts
    raise _too_few(y, groups, classes)


def holdout(
    y: Labels, groups: Index, *, fraction: float, seed: int, classes: Sequence[str] = ()
) -> tuple[Indices, Indices]:
    """Set aside about ``fraction`` (in (0, 1)) of each class, in whole groups: ``(train, test)`` positions.

    Every class keeps at least one group on either side. ``classes`` as for `folds`.

    Raises:
        DataError: a class has all its pictures in one group.
    """
    rng = np.random.default_rng(seed)
    first, member, sizes = _representatives(groups)
    in_test = np.zeros(len(first), dtype=bool)
    for label in np.unique(y[first]):
        shuffled = rng.permutation(np.flatnonzero(y[first] == label))
        taken = np.cumsum(sizes[shuffled])
        count = int(np.argmin(np.abs(taken - fraction * taken[-1]))) + 1
        in_test[shuffled[: min(count, len(shuffled) - 1)]] = True
    test = in_test[member]
    train, test = np.flatnonzero(~test), np.flatnonzero(test)
    if not (_same_classes(y, train) and _same_classes(y, test)):
        raise _too_few(y, groups, classes)
    return train, test


def _representatives(groups: Index) -> tuple[Indices, Indices, Indices]:
    """First picture of each group, the group (0, 1, …) of each picture, and the size of each group."""
    _, first, member, sizes = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
    return first, member, sizes


def _folds(y: Labels, groups: Index, count: int, seed: int) -> list[tuple[Indices, Indices]]:
    first, member, sizes = _representatives(groups)
    order = np.random.default_rng(seed).permutation(len(first))
    if sizes.max() > _SMALL_GROUP or np.unique(y[first], return_counts=True)[1].min() < count:
        fold = _dealt_by_size(y, member, order[np.argsort(-sizes[order], kind="stable")], count)
    else:  # in turn, one class where the one before it ended
        order = order[np.argsort(y[first][order], kind="stable")]
        fold = np.empty(len(first), dtype=np.intp)
        fold[order] = np.arange(len(first)) % count
    return [(np.flatnonzero(fold[member] != i), np.flatnonzero(fold[member] == i)) for i in range(count)]


def _dealt_by_size(y: Labels, member: Indices, order: Indices, count: int) -> Indices:
    """Fold of each group, dealt in this order (largest first) to the fold that lacks its classes most.

    That is the fold where the group adds least to the sum of squared shares of each class, and where several are
    equal the one with fewest pictures: the greedy rule for scheduling (Graham 1969), class by class.

    Args:
        y: ``(n,)`` classes.
        member: ``(n,)`` group (0, 1, …) of each picture.
        order: ``(groups,)`` all groups.
        count: folds.
    """
    _, y, totals = np.unique(y, return_inverse=True, return_counts=True)
    pairs, counts = np.unique(np.stack([member, y]), axis=1, return_counts=True)  # the classes of each group, in order
    starts = np.searchsorted(pairs[0], np.arange(len(order) + 1))
    dealt = np.zeros((count, len(totals)))  # pictures of each class in each fold
    fold = np.empty(len(order), dtype=np.intp)
    for group in order:
        part = slice(starts[group], starts[group + 1])
        classes = pairs[1, part]
        held = dealt[:, classes] @ (counts[part] / totals[classes] ** 2.0)
        fold[group] = np.lexsort((dealt.sum(axis=1), held))[0]
        dealt[fold[group], classes] += counts[part]
    return fold


def _same_classes(y: Labels, part: Indices) -> bool:
    return np.array_equal(np.unique(y[part]), np.unique(y))


def _groups_per_class(y: Labels, groups: Index) -> dict[int, int]:
    pairs = np.unique(np.stack([y, groups]), axis=1)
    labels, counts = np.unique(pairs[0], return_counts=True)
    return dict(zip(labels.tolist(), counts.tolist(), strict=True))


def _too_few(y: Labels, groups: Index, classes: Sequence[str]) -> DataError:
    counts = _groups_per_class(y, groups)
    label = min(counts, key=counts.__getitem__)
    name = repr(classes[label]) if classes else f"class number {label}"
    expected = "enough distinct groups of every class to have one on both sides of a split"
    found = f"{name} has {counts[label]} in {len(np.unique(groups))} groups in all"
    todo = "add pictures of that class, or group them more finely"
    return DataError.of("splitting pictures", expected=expected, found=found, todo=todo)
