"""Accuracy of each group of pictures (patient, site, camera), and whether the weakest is weak beyond chance."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from headstart.arrays import Index
from headstart.evaluation.intervals import Estimate, wilson
from headstart.evaluation.paired import ALPHA, holm
from headstart.files import below, plain
from headstart.images.folder import ImageSet

FEWEST = 5
"""Pictures below which a group is not looked at by itself. Chosen, not measured: of fewer, one mistake more or less is
a quarter of the accuracy or more. Harmless, for smaller groups are counted, and still belong to the rest."""


@dataclass(frozen=True, kw_only=True)
class GroupAccuracy:
    """Accuracy on the pictures of one group; the interval is for further pictures of the same group."""

    name: str
    accuracy: Estimate
    p_weaker: float
    """One-sided, that the group is no weaker than all other pictures (Fisher's exact test, Holm over groups)."""

    @property
    def weaker(self) -> bool:
        """Whether the group is weaker than the others, at ALPHA over all groups together."""
        return self.p_weaker < ALPHA

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {"name": self.name, **self.accuracy.to_dict(), **plain(self, "p_weaker", "weaker")}


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
    right = np.bincount(codes, weights=hits).astype(np.int64)
    raw = _weaker(right[large], sizes[large], int(hits.sum()), len(hits))
    looked_at = [
        GroupAccuracy(name=str(names[code]), accuracy=_accuracy(int(right[code]), int(sizes[code])), p_weaker=p)
        for code, p in zip(large, holm(raw), strict=True)
    ]
    looked_at.sort(key=lambda group: (group.accuracy.value, group.p_weaker, group.name))
    weakest = np.flatnonzero(names == looked_at[0].name)[0]
    rest = _accuracy(int(hits.sum() - right[weakest]), len(hits) - int(sizes[weakest]))
    return ByGroup(groups=tuple(looked_at), small=len(names) - len(large), rest=rest)


def group_names(images: ImageSet) -> list[str]:
    """(n,) a name for the group of each picture: all that were given to its pictures, else its first file."""
    given: dict[int, set[str]] = defaultdict(set)
    for group, name in zip(images.groups.tolist(), images.group_names, strict=True):
        given[group] |= {name} - {""}
    _, first, codes = np.unique(images.groups, return_index=True, return_inverse=True)
    return [
        " + ".join(sorted(given[group])) or below(images.root, images.paths[first[code]])
        for group, code in zip(images.groups.tolist(), codes, strict=True)
    ]


def _weaker(right: Index, sizes: Index, right_in_all: int, n: int) -> list[float]:
    """One-sided p of Fisher's exact test of each group: as few right in it, given how many are right in all."""
    from scipy.stats import hypergeom

    p: list[float] = hypergeom.cdf(right, n, right_in_all, sizes).tolist()
    return p


def _accuracy(right: int, n: int) -> Estimate:
    return Estimate(right / n, *wilson(right, n), n, "Wilson")
