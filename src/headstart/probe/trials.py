"""Candidates for a head, measured out of fold on one sample of images, in the same folds."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from headstart.arrays import Floats, Index, Mask, Rows
from headstart.backbones.catalog import Backbone
from headstart.evaluation.calibration import softmax
from headstart.evaluation.losses import accuracy, mean_and_error
from headstart.features.table import FeatureTable
from headstart.files import plain
from headstart.images.splits import folds
from headstart.images.threads import in_order
from headstart.images.transforms import FEW_SHOT_VIEWS, View
from headstart.options import FitOptions
from headstart.probe.heads import Axes, Family, LinearHead, fit_family, principal_axes
from headstart.probe.path import Path, Splits, calibrated_by, simplest

SHRUNK_LDA_UP_TO = 1_000
"""Images up to which shrunk LDA is a candidate; what it loses or gains around there: ``benchmarks/probe.py``."""
LEAST_SCREENED = 20
"""Images of each class in a screening sample, so that each of five folds tests four. Chosen, not measured."""
MOST_SCREENED = 0.7
"""Share of the images from which a screening sample would save too little to be drawn. Chosen, not measured: a dearer
candidate that wins is computed for the rest all the same."""

ANSWERS = 1_500
"""Answers that rounds of cross-validation may add up to. Chosen for its cost: rounds average out the luck of the folds
alone, and leave the spread between images, which most of an interval comes from."""
ANSWERED = 20_000
"""The same times classes. Chosen for its cost too."""
MOST_ROUNDS = 5
"""Of cross-validation. Chosen, not measured: it bounds the cost on few images."""
MANY_ANSWERS = 100_000
"""Images times classes from which half as many folds do. Chosen for its cost, which grows with all three."""

MOST_ROWS = 1_000
"""Rows that views of few images may add up to; of more than half as many images one view has to do. Chosen for its
cost, some ten seconds of features on two cores."""
MOST_MEMORY = 1_000_000_000
"""Bytes that the rows of a candidate may take: all depths of some 40,000 images. Chosen: they are held twice, as they
are and on their principal axes, and a run is to stay below 3 GB. The last layer is always tried."""


@dataclass(frozen=True, kw_only=True)
class ProbeOptions:
    """What `headstart.probe.choice.choose` may try."""

    sizes: tuple[int, ...]
    """Input sizes in pixels, cheapest first."""
    seed: int = 0
    """Of the folds and of the screening sample."""
    n_splits: int = 10
    """Folds of the cross-validation."""
    balanced: bool = False
    """Weight the loss so that every class counts the same, as scikit-learn's ``class_weight="balanced"``."""
    enough: float = 0.02
    """Out-of-fold error, as a share, up to which dearer candidates are not looked at; see ``benchmarks/probe.py``."""
    screen: int = 500
    """About how many images a dearer candidate is first tried on; see ``benchmarks/probe.py``."""
    few: int = 16
    """Up to so many images in the smallest class, up to six views of each are tried as training rows; measured too."""

    @classmethod
    def of(cls, options: FitOptions, backbone: Backbone) -> ProbeOptions:
        """What ``options`` leave to be tried; sizes that they do not name are the backbone's own."""
        balanced = options.class_weight == "balanced"
        return cls(sizes=options.sizes or backbone.sizes, seed=options.random_state, balanced=balanced)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One way to turn images into logits, up to the regularisation strength."""

    size: int
    output: str
    family: Family
    views: tuple[View, ...] = (View.CENTRE,)

    def __str__(self) -> str:
        depth = "last layer" if self.output == "last" else "all depths"
        views = f", {len(self.views)} views" if len(self.views) > 1 else ""
        return f"{self.size} px, {depth}{views}, {self.family}"


@dataclass(frozen=True, kw_only=True)
class Score:
    """Out-of-fold result of a candidate at its chosen strength, on n images."""

    candidate: Candidate
    strength: float
    temperature: float
    losses: Floats
    """(n,) log-loss of each picture, calibrated; the mean over rounds."""
    accuracy: float
    """Share of the images; the mean over rounds."""
    proba: Floats = field(repr=False)
    """(n, k) calibrated probabilities, each image's from heads that were not fitted on it: the mean over rounds."""
    standard_error: float
    screened: bool = False
    """True where it was measured on the screening sample only."""

    @property
    def log_loss(self) -> float:
        """Mean over the images, in nats."""
        return float(self.losses.mean())

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, without what was measured image by image."""
        rest = plain(self, "log_loss", "standard_error", "accuracy", n=len(self.losses), screened=self.screened)
        return {"candidate": str(self.candidate), **rest}


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Images of a table with their labels, groups and folds."""

    index: Index
    y: Index
    groups: Index
    rounds: tuple[Splits, ...] = field(repr=False)
    """Folds, dealt anew in each round."""
    num_classes: int

    @classmethod
    def of(cls, table: FeatureTable, index: Index, options: ProbeOptions) -> Sample:
        """The images ``index`` (n,) of the table, in folds and rounds as the options and their number say."""
        y, groups, classes = table.images.y[index], table.images.groups[index], table.images.classes
        n_splits = options.n_splits if len(index) * len(classes) <= MANY_ANSWERS else options.n_splits // 2
        rounds = tuple(
            folds(y, groups, n_splits=n_splits, seed=options.seed + 1_000 * number, classes=classes)
            for number in range(rounds_for(len(index), len(classes)))
        )
        return cls(index=index, y=y, groups=groups, rounds=rounds, num_classes=len(classes))

    def part(self, keep: Mask) -> Sample:
        """The images where ``keep`` holds, in the same folds."""
        position = np.cumsum(keep) - 1
        rounds = tuple([(position[a[keep[a]]], position[b[keep[b]]]) for a, b in splits] for splits in self.rounds)
        return replace(self, index=self.index[keep], y=self.y[keep], groups=self.groups[keep], rounds=rounds)


