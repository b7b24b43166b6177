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
from headstart.audit.full_size import Difference, Ground, Limit, compare, luminance, side_of
from headstart.errors import UnreadableImageError
from headstart.images.grey_levels import Levels

ALIKE = Limit(1.15, 2.9)
"""What copies may differ by at full size, where pictures look alike without being copies. In solar cells, planted
copies recompressed with JPEG quality 40, or halved and recompressed with 50, have 1.1 and 2.3 at most. The two cells
that are least unlike have 1.26, and a speck of nine pixels that only one of them has makes more than 2.9."""
PHOTOGRAPHS = Limit(2.5, 12.5)
"""The same where only copies look alike, as among photographs: what was compressed harder is found too. Recompressed
with JPEG quality 40, photographs full of edges have 1.7 and 9.5."""

_IN_MEMORY = 128  # pictures at full size, 1 MB each at most
_GROUNDS = 32  # pictures that others are laid on, 3 MB each at most
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
        self._ground = lru_cache(maxsize=_GROUNDS)(lambda path, side: Ground.of(self._luminance(path, side)))
        self._known: dict[tuple[int, int], tuple[Difference | None, Move]] = {}

    def link(self, link: Link) -> tuple[Difference | None, Move]:
        """What differs between the two pictures, None if one of them cannot be read any more; and the move, refined."""
        pair = link.first, link.second
        if pair not in self._known:
            self._known[pair] = self._compared(*pair, link.move)
        return self._known[pair]

    def within(self, first: int, second: int, move: Move, limit: Limit) -> bool:
        """Whether two pictures are copies, the first lying in the second as ``move`` says, or as was known before."""
        if first > second:
            first, second, move = second, first, move.inverse()
        known = self._known.get((first, second))
        if known is None or not _within(known[0], limit):
            known = self._known[first, second] = self._compared(first, second, move)
        return _within(known[0], limit)

    def _compared(self, first: int, second: int, move: Move) -> tuple[Difference | None, Move]:
        paths = self._paths[first], self._paths[second]
        placement, mirrored = move.placement()
        try:
            side = min(map(self._side, paths))
            pictures = self._ground(paths[0], side), self._luminance(paths[1], side)
        except UnreadableImageError:
            return None, move
        difference, placement = compare(*pictures, placement, mirrored=mirrored, enough=ALIKE)
        return difference, Move.placed(placement, mirrored=mirrored)


def copies(links: Sequence[Link], measure: Measure, *, refuted: Sequence[Link] = ()) -> list[Link]:
    """Those of the links, surest first, that join copies.

    Where pictures look alike and end in different clusters, or in none, all are joined anew by the stricter limit.

    Args:
        links: between pictures.
        measure: compares them.
        refuted: others that look alike, and differ too much at 64 pixels to be compared.
    """
    kept, cluster_of = _joined(links, measure, PHOTOGRAPHS)
    for link in (*links, *refuted):
        if link.second not in cluster_of.get(link.first, {}):
            return _joined(links, measure, ALIKE)[0]
    return kept


def _joined(links: Sequence[Link], measure: Measure, limit: Limit) -> tuple[list[Link], dict[int, dict[int, Move]]]:
    """The links that join copies, and of each picture its cluster: its pictures, and where each lies in their first.

    Clusters are joined link by link, and only if every picture of the one is a copy of every picture of the other: a
    chain of pictures, each a little unlike the last, stays apart. Two copies of one picture may differ by the
    compression of both, so inside a cluster √2 times as much is allowed.
    """
    cluster_of: dict[int, dict[int, Move]] = {}
    kept = []
    for link in links:
        difference, move = measure.link(link)
        if not _within(difference, limit):
            continue
        one, other = (cluster_of.setdefault(i, {i: _STAY}) for i in (link.first, link.second))
        if one is not other:
            across = other[link.second].inverse().then(move.inverse()).then(one[link.first])
            moved = {j: way.then(across) for j, way in other.items()}
            asked = product(list(one.items())[:_ASKED], list(moved.items())[:_ASKED])
            if not all(measure.within(i, j, a.then(b.inverse()), limit.for_two()) for (i, a), (j, b) in asked):
                continue
            one.update(moved)
            cluster_of.update(dict.fromkeys(moved, one))
        kept.append(link)
    return kept, cluster_of


def _within(difference: Difference | None, limit: Limit) -> bool:
    return difference is not None and difference.within(limit)
