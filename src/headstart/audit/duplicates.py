"""Pictures that are copies of each other: byte for byte, or resized, recompressed, cropped, mirrored.

In three steps. The features that are there anyway say cheaply which pictures may be copies: of each picture its nearest
neighbours by the cosine of what is left of the features when their mean is taken away; coarse pixels say the same where
all features are alike. Then two small pictures are laid on each other and look alike where details and colours agree
(`headstart.audit.alignment`). Those that do are read again and compared at full size, pair by pair, before anything is
said or joined (`headstart.audit.full_size`).

Frames of a burst are copies where only the camera moved a little and only noise differs. Otherwise they are other
pictures of the same scene, which ``--group-by`` keeps together.

Thresholds were set on planted copies in one set of photographs and measured on another, and on solar cells, which are
all alike: see ``benchmarks/planted_duplicates.py`` and ``benchmarks/false_copies.py``.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import numpy as np

from headstart.arrays import Index, Rows
from headstart.audit.alignment import MINIATURE, PATCHES, Miniature, coarse, compare_miniatures, promising
from headstart.audit.clusters import Link, Measure, Move, copies
from headstart.audit.neighbours import Near, near
from headstart.audit.scenes import require_scenes
from headstart.features.rows import unit
from headstart.features.table import FeatureTable
from headstart.files import below
from headstart.images.decode import SQUARE
from headstart.images.folder import ImageSet
from headstart.images.threads import in_order
from headstart.images.transforms import View
from headstart.progress import Progress

MOST_COMPARED = 100_000
"""Pairs of small pictures that are laid on each other closely at most, at 2.8 ms of one core each. No set of up to
4,000 pictures has so many, and of photographs hardly any pair is looked at so closely (2,500 cats and dogs: 19,591
pairs at 0.3 ms). Of pictures that are all alike the nearest pairs are taken, and what is left is said."""
GLANCE = 2.5
"""Levels of 255 by which pictures that look alike may differ at 64 pixels to be compared at full size. Planted copies
have 2 at most; 9 in 10 pairs of solar cells that look alike have more."""
SERIES = 0.1, 20
"""Share of the pictures, and their number, beyond which pictures that look alike are called a series."""

# Measured on the same planted copies as the thresholds above.
_MAY_BE = 0.4  # cosine of centred features below which two pictures are not looked at; resized copies have 0.46
_LOOKS_LIKE = 0.5  # the same of coarse pixels; cropped copies have 0.7
_FEW = 100  # pictures below which the mean says little, and no neighbour is too far to be looked at
_PAIRS = 256
"""Pairs of small pictures that a thread compares at a time, in 80 MB at most. Of 14,600 pairs two threads compare 64 at
a time in 1.4 s, no faster than one thread does, 128 in 0.9, 256 in 0.7 and 512 in 0.6."""

Members = tuple[int, ...]

_PAIRS_SPACE = f"near copies 6|{MINIATURE.space(None)}"
"""Where pairs and series of a set of pictures are kept; whoever changes how they are found raises the number."""


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
    """Pictures that are copies of each other, each cluster in order."""
    series: tuple[Members, ...]
    """Many pictures that look alike, as those of one scene or of one machine do. Copies among them are in clusters too;
    the others are not treated as copies. Pictures that are all copies of each other are no series."""
    uncompared: int = 0
    """Pairs of pictures that may be copies and were not compared, because `MOST_COMPARED` were."""

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

    Memory: the features (n, d), 15 kB for each picture, and 80 MB for each core. Time: n² cosines of d and twice of 256
    numbers; of more than `neighbours.ALL_UP_TO` pictures n^1.5, unless most are so alike that they share a cell. At
    most 3 · `neighbours.NEIGHBOURS` · n pairs are compared, some `MOST_COMPARED` of them closely.
    """
    images = table.images
    exact, unique = _exact(images.digests)
    near, series, uncompared = _near_copies(table, size, unique)
    pairs = sorted(exact + near, key=lambda pair: (-pair.score, pair.first, pair.second))
    clusters = sorted(_linked([(pair.first, pair.second) for pair in pairs], len(images)))
    alike = sorted(_with_exact(members, images.digests) for members in series)
    return Duplicates(
        images=images,
        pairs=tuple(pairs),
        clusters=tuple(clusters),
        series=tuple(members for members in alike if members not in clusters),
        uncompared=uncompared,
    )


def _near_copies(table: FeatureTable, size: int, unique: Index) -> tuple[list[CopyPair], list[Members], int]:
    """Pairs of near copies among the pictures ``unique``, series, and how many pairs were not compared.

    For the same pictures they are found once.
    """
    contents = [table.images.digests[i] for i in unique]
    features = table.space(size).key(View.CENTRE, "last")
    these = hashlib.sha256("\n".join([features, *contents]).encode()).hexdigest()
    if (kept := table.bench.store.values(_PAIRS_SPACE, [these]).get(these)) is not None:
        found = json.loads(kept)
    else:
        progress = table.bench.progress
        in_features = _near_in_features(table.rows(size, "last", unique), progress)
        small = _miniatures(table, unique)
        pairs = _candidates(in_features, small, progress)
        with progress.stage("comparing small pictures", len(pairs)) as advance:
            alike, uncompared = _alike(small, pairs, advance)
        links = [link for link in alike if link.apart <= GLANCE]
        measure = Measure([table.images.paths[i] for i in unique], table.images.levels)
        with progress.stage("comparing copies at full size", len(links)) as advance:
            for done, _ in enumerate(in_order(measure.link, links), start=1):
                advance(done)
        near = [_pair(link) for link in copies(links, measure, refuted=[link for link in alike if link.apart > GLANCE])]
        series = _series([(link.first, link.second) for link in alike], len(unique))
        found = {"pairs": near, "series": series, "uncompared": uncompared}
        table.bench.store.keep(_PAIRS_SPACE, {these: json.dumps(found).encode()})
    copied = [CopyPair(**pair) for pair in found["pairs"]]
    at = unique.tolist()
    return (
        [replace(pair, first=at[pair.first], second=at[pair.second]) for pair in copied],
        [tuple(at[i] for i in members) for members in found["series"]],
        found["uncompared"],
    )