@dataclass(frozen=True, kw_only=True)
class Trail:
    """Out-of-fold logits of one candidate at each strength, every image's from a head that was not fitted on it."""

    candidate: Candidate
    strengths: tuple[float, ...]
    """Rising, from simple to flexible."""
    logits: Rows = field(repr=False)
    """(s, rounds, n, k), not calibrated."""
    temperatures: tuple[float, ...]
    """(s,) that calibrate them."""
    losses: tuple[Floats, ...] = field(repr=False)
    """(n,) log-loss of each image then, by strength; the mean over rounds."""
    sample: Sample = field(repr=False)
    """The n images."""
    screened: bool = False
    """True where these are the screening sample only."""

    @cached_property
    def overall(self) -> Score:
        """The result at the strongest regularisation within one standard error of the best."""
        sample, at = self.sample, simplest(self.losses, self.sample.groups)
        proba = softmax(self.logits[at], self.temperatures[at])
        return Score(
            candidate=self.candidate,
            strength=self.strengths[at],
            temperature=self.temperatures[at],
            losses=self.losses[at],
            accuracy=accuracy(proba, sample.y),
            proba=proba.mean(axis=0),
            standard_error=mean_and_error(self.losses[at], sample.groups)[1],
            screened=self.screened,
        )

    def chosen_by(self, keep: Mask) -> list[Chosen]:
        """The strength and the temperature that each set of images, told by ``keep`` (m, n), would choose alone."""
        temperatures, losses = zip(*(calibrated_by(of, self.sample.y, keep) for of in self.logits), strict=True)
        chosen = []
        for number, images in enumerate(keep):
            at = simplest([of[number, images] for of in losses], self.sample.groups[images])
            chosen.append(Chosen(self, at, float(temperatures[at][number]), losses[at][number]))
        return chosen


@dataclass(frozen=True)
class Chosen:
    """A place along a trail."""

    trail: Trail
    at: int
    """Number of the strength."""
    temperature: float
    losses: Floats
    """(n,) log-loss of each image there; the mean over rounds."""

    def answers(self, number: int, part: Index) -> Floats:
        """Probabilities (m, k) of the images ``part`` (m,) in round ``number``."""
        return softmax(self.trail.logits[self.at, number, part], self.temperature)


