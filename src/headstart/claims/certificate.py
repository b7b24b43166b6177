"""Does transfer help here? The pretrained features against three rivals, all with the same head and folds.

The rivals are the most frequent class, the colours of the picture without any network, and the same network with random
weights. Each is measured by cross-validation with the same ridge head (`headstart.claims.colour_baseline`) in the same
folds, and compared picture by picture by an exact sign-flip test, McNemar's where there are no groups and no repeats.

The verdict is "helps" only if the pretrained features beat all three, each at the 5 % level (an intersection–union
test, which needs no correction; Berger 1982), and "hurts" if the untrained network beats them and the other rivals. A
small sample cannot prove a small difference; then the verdict is "does not help", and the interval of the difference
says how much is still possible. `headstart.report.certificate` says it in words.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from headstart.arrays import Index, Labels
from headstart.backbones.runtime import by_depth
from headstart.claims.colour_baseline import COLOURS, histograms, out_of_fold
from headstart.evaluation.intervals import Estimate, Units
from headstart.evaluation.paired import ALPHA, paired_difference, sign_flip
from headstart.features.table import FeatureTable
from headstart.files import plain
from headstart.images.splits import folds
from headstart.images.threads import in_order

ENOUGH_PICTURES = 300
"""Pictures that are compared at most: the interval of a difference of two such accuracies is some 6 points wide. Chosen
for its cost, seconds of an untrained network on two cores."""
MOST_REPEATS = 3
"""Rounds of folds, for as long as rounds × pictures stay within ENOUGH_PICTURES: they even out how folds fell. Chosen
for its cost."""
ALPHA_HURTS = 0.01
"""Level of "hurts", which is the rarer case and takes more to be believed. Chosen, fixed in advance; harmless, as
"does not help" is said in its place."""

Features = NDArray[np.floating]
Rounds = Sequence[Sequence[tuple[NDArray[np.intp], NDArray[np.intp]]]]
Verdict = Literal["helps", "does not help", "hurts"]
RivalKind = Literal["majority", "colour", "random"]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Accuracy of the pretrained features less that of a rival, on the same pictures, with its 95 % interval."""

    value: float
    low: float
    high: float
    p: float
    """Two-sided, that the two are equally accurate."""

    @property
    def better(self) -> bool:
        """Whether the pretrained features are better, at ALPHA."""
        return self.value > 0 and self.p < ALPHA

    @property
    def worse(self) -> bool:
        """Whether they are worse, at ALPHA."""
        return self.value < 0 and self.p < ALPHA


@dataclass(frozen=True, kw_only=True)
class Rival:
    """What the pretrained features must beat: the most frequent class, colours alone, or random weights."""

    kind: RivalKind
    accuracy: Estimate
    difference: Difference

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {"kind": self.kind, **self.accuracy.to_dict(), **plain(self, "difference")}


@dataclass(frozen=True, kw_only=True)
class Depth:
    """Accuracy of the features of one depth of the network, pretrained and with random weights."""

    name: str
    pretrained: Estimate
    untrained: Estimate
    difference: Difference


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """Whether transfer helps, how much, and against what."""

    verdict: Verdict
    n: int
    """Pictures compared."""
    chosen: Estimate
    """Accuracy of the pretrained features of the chosen size and depth, with the ridge head."""
    size: int
    """Input size of these features, in pixels."""
    output: str
    """Their kind: ``last``, or ``depths`` for all depths together."""
    rivals: tuple[Rival, ...]
    depths: tuple[Depth, ...]
    """From shallow to deep; empty where single depths were not looked at."""
    folds: int
    repeats: int
    """Rounds of cross-validation."""

    @property
    def best_rival(self) -> Rival:
        """The one with the highest accuracy."""
        return max(self.rivals, key=lambda rival: rival.accuracy.value)

    @property
    def best_depth(self) -> Depth | None:
        """The depth with the highest accuracy; None where depths were not looked at."""
        return max(self.depths, key=lambda depth: depth.pretrained.value, default=None)


def subsample(index: Index, y: Labels, groups: Index, digests: Sequence[str], *, most: int = ENOUGH_PICTURES) -> Index:
    """At most ``most`` of the pictures ``index``, stratified, whole groups; always the same ones.

    ``y``, ``groups`` and ``digests`` (n,) are those of all pictures. Pictures are taken in the order of a hash of the
    lowest digest in their group, which depends neither on the order of the folder nor on the seed of the run: so what
    an untrained network makes of them, which takes longest, is computed once.
    """
    if len(index) <= most:
        return index
    lowest: dict[int, str] = {}
    of_group = groups.tolist()
    for i in index.tolist():
        lowest[of_group[i]] = min(digests[i], lowest.get(of_group[i], "g"))
    place = {g: hashlib.sha256(f"certificate {digest}".encode()).digest() for g, digest in lowest.items()}
    chosen: list[int] = []
    for c in np.unique(y[index]):
        members = sorted(index[y[index] == c].tolist(), key=lambda i: (place[of_group[i]], i))
        chosen += members[: max(4, round(most * len(members) / len(index)))]
    return np.array(sorted(chosen), dtype=np.int64)