def _exact(digests: Sequence[str]) -> tuple[list[CopyPair], Index]:
    """Pairs of the same bytes, and the first picture of each content."""
    first: dict[str, int] = {}
    pairs = []
    for i, digest in enumerate(digests):
        if first.setdefault(digest, i) != i:
            pairs.append(CopyPair(first=first[digest], second=i, kind="exact", score=1.0, mirrored=False))
    return pairs, np.fromiter(first.values(), dtype=np.int64)


def _with_exact(members: Members, digests: Sequence[str]) -> Members:
    """The pictures ``members`` and those of the same bytes."""
    contents = {digests[i] for i in members}
    return tuple(i for i, digest in enumerate(digests) if digest in contents)


def _near_in_features(X: Rows, progress: Progress) -> Near:
    """Pairs of the rows X (n, d), which are overwritten, that their last layer says may be copies."""
    X -= X.mean(axis=0)
    rows = unit(X, out=X)
    return near(rows, rows, -1.0 if len(X) < _FEW else _MAY_BE, progress)


def _candidates(in_features: Near, small: Miniature, progress: Progress) -> Index:
    """Pairs (p, 2) of pictures that may be copies: near in their features or, upright or mirrored, in coarse pixels.

    Features know a copy among photographs, whatever was done to it; among pictures that are all alike, pixels do. The
    nearest pair of each picture comes before all second nearest ones, and so on; of those the nearest come first.
    """
    pixels = coarse(small)
    least = -1.0 if len(pixels) < _FEW else _LOOKS_LIKE
    centred = ((turned - pixels.mean(axis=0)).reshape(len(pixels), -1) for turned in (pixels, pixels[:, :, ::-1]))
    upright, mirrored = (unit(turned, out=turned) for turned in centred)
    del pixels  # 100 MB of 100,000 pictures
    found = [in_features, *(near(queries, upright, least, progress) for queries in (upright, mirrored))]
    pairs, ranks, cosines = (np.concatenate(parts) for parts in zip(*found, strict=True))
    pairs = pairs[np.lexsort((-cosines, ranks))]
    pairs = pairs[np.sort(np.unique(pairs, axis=0, return_index=True)[1])]
    return np.asarray(pairs[promising(small, pairs)])


def _alike(small: Miniature, pairs: Index, advance: Callable[[int], None]) -> tuple[list[Link], int]:
    """Those of the pairs (p, 2) of miniatures that look alike, those most alike first; how many were not compared."""
    links, closely, done = [], 0, 0
    parts = [pairs[start : start + _PAIRS] for start in range(0, len(pairs), _PAIRS)]
    with closing(in_order(partial(_compared, small), parts)) as compared:
        for part, (alike, of_part) in zip(parts, compared, strict=False):
            links += alike
            closely += of_part
            done += len(part)
            advance(done)
            if closely >= MOST_COMPARED:
                break
    return sorted(links, key=lambda link: (-link.score, link.first, link.second)), len(pairs) - done


def _compared(small: Miniature, pairs: Index) -> tuple[list[Link], int]:
    """Those of the pairs (p, 2) of miniatures that look alike, and how many were compared closely."""
    first, second = pairs.T
    agreement = compare_miniatures(*(Miniature(small.luminance[side], small.colour[side]) for side in (first, second)))
    links = [
        Link(
            first=int(first[row]),
            second=int(second[row]),
            score=float(agreement.detail[row]),
            move=Move.placed(agreement.placement[row], mirrored=bool(agreement.mirrored[row])),
            apart=float(agreement.apart[row]),
        )
        for row in np.flatnonzero(agreement.alike).tolist()
    ]
    return links, int(np.isfinite(agreement.colour).sum())


def _pair(link: Link) -> dict[str, Any]:
    """A near copy as JSON keeps it."""
    mirrored = link.move.placement()[1]
    return {"first": link.first, "second": link.second, "kind": "near", "score": link.score, "mirrored": mirrored}


def _series(links: Sequence[tuple[int, int]], n: int) -> list[Members]:
    """Pictures linked by likeness at 64 pixels into sets too large to be copies of one picture, among n."""
    share, least = SERIES
    return [members for members in _linked(links, n) if len(members) > max(share * n, least)]


def _miniatures(table: FeatureTable, index: Index) -> Miniature:
    """Of the pictures at ``index``; blank, and so a copy of nothing, where one cannot be read any more."""
    n = len(index)
    small = Miniature(np.zeros((n, SQUARE, SQUARE), np.uint8), np.zeros((n, PATCHES, PATCHES, 3), np.uint8))
    for i, data in enumerate(table.noted(MINIATURE, stage="looking for copies", index=index)):
        if data is not None:
            small.luminance[i], small.colour[i] = Miniature.unpacked(data)
    return small


def _linked(links: Sequence[tuple[int, int]], n: int) -> list[Members]:
    """Connected components among n pictures, those alone aside: the pictures of each in order."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    first, second = np.array(links, dtype=np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(links), np.int8), (first, second)), shape=(n, n))
    component_of = connected_components(graph, directed=False)[1].tolist()
    members: dict[int, set[int]] = defaultdict(set)
    for pair in links:
        members[component_of[pair[0]]].update(pair)
    return [tuple(sorted(each)) for each in members.values()]


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
