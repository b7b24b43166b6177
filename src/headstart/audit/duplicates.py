"""Pictures that are copies of each other: byte for byte, or resized, recompressed, cropped, mirrored.

In two steps. The features that are there anyway say cheaply which pictures may be copies: of each picture its nearest
neighbours by the cosine of what is left of the features when their mean is taken away; coarse pixels say the same where
all features are alike. Then finer pixels decide: two small pictures are laid on each other and are copies where details
and colours agree (`headstart.audit.alignment`).

Thresholds were set on planted copies in one set of photographs and measured on another: see
``benchmarks/planted_duplicates.py``.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from headstart.arrays import Index, Rows
from headstart.audit.alignment import (
    PATCHES,
    SIDE,
    SPACE,
    Miniature,
    coarse,
    compare_miniatures,
    miniature,
    promising,
    space,
)
from headstart.audit.scenes import require_scenes
from headstart.errors import UnreadableImageError
from headstart.features.rows import unit
from headstart.features.table import FeatureTable
from headstart.files import below
from headstart.images.folder import ImageSet
from headstart.images.transforms import View

NEIGHBOURS = 8
"""Pictures nearest to each that are looked at: its copies are among them."""
COPY = 0.75
"""Correlation of details from which two pictures are copies. Copies have 0.85 and more, other photographs 0.3 at most;
a broad frame in common makes 0.7."""
UNMISTAKABLE = 0.9
"""Correlation from which it also counts where everything is alike."""
SAME_COLOUR = 20.0
"""Root mean square difference of colours up to which two pictures are copies, in levels of 255: cropping makes 12."""
SERIES = 0.1, 20
"""A cluster of more than this share of the pictures, and than this many, is no set of copies but a series."""

# Measured on the same planted copies as the thresholds above.
_MAY_BE = 0.4  # cosine of centred features below which two pictures are not looked at; resized copies have 0.46
_LOOKS_LIKE = 0.5  # the same of coarse pixels; cropped copies have 0.7
_FEW = 100  # pictures below which the mean says little, and no neighbour is too far to be looked at
_BLOCK = 256  # pictures whose cosines to all others are in memory at a time
_PAIRS = 256  # pairs of pictures that are compared at a time

Members = tuple[int, ...]

_PAIRS_SPACE = f"near copies 1|{SPACE}"
"""Where the pairs found among a set of pictures are kept; whoever changes how they are found raises the number."""


@dataclass(frozen=True, kw_only=True)
class CopyPair:
    """Two copies, as positions in the image set, the first being the smaller."""

    first: int
    second: int
    kind: Literal["exact", "near"]
    """``exact``: the same bytes; ``near``: the same picture."""
    score: float
    """Correlation of details where they overlap, 1 for exact copies."""
    mirrored: bool


@dataclass(frozen=True, kw_only=True)
class Duplicates:
    """The copies in a set of pictures."""

    images: ImageSet
    """What was looked at; positions below are in it."""
    pairs: tuple[CopyPair, ...]
    """Every two pictures found to be copies, surest first; of exact copies, each with the first of them."""
    clusters: tuple[Members, ...]
    """Pictures linked by pairs, each cluster in order."""
    series: tuple[Members, ...]
    """Pictures linked into clusters so large that they are no copies but alike, as pictures of one scene or of one
    machine are: they are not treated as copies of each other."""

    def across_splits(self, pair: CopyPair) -> bool:
        """Whether the two pictures lie in different splits."""
        return bool(self.images.split[pair.first] != self.images.split[pair.second])

    def across_labels(self, pair: CopyPair) -> bool:
        """Whether the two pictures have different labels."""
        return bool(self.images.y[pair.first] != self.images.y[pair.second])

    def membership(self) -> list[int | None]:
        """The cluster of each picture; None for one without copies."""
        cluster_of = {i: number for number, members in enumerate(self.clusters) for i in members}
        return [cluster_of.get(i) for i in range(len(self.images))]


def find_duplicates(table: FeatureTable, size: int) -> Duplicates:
    """Find the copies among all pictures of the table, by their last layer at input ``size`` and by their pixels.

    Memory: three times the features (n, d), 5 kB for each picture, and some 250 × n cosines, twice.
    """
    images = table.images
    exact, unique = _exact(images.digests)
    near = _near_copies(table, size, unique)
    pairs, clusters, series = _settled(exact + near, len(images))
    return Duplicates(
        images=images,
        pairs=tuple(sorted(pairs, key=lambda pair: (-pair.score, pair.first, pair.second))),
        clusters=tuple(sorted(clusters)),
        series=tuple(sorted(series)),
    )


def _near_copies(table: FeatureTable, size: int, unique: Index) -> list[CopyPair]:
    """Pairs of near copies among the pictures ``unique``; for the same pictures they are found once and kept."""
    contents = [table.images.digests[i] for i in unique]
    features = table.space(size).key(View.CENTRE, "last")
    these = hashlib.sha256("\n".join([features, *contents]).encode()).hexdigest()
    if (kept := table.bench.store.values(_PAIRS_SPACE, [these]).get(these)) is not None:
        pairs = [CopyPair(**pair) for pair in json.loads(kept)]
    else:
        small = _miniatures(table, unique)
        pairs = _confirmed(small, _candidates(table.rows(size, "last", unique), small))
        table.bench.store.keep(_PAIRS_SPACE, {these: json.dumps([asdict(pair) for pair in pairs]).encode()})
    return [replace(pair, first=int(unique[pair.first]), second=int(unique[pair.second])) for pair in pairs]


def _exact(digests: Sequence[str]) -> tuple[list[CopyPair], Index]:
    """Pairs of the same bytes, and the first picture of each content."""
    first: dict[str, int] = {}
    pairs = []
    for i, digest in enumerate(digests):
        if first.setdefault(digest, i) != i:
            pairs.append(CopyPair(first=first[digest], second=i, kind="exact", score=1.0, mirrored=False))
    return pairs, np.fromiter(first.values(), dtype=np.int64)


def _candidates(X: Rows, small: Miniature) -> Index:
    """Pairs (p, 2) of rows that may be copies: near in their features (n, d) or, upright or mirrored, in coarse pixels.

    Features know a copy among photographs, whatever was done to it; among pictures that are all alike, pixels do.
    """
    pixels = coarse(small)
    centred = (turned - pixels.mean(axis=0) for turned in (pixels, pixels[:, :, ::-1]))
    upright, mirrored = (unit(turned.reshape(len(turned), -1)) for turned in centred)
    rows = unit(X - X.mean(axis=0))
    searches = (_near(rows, rows, _MAY_BE), _near(upright, upright, _LOOKS_LIKE), _near(mirrored, upright, _LOOKS_LIKE))
    return np.unique(np.concatenate(searches), axis=0)


def _near(queries: Rows, X: Rows, least: float) -> Index:
    """Pairs (p, 2), the smaller first, of rows and near neighbours by cosine: (n, d) queries among (n, d) rows."""
    n = len(X)
    count = min(NEIGHBOURS, n - 1)
    pairs = [np.empty((0, 2), np.int64)]
    for start in range(0, n if count else 0, _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, n))
        cosine = queries[rows] @ X.T
        cosine[rows - start, rows] = -np.inf
        nearest = np.argpartition(-cosine, count - 1, axis=1)[:, :count]
        close = np.take_along_axis(cosine, nearest, axis=1) >= (least if n >= _FEW else -1.0)
        together = np.stack([np.broadcast_to(rows[:, None], nearest.shape)[close], nearest[close]], axis=1)
        pairs.append(np.sort(together, axis=1))
    return np.concatenate(pairs)


def _confirmed(small: Miniature, candidates: Index) -> list[CopyPair]:
    """Those of the candidates (p, 2), rows of the miniatures, whose pixels agree."""
    candidates = candidates[promising(small, candidates)]
    pairs = []
    for start in range(0, len(candidates), _PAIRS):
        first, second = candidates[start : start + _PAIRS].T
        agreement = compare_miniatures(
            *(Miniature(small.luminance[side], small.colour[side]) for side in (first, second))
        )
        for row in np.flatnonzero((agreement.detail >= COPY) & (agreement.colour <= SAME_COLOUR)):
            i, j = candidates[start + row].tolist()
            score, mirrored = float(agreement.detail[row]), bool(agreement.mirrored[row])
            pairs.append(CopyPair(first=i, second=j, kind="near", score=score, mirrored=mirrored))
    return pairs


def _miniatures(table: FeatureTable, index: Index) -> Miniature:
    """Of the pictures at ``index``; blank, and so a copy of nothing, where one cannot be read any more."""

    def packed(path: Path) -> bytes | None:
        try:
            small = miniature(path, table.images.levels)
        except UnreadableImageError:
            return None
        return small.luminance.tobytes() + small.colour.tobytes()

    n, cut = len(index), SIDE * SIDE
    small = Miniature(np.zeros((n, SIDE, SIDE), np.uint8), np.zeros((n, PATCHES, PATCHES, 3), np.uint8))
    for i, data in enumerate(
        table.remembered(space(table.images.levels), packed, stage="looking for copies", index=index)
    ):
        if data is not None:
            small.luminance[i] = np.frombuffer(data[:cut], np.uint8).reshape(SIDE, SIDE)
            small.colour[i] = np.frombuffer(data[cut:], np.uint8).reshape(PATCHES, PATCHES, 3)
    return small


def _settled(pairs: Sequence[CopyPair], n: int) -> tuple[list[CopyPair], list[Members], list[Members]]:
    """The pairs that count, the clusters they link, and series: clusters that are too large to be copies.

    Where pictures of many things are all alike, chains of pairs would link them all. So in a cluster that is too
    large only unmistakable pairs link, and if it still is, only exact ones do.
    """
    share, least = SERIES
    kept: list[CopyPair] = []
    clusters: list[Members] = []
    series: list[Members] = []

    def settle(pairs: Sequence[CopyPair], limits: tuple[float, ...]) -> None:
        for members, inside in _linked(pairs, n):
            if len(members) <= max(share * n, least) or all(pair.kind == "exact" for pair in inside):
                clusters.append(members)
                kept.extend(inside)
                continue
            if not limits:
                series.append(members)
            limit, *further = limits or (np.inf,)
            settle([pair for pair in inside if pair.kind == "exact" or pair.score >= limit], tuple(further))

    settle(pairs, (UNMISTAKABLE,))
    return kept, clusters, series


def _linked(pairs: Sequence[CopyPair], n: int) -> list[tuple[Members, list[CopyPair]]]:
    """Connected components among n pictures, those alone aside: the pictures of each in order, and its pairs."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ends = [pair.first for pair in pairs], [pair.second for pair in pairs]
    graph = coo_array((np.ones(len(pairs), np.int8), ends), shape=(n, n))
    component_of = connected_components(graph, directed=False)[1].tolist()
    inside: dict[int, list[CopyPair]] = defaultdict(list)
    for pair in pairs:
        inside[component_of[pair.first]].append(pair)
    return [(tuple(sorted({i for pair in own for i in (pair.first, pair.second)})), own) for own in inside.values()]