def transfer_certificate(
    pretrained: FeatureTable,
    untrained: FeatureTable,
    index: Index,
    *,
    size: int,
    output: str,
    channels: Sequence[tuple[str, int]] = (),
    seed: int,
) -> Certificate:
    """Compare the features of input ``size`` and ``output`` on (a sample of) the pictures ``index`` of both tables.

    ``untrained`` is a table of the same pictures and the same network with random weights; ``channels`` are those of
    its ``depths`` (see `headstart.backbones.space.NetworkSpec`), without which single depths are not looked at.
    """
    images = pretrained.images
    sample = subsample(index, images.y, images.groups, images.digests)
    trained, random = (
        by_depth(table.rows(size, "depths", sample), channels) if channels else {} for table in (pretrained, untrained)
    )
    return certify(
        pretrained.rows(size, output, sample),
        untrained.rows(size, output, sample),
        histograms(pretrained.noted(COLOURS, stage="colours", index=sample)),
        images.y[sample],
        images.groups[sample],
        size=size,
        output=output,
        seed=seed,
        depths={name: (trained[name], random[name]) for name in trained},
    )


def certify(
    pretrained: Features,
    untrained: Features,
    colour: Features,
    y: Labels,
    groups: Index,
    *,
    size: int,
    output: str,
    seed: int,
    depths: Mapping[str, tuple[Features, Features]],
) -> Certificate:
    """Compare the pretrained features of n pictures with their rivals.

    ``pretrained`` and ``untrained`` (n, d): the same ``output`` of the same network at input ``size``, with pretrained
    and with random weights; ``colour`` (n, m). ``y`` (n,) classes from 0, ``groups`` (n,) pictures that stay together.
    ``depths``: for each depth, from shallow to deep, its pretrained and its untrained features. Raises DataError where
    not even two folds can be made.
    """
    repeats = int(np.clip(ENOUGH_PICTURES // max(len(y), 1), 1, MOST_REPEATS))
    rounds = [folds(y, groups, seed=seed + 101 + repeat) for repeat in range(repeats)]
    units = Units.of(len(y), groups)
    features = [pretrained, colour, untrained, *(X for pair in depths.values() for X in pair)]
    chosen, of_colour, of_random, *of_depths = _hits_of(features, y, groups, rounds)
    hits: dict[RivalKind, Index] = {"majority": _majority_hits(y, rounds), "colour": of_colour, "random": of_random}
    gaps = {kind: difference(chosen, own, repeats, units) for kind, own in hits.items()}
    untrained_gaps = [difference(of_random, hits[kind], repeats, units) for kind in gaps if kind != "random"]

    def accuracy(answered: Index) -> Estimate:
        return units.mean_share(answered / repeats)

    return Certificate(
        verdict=_verdict(gaps, untrained_gaps),
        n=len(y),
        chosen=accuracy(chosen),
        size=size,
        output=output,
        rivals=tuple(Rival(kind=kind, accuracy=accuracy(hits[kind]), difference=gap) for kind, gap in gaps.items()),
        depths=tuple(
            Depth(name=name, pretrained=accuracy(a), untrained=accuracy(b), difference=difference(a, b, repeats, units))
            for name, a, b in zip(depths, of_depths[::2], of_depths[1::2], strict=True)
        ),
        folds=len(rounds[0]),
        repeats=repeats,
    )


def _hits_of(features: Sequence[Features], y: Labels, groups: Index, rounds: Rounds) -> list[Index]:
    """For each kind of features (n, d): in how many rounds each picture was answered right out of fold, (n,)."""

    def hits(X: Features) -> Index:
        return np.asarray(np.sum([out_of_fold(X, y, groups, splits) == y for splits in rounds], axis=0))

    return list(in_order(hits, features))


def _majority_hits(y: Labels, rounds: Rounds) -> Index:
    """The same for always giving the class that is most frequent in the training part."""
    hits = np.zeros(len(y), np.int64)
    for splits in rounds:
        for train, test in splits:
            hits[test] += np.bincount(y[train]).argmax() == y[test]
    return hits


def difference(hits: Index, other: Index, repeats: int, units: Units) -> Difference:
    """Compare how often in ``repeats`` each picture (n,) was answered right by the one and by the other.

    The interval is that of `paired_difference`; the test is exact, with pictures of one group flipped together.
    """
    gap = paired_difference(hits / repeats, other / repeats, units)
    whole = np.bincount(units.codes, weights=hits - other, minlength=units.count)
    return Difference(value=gap.value, low=gap.low, high=gap.high, p=sign_flip(np.rint(whole).astype(np.int64)))


def _verdict(gaps: Mapping[RivalKind, Difference], untrained: Sequence[Difference]) -> Verdict:
    """From the lead of the pretrained features over each rival, and that of the untrained ones over the other two."""
    if all(gap.better for gap in gaps.values()):
        return "helps"
    worse = gaps["random"].worse and gaps["random"].p < ALPHA_HURTS
    return "hurts" if worse and all(gap.better and gap.p < ALPHA_HURTS for gap in untrained) else "does not help"
