"""Accuracy of each group of pictures (patient, site, camera), and whether the weakest is weak beyond chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.evaluation.intervals import Estimate, wilson
from headstart.evaluation.paired import holm

FEWEST = 5
"""Pictures below which a group is not looked at by itself: one mistake more or less would be everything."""
LEVEL = 0.05


@dataclass(frozen=True, kw_only=True)
class GroupAccuracy:
    """Accuracy on the pictures of one group; the interval is for further pictures of the same group."""

    name: str
    accuracy: Estimate
    p_weaker: float
    """One-sided, that the group is no weaker than all other pictures (Fisher's exact test, Holm over groups)."""

    @property
    def weaker(self) -> bool:
        """Whether it is, at the 5 % level over all groups together."""
        return self.p_weaker < LEVEL


@dataclass(frozen=True, kw_only=True)
class ByGroup:
    """Groups of at least ``FEWEST`` pictures, the weakest first."""

    groups: tuple[GroupAccuracy, ...]
    small: int
    """Groups too small to be looked at by themselves."""
    rest: Estimate
    """Accuracy on all pictures outside the weakest group."""

    @property
    def weakest(self) -> GroupAccuracy:
        """The group with the lowest accuracy."""
        return self.groups[0]

    @property
    def sentences(self) -> tuple[str, ...]:
        """The weakest group by name, and whether it is weaker than chance makes one of so many."""
        one, told = self.weakest, [group for group in self.groups if group.weaker]
        numbers = f"{_percent(one.accuracy)} on its {one.accuracy.n} pictures, {_percent(self.rest)} on all others"
        if not told:
            said = f"No group can be told from the rest. The lowest accuracy is that of {one.name}: {numbers}; among "
            return (f"{said}{len(self.groups)} groups, that much is chance.",)
        said = f"Weakest group: {one.name}, {numbers}. That is no chance (p = {one.p_weaker:.2g})."
        others = ", ".join(group.name for group in told if group is not one)
        return (said, f"Also weaker than the rest: {others}.") if others else (said,)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "groups": [
                {"name": one.name, **one.accuracy.to_dict(), "p_weaker": one.p_weaker, "weaker": one.weaker}
                for one in self.groups
            ],
            "small": self.small,
            "rest": self.rest.to_dict(),
        }


def by_group(predicted: ArrayLike, y: ArrayLike, groups: Sequence[Any]) -> ByGroup | None:
    """Accuracy by group of n pictures: ``predicted`` and ``y`` (n,) classes, ``groups`` (n,) any labels.

    None where there are not two groups of ``FEWEST`` pictures or more: then there is nothing to compare.
    """
    hits = np.asarray(predicted) == np.asarray(y)
    names, codes = np.unique([str(group) for group in groups], return_inverse=True)
    sizes = np.bincount(codes)
    large = np.flatnonzero(sizes >= FEWEST)
    if len(large) < 2:
        return None
    raw = [_weaker(hits, codes == code) for code in large]
    found = [
        GroupAccuracy(name=str(names[code]), accuracy=_accuracy(hits[codes == code]), p_weaker=p)
        for code, p in zip(large, holm(raw), strict=True)
    ]
    found.sort(key=lambda one: (one.accuracy.value, one.p_weaker, one.name))
    outside = hits[codes != np.flatnonzero(names == found[0].name)[0]]
    return ByGroup(groups=tuple(found), small=len(names) - len(large), rest=_accuracy(outside))


def labels_of(groups: NDArray[np.int64], paths: Sequence[Path]) -> list[str]:
    """A name for each picture's numbered group, for want of one: its first file, and how many there are beside it."""
    _, first, codes, sizes = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
    names = [
        f"the group of {paths[i].name}" + (f" and {size - 1} more" if size > 1 else "")
        for i, size in zip(first, sizes, strict=True)
    ]
    return [names[code] for code in codes]


def _weaker(hits: NDArray[np.bool_], inside: NDArray[np.bool_]) -> float:
    """One-sided p of Fisher's exact test: as few right in the group, given how many are right in all."""
    from scipy.stats import hypergeom

    return float(hypergeom.cdf(hits[inside].sum(), len(hits), hits.sum(), inside.sum()))


def _accuracy(hits: NDArray[np.bool_]) -> Estimate:
    n, right = len(hits), int(hits.sum())
    return Estimate(right / n, *wilson(right, n), n, "Wilson")


def _percent(one: Estimate) -> str:
    return f"{one.value:.1%} (95 % interval {one.low:.1%} to {one.high:.1%})"