@dataclass(frozen=True, kw_only=True)
class Deduplicated:
    """A set of pictures whose splits and folds no copy crosses into training."""

    copies: Duplicates
    """In the pictures as they were."""
    grouped: ImageSet
    """The same pictures, in which clusters of copies are groups."""
    images: ImageSet
    """The pictures to go on with: of these, without the training pictures that have a copy in a held-out split, each
    left out with that reason. The held-out splits stay whole, and so does the number they give."""
    dropped: Index
    """Positions in ``copies.images`` of the training pictures left out."""
    copied: Index
    """Positions in ``copies.images`` of the held-out pictures that they are copies of."""


def deduplicate(copies: Duplicates) -> Deduplicated:
    """Make each cluster of copies a group, and leave out training pictures with a copy in a held-out split.

    Raises:
        DataError: too few scenes of a class are left to train on, or hardly any training picture.
    """
    images = copies.images
    held_out = images.split != "train"
    reasons = {}
    dropped: list[int] = []
    copied: set[int] = set()
    for members in copies.clusters:
        tested = [i for i in members if held_out[i]]
        trained = [i for i in members if not held_out[i]]
        if tested and trained:
            original = below(images.root, images.paths[tested[0]])
            reasons.update({images.paths[i]: f"a copy of {original}, which is tested on" for i in trained})
            dropped += trained
            copied.update(tested)
    grouped, left_out = images.joined(copies.membership()), np.array(sorted(dropped), dtype=np.int64)
    require_scenes(grouped, left_out)
    return Deduplicated(
        copies=copies,
        grouped=grouped,
        images=grouped.without(reasons),
        dropped=left_out,
        copied=np.array(sorted(copied), dtype=np.int64),
    )