def rounds_for(n: int, num_classes: int) -> int:
    """How often n images are dealt to folds: five times up to 300 of few classes, once above 750."""
    return int(np.clip(min(ANSWERS, ANSWERED // num_classes) // max(n, 1), 1, MOST_ROUNDS))


class Trials:
    """Candidates measured out of fold on one sample of images, in the same folds."""

    def __init__(self, table: FeatureTable, sample: Sample, options: ProbeOptions, *, screened: bool = False) -> None:
        self.table, self.sample, self.options, self.screened = table, sample, options, screened
        self._kept: dict[tuple[object, ...], Axes] = {}

    def cheap(self) -> list[Candidate]:
        """The last layer at the base size."""
        families: list[Family] = ["nearest mean", *self._families()]
        return [Candidate(size=self.options.sizes[0], output="last", family=family) for family in families]

    def dear(self) -> list[list[Candidate]]:
        """All depths at the base size and, where images are few, more views: rungs from cheap to dear."""
        size, families = self.options.sizes[0], self._families()
        rungs = [[Candidate(size=size, output="depths", family=family) for family in families]]
        views = FEW_SHOT_VIEWS[: MOST_ROWS // len(self.sample.index)]
        if len(views) > 1 and np.bincount(self.sample.y).min() <= self.options.few:
            rungs.append([replace(candidate, output="last", views=views) for candidate in rungs[0]])
        return rungs

    def at(self, size: int) -> list[Candidate]:
        """The last layer and, unless that takes too much memory, all depths at a larger size."""
        everything = [Candidate(size=size, output=o, family=f) for o in ("last", "depths") for f in self._families()]
        return [each for each in everything if each.output == "last" or self.memory(each) <= MOST_MEMORY]

    def memory(self, candidate: Candidate) -> int:
        """Bytes that the rows of a candidate take."""
        width = self.table.space(candidate.size).runtime.widths[candidate.output]
        return len(candidate.views) * len(self.sample.index) * width * np.dtype(np.float32).itemsize

    def _families(self) -> list[Family]:
        """Logistic regression, and before it shrunk LDA for up to `SHRUNK_LDA_UP_TO` images."""
        few: list[Family] = ["shrunk LDA", "logistic regression"]
        return few if len(self.sample.index) <= SHRUNK_LDA_UP_TO else few[1:]

    @cached_property
    def screening(self) -> Trials | None:
        """Trials on a part of the images; None where there are too few for a part to be worth it.

        The part holds at least `LEAST_SCREENED` of each class. An image's place in the queue is a hash of its bytes and
        the seed, so the part of a part of the images lies within the part of all, and features are computed for no
        others.
        """
        images, seed = self.table.images, self.options.seed
        train = images.in_split("train")
        place = {i: hashlib.sha256(f"{seed} {images.digests[i]}".encode()).digest() for i in train.tolist()}
        chosen: set[int] = set()
        for label in range(self.sample.num_classes):
            members = sorted((i for i in place if images.y[i] == label), key=place.__getitem__)
            chosen.update(members[: max(LEAST_SCREENED, round(self.options.screen * len(members) / len(train)))])
        keep = np.array([int(i) in chosen for i in self.sample.index])
        if keep.mean() >= MOST_SCREENED:
            return None
        return Trials(self.table, self.sample.part(keep), self.options, screened=True)

    def trails(self, candidates: Sequence[Candidate]) -> Iterator[Trail]:
        """The trail of each candidate, in order, several at a time."""
        for candidate in candidates:  # rows are computed here, where that can be interrupted
            self._axes(candidate)
        return in_order(self.trail, candidates)

    def trail(self, candidate: Candidate, strength: float | None = None) -> Trail:
        """Out-of-fold logits of a candidate at one ``strength``, or at those that its path was searched at."""
        sample = self.sample
        path = Path(
            candidate.family,
            self._axes(candidate),
            sample.y,
            sample.groups,
            sample.rounds,
            num_classes=sample.num_classes,
            balanced=self.options.balanced,
            spread=self.table.bench.spread,
        )
        if strength is None:
            path.search()
        else:
            path.look((strength,))
        strengths = tuple(sorted(path.logits))
        return Trail(
            candidate=candidate,
            strengths=strengths,
            logits=np.stack([path.logits[strength] for strength in strengths]),
            temperatures=tuple(path.temperatures[strength] for strength in strengths),
            losses=tuple(path.losses[strength] for strength in strengths),
            sample=sample,
            screened=self.screened,
        )

    def fit(self, score: Score) -> LinearHead:
        """The candidate of ``score``, fitted on all images of the sample."""
        candidate, axes = score.candidate, self._axes(score.candidate)
        _, W, b = next(
            fit_family(
                candidate.family,
                axes,
                np.tile(self.sample.y, len(candidate.views)),
                rows=np.ones((1, len(axes.Z)), bool),
                num_classes=self.sample.num_classes,
                balanced=self.options.balanced,
                strengths=(score.strength,),
                tolerance=1e-4,
            )
        )
        weight, bias = axes.unproject(W[0], b[0])
        return LinearHead(weight=weight.astype(np.float32), bias=bias.astype(np.float32), temperature=score.temperature)

    def _axes(self, candidate: Candidate) -> Axes:
        """The candidate's features in their principal axes, which families share; those of two candidates are kept."""
        key = (candidate.size, candidate.output, candidate.views)
        if key not in self._kept:
            if len(self._kept) > 1:  # give memory back before asking for as much again
                self._kept.pop(next(iter(self._kept)))
            rows = self.table.rows(candidate.size, candidate.output, self.sample.index, candidate.views)
            self._kept[key] = principal_axes(rows)
        return self._kept[key]
