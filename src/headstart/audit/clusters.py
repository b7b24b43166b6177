"""From pictures that look alike at 64 pixels to pairs and clusters of copies, each pair confirmed at full size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np

from headstart.arrays import Floats, Singles
from headstart.audit.full_size import Difference, compare, luminance, side_of
from headstart.errors import UnreadableImageError
from headstart.images.grey_levels import Levels

ALIKE = 1.15
"""Levels of 255 by which copies may differ nearly everywhere at full size (`Difference.typical`), where pictures look
alike without being copies. Copies recompressed with JPEG quality 40, or halved and recompressed with 50, have 1.1
at most; the two solar cells least unlike each other 1.2."""
PHOTOGRAPHS = 2.5
"""The same where only copies look alike, as among photographs: what was compressed harder is found too."""

_IN_MEMORY = 128  # pictures at full size, 1 MB each at most
_ASKED = 8  # pictures of a cluster that those of another are compared with before both are joined


class Move(NamedTuple):
    """Where each point of one picture lies in another: scale · point + shift, for rows and for columns.

    Points are in [−1, 1]; the scale of the columns is negative where one picture is the mirror image of the other.
    """

    scale: Floats
    shift: Floats

    @classmethod
    def placed(cls, placement: Singles, *, mirrored: bool) -> Move:
        """From a placement (4,) of `headstart.audit.alignment`."""
        sign = np.array([1.0, -1.0 if mirrored else 1.0])
        return cls(placement[::2] * sign, placement[1::2] * sign)

    def placement(self) -> tuple[Singles, bool]:
        """The inverse of `placed`."""
        sign = np.sign(self.scale)
        return np.stack([self.scale * sign, self.shift * sign], axis=1).ravel().astype(np.float32), bool(sign[1] < 0)

    def then(self, after: Move) -> Move:
        """Both, this one first."""
        return Move(after.scale * self.scale, after.scale * self.shift + after.shift)

    def inverse(self) -> Move:
        """The way back."""
        return Move(1 / self.scale, -self.shift / self.scale)


_STAY = Move(np.ones(2), np.zeros(2))


@dataclass(frozen=True, kw_only=True, eq=False)
class Link:
    """Two pictures that look alike at 64 pixels."""

    first: int
    second: int
    score: float
    """Correlation of details."""
    move: Move
    """From the first to the second."""
    apart: float
    """Levels by which they differ there."""


class Measure:
    """Compares pictures at full size, each pair of them once. Several threads may ask at once."""

    def __init__(self, paths: Sequence[Path], levels: Levels | None = None) -> None:
        self._paths = paths
        self._side = lru_cache(maxsize=None)(side_of)
        self._luminance = lru_cache(maxsize=_IN_MEMORY)(partial(luminance, levels=levels))
        self._known: dict[tuple[int, int], Difference | None] = {}

    def link(self, link: Link) -> Difference | None:
        """What differs between the two pictures; None if one of them cannot be read any more."""
        return self(link.first, link.second, link.move)

    def __call__(self, first: int, second: int, move: Move) -> Difference | None:
        """The same of two pictures of which the first lies in the second as ``move`` says."""
        if first > second:
            first, second, move = second, first, move.inverse()
        if (first, second) not in self._known:
            self._known[first, second] = self._compared(self._paths[first], self._paths[second], move)
        return self._known[first, second]

    def _compared(self, first: Path, second: Path, move: Move) -> Difference | None:
        try:
            side = min(self._side(first), self._side(second))
            pictures = self._luminance(first, side), self._luminance(second, side)
        except UnreadableImageError:
            return None
        placement, mirrored = move.placement()
        return compare(*pictures, placement, mirrored=mirrored)


def copies(links: Sequence[Link], measure: Measure, *, refuted: bool) -> list[Link]:
    """Those of the links, surest first, that join copies.

    Clusters are joined link by link, and only if every picture of the one is a copy of every picture of the other: a
    chain of pictures, each a little unlike the last, stays apart. Two copies of one picture may differ by the
    compression of both, so inside a cluster √2 times as much is allowed.

    Args:
        links: between pictures.
        measure: compares them.
        refuted: whether others looked alike that are surely no copies.
    """
    refuted |= not all(_within(measure.link(link), PHOTOGRAPHS) for link in links)
    limit = ALIKE if refuted else PHOTOGRAPHS
    cluster_of: dict[int, dict[int, Move]] = {}  # of each picture: its cluster, and the way from there to their first
    kept = []
    for link in links:
        if not _within(measure.link(link), limit):
            continue
        one, other = (cluster_of.setdefault(i, {i: _STAY}) for i in (link.first, link.second))
        if one is not other:
            across = other[link.second].inverse().then(link.move.inverse()).then(one[link.first])
            moved = {j: move.then(across) for j, move in other.items()}
            asked = product(list(one.items())[:_ASKED], list(moved.items())[:_ASKED])
            if not all(_within(measure(i, j, a.then(b.inverse())), limit * 2**0.5) for (i, a), (j, b) in asked):
                continue
            one.update(moved)
            cluster_of.update(dict.fromkeys(moved, one))
        kept.append(link)
    return kept


def _within(difference: Difference | None, levels: float) -> bool:
    return difference is not None and difference.within(levels)
