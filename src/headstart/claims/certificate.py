"""Does transfer help here? The pretrained features against what they must beat, all with the same head and folds.

The rivals are the most frequent class, the colours of the picture without any network, and the same network with random
weights, which has the architecture and the input size but has learned nothing. Every one is judged by cross-validation
with the same ridge head (:mod:`headstart.claims.ridge`) in the same folds, and compared picture by picture by an exact
sign-flip test, McNemar's where there are no groups and no repeats.

"Helps" is said only if the pretrained features beat all three, each at the 5 % level (an intersection–union test, which
needs no correction; Berger 1982). "Hurts" is said if the untrained network beats them and everything else. A small
sample cannot prove a small difference, and then the answer is "does not help" with the interval that says how much is
still possible.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from headstart.backbones.depths import by_depth
from headstart.claims.colour_histogram import colours
from headstart.claims.ridge import out_of_fold
from headstart.evaluation.intervals import Estimate, Size, Units, t_quantile
from headstart.evaluation.paired import sign_flip
from headstart.features.table import FeatureTable
from headstart.images.splits import folds

ENOUGH_PICTURES = 500
ALPHA = 0.05
ALPHA_HURTS = 0.01  # "hurts" is the rarer case, so it takes more to believe it

Index = NDArray[np.int64]
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
        """Whether the pretrained features are better for sure."""
        return self.value > 0 and self.p < ALPHA

    @property
    def worse(self) -> bool:
        """Whether they are worse for sure."""
        return self.value < 0 and self.p < ALPHA


@dataclass(frozen=True, kw_only=True)
class Rival:
    """What the pretrained features must beat."""

    kind: RivalKind
    name: str
    accuracy: Estimate
    difference: Difference


@dataclass(frozen=True, kw_only=True)
class Depth:
    """What one depth of the network knows, pretrained and with random weights."""

    name: str
    accuracy: Estimate
    untrained: Estimate
    difference: Difference


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """Whether transfer helps, how much, and against what."""

    verdict: Verdict
    n: int
    chosen: Estimate
    """Accuracy of the pretrained features of the chosen size and depth, with the ridge head."""
    features: str
    """Which these are, in words."""
    rivals: tuple[Rival, ...]
    depths: tuple[Depth, ...]
    folds: int
    repeats: int

    @property
    def best_rival(self) -> Rival:
        """The one with the highest accuracy."""
        return max(self.rivals, key=lambda rival: rival.accuracy.value)

    @property
    def best_depth(self) -> Depth | None:
        """The depth with the highest accuracy; None where depths were not looked at."""
        return max(self.depths, key=lambda depth: depth.accuracy.value, default=None)

    @property
    def sentences(self) -> tuple[str, ...]:
        """The verdict in words, the evidence, and what it means."""
        best, gap = self.best_rival, self.best_rival.difference
        low, high = sorted((abs(gap.low), abs(gap.high)))
        amount = f"{abs(100 * gap.value):.1f} points (95 % interval {100 * low:.1f} to {100 * high:.1f})"
        against = {
            "majority": "always answering the most frequent class",
            "colour": "the colours of the pictures alone",
            "random": "the same network with random weights",
        }[best.kind]
        if self.verdict == "helps":
            said = f"Pretraining helps here: {amount} more accurate than {against}, the best of three rivals."
            return (said, *self._depth_sentences())
        if self.verdict == "hurts":
            said = f"Pretraining hurts here: {against} is {amount} more accurate."
            return (f"{said} Train the whole network, or begin with another one.", *self._depth_sentences())
        if gap.worse:
            said = f"Pretraining does not help here: {against} gives an accuracy higher by {amount}."
            said = said.replace("alone gives", "alone give")
            simple = "" if best.kind == "random" else " No network is needed for these labels."
            return (said + simple, *self._untrained_sentence())
        unbeaten = " or ".join(rival.name for rival in self.rivals if not rival.difference.better)
        return (
            f"Pretraining does not help here, as far as {self.n} pictures can show: it cannot be told from {unbeaten}.",
            f"Against {against} the difference is {100 * gap.value:+.1f} points (95 % interval {100 * gap.low:+.1f} to "
            f"{100 * gap.high:+.1f}).",
            *self._untrained_sentence(),
        )

    def _untrained_sentence(self) -> tuple[str, ...]:
        untrained = next(rival for rival in self.rivals if rival.kind == "random")
        if untrained.difference.worse:
            return ("Even random weights do better: what was learned on other pictures throws away what counts here.",)
        return ()

    def _depth_sentences(self) -> tuple[str, ...]:
        best = self.best_depth
        if best is None or len(self.depths) < 2:
            return ()
        last = self.depths[-1]
        if best is last:
            return (f"The deeper the better: the last depth, {last.name}, knows most ({best.accuracy.value:.1%}).",)
        return (
            f"Of single depths, {best.name} knows most ({best.accuracy.value:.1%}); the last, {last.name}, "
            f"{last.accuracy.value:.1%}.",
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "verdict": self.verdict,
            "sentences": list(self.sentences),
            "n": self.n,
            "folds": self.folds,
            "repeats": self.repeats,
            "pretrained": {"features": self.features, **self.chosen.to_dict()},
            "rivals": [
                {
                    "kind": one.kind,
                    "name": one.name,
                    **one.accuracy.to_dict(),
                    "difference": vars(one.difference).copy(),
                }
                for one in self.rivals
            ],
            "depths": [
                {
                    "name": one.name,
                    "pretrained": one.accuracy.to_dict(),
                    "untrained": one.untrained.to_dict(),
                    "difference": vars(one.difference).copy(),
                }
                for one in self.depths
            ],
        }


def subsample(
    index: Index, y: Index, groups: Index, digests: Sequence[str], *, seed: int, most: int = ENOUGH_PICTURES
) -> Index:
    """At most ``most`` of the pictures ``index``, stratified, whole groups; the same ones for the same seed.

    ``y``, ``groups`` and ``digests`` are those of all pictures. A picture's place in the queue is a hash of the seed
    and of the bytes of its group's first picture, so it does not depend on the order of the folder.
    """
    if len(index) <= most:
        return index
    lowest: dict[int, str] = {}
    for i in index.tolist():
        lowest[int(groups[i])] = min(digests[i], lowest.get(int(groups[i]), "g"))
    place = {g: hashlib.sha256(f"certificate {seed} {digest}".encode()).digest() for g, digest in lowest.items()}
    chosen: list[int] = []
    for c in np.unique(y[index]):
        members = [int(i) for i in index if y[i] == c]
        members.sort(key=lambda i: (place[int(groups[i])], i))
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
    """Judge the features of input ``size`` and ``output`` on (a sample of) the pictures ``index`` of both tables.

    ``untrained`` is a table of the same pictures and the same network with random weights; ``channels`` are those of
    its ``depths`` (`headstart.backbones.depths`), without which single depths are not looked at.
    """
    images = pretrained.images
    sample = subsample(index, images.y, images.groups, images.digests, seed=seed)
    depths: dict[str, tuple[NDArray[np.floating], NDArray[np.floating]]] = {}
    if channels:
        trained, random = (by_depth(table.rows(size, "depths", sample), channels) for table in (pretrained, untrained))
        depths = {name: (trained[name], random[name]) for name in trained}
    return certify(
        pretrained.rows(size, output, sample),
        untrained.rows(size, output, sample),
        colours([images.paths[i] for i in sample]),
        images.y[sample],
        images.groups[sample],
        features=f"{'last layer' if output == 'last' else 'all depths'} at {size} pixels",
        seed=seed,
        depths=depths,
    )


def certify(
    pretrained: NDArray[np.floating],
    untrained: NDArray[np.floating],
    colour: NDArray[np.floating],
    y: Index,
    groups: Index,
    *,
    features: str,
    seed: int,
    depths: Mapping[str, tuple[NDArray[np.floating], NDArray[np.floating]]] | None = None,
    n_splits: int = 5,
) -> Certificate:
    """Judge the pretrained features of n pictures against their rivals.

    ``pretrained`` and ``untrained`` (n, d): the same output of the same network, with pretrained and with random
    weights; ``colour`` (n, m). ``y`` (n,) classes from 0, ``groups`` (n,) pictures that stay together. ``depths``: for
    each depth, from shallow to deep, its pretrained and its untrained features. Raises DataError where not even two
    folds can be made.
    """
    repeats = int(np.clip(ENOUGH_PICTURES // max(len(y), 1), 1, 3))
    rounds = [folds(y, groups, n_splits=n_splits, seed=seed + 101 + repeat) for repeat in range(repeats)]
    units = Units.of(len(y), groups)

    def hits(X: NDArray[np.floating]) -> Index:
        return np.asarray(np.sum([out_of_fold(X, y, groups, splits) == y for splits in rounds], axis=0))

    def most_frequent() -> Index:
        answers = [np.empty(len(y), dtype=np.int64) for _ in rounds]
        for answer, splits in zip(answers, rounds, strict=True):
            for train, test in splits:
                answer[test] = np.bincount(y[train]).argmax()
        return np.asarray(np.sum([answer == y for answer in answers], axis=0))

    pairs = list((depths or {}).values())
    features_of = [pretrained, colour, untrained, *(X for pair in pairs for X in pair)]
    # Side by side, one core each: decompositions of this size gain little from a second core.
    with ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="ridge") as pool, threadpool_limits(1, "blas"):
        chosen, of_colour, of_random, *by_pair = pool.map(hits, features_of)
    found: dict[RivalKind, tuple[str, Index]] = {
        "majority": ("the most frequent class", most_frequent()),
        "colour": ("colours alone", of_colour),
        "random": ("random weights", of_random),
    }
    rivals = tuple(
        Rival(
            kind=kind,
            name=name,
            accuracy=_accuracy(own, repeats, units),
            difference=difference(chosen, own, repeats, units),
        )
        for kind, (name, own) in found.items()
    )
    looked_at = []
    for name, one, other in zip(depths or {}, by_pair[::2], by_pair[1::2], strict=True):
        looked_at.append(
            Depth(
                name=name,
                accuracy=_accuracy(one, repeats, units),
                untrained=_accuracy(other, repeats, units),
                difference=difference(one, other, repeats, units),
            )
        )
    return Certificate(
        verdict=_verdict({kind: own for kind, (_, own) in found.items()}, chosen, repeats, units),
        n=len(y),
        chosen=_accuracy(chosen, repeats, units),
        features=features,
        rivals=rivals,
        depths=tuple(looked_at),
        folds=len(rounds[0]),
        repeats=repeats,
    )


def difference(hits: Index, other: Index, repeats: int, units: Units) -> Difference:
    """Compare how often in ``repeats`` each picture (n,) was answered right by one and by the other.

    The interval adds two pictures that differ, one in favour of each, before taking the usual one, so that no
    difference in the sample is not certainty (Agresti and Min, "Simple improved confidence intervals for comparing
    matched proportions", 2005); pictures of one group count as one draw.
    """
    n = len(hits)
    gaps = (hits - other) / repeats
    value = float(gaps.mean())
    spread = units.variance((gaps - value) / n) * n**2 + 2.0
    shrunk, error = float(gaps.sum()) / (n + 2), math.sqrt(spread) / (n + 2)
    t = t_quantile(math.inf if units.alone else units.count - 1)
    whole = np.bincount(units.codes, weights=hits - other, minlength=units.count)
    return Difference(
        value=value,
        low=max(-1.0, min(shrunk - t * error, value)),
        high=min(1.0, max(shrunk + t * error, value)),
        p=sign_flip(np.rint(whole).astype(np.int64)),
    )


def _verdict(found: Mapping[RivalKind, Index], chosen: Index, repeats: int, units: Units) -> Verdict:
    against = {kind: difference(chosen, own, repeats, units) for kind, own in found.items()}
    if all(one.better for one in against.values()):
        return "helps"
    untrained = [difference(found["random"], own, repeats, units) for kind, own in found.items() if kind != "random"]
    worse = against["random"].worse and against["random"].p < ALPHA_HURTS
    return "hurts" if worse and all(one.better and one.p < ALPHA_HURTS for one in untrained) else "does not help"


def _accuracy(hits: Index, repeats: int, units: Units) -> Estimate:
    n, share = len(hits), hits / repeats
    value = float(share.mean())
    return units.share(value, (share - value) / n, [Size(n, units.count)], n=n)
