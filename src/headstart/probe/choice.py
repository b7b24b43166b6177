"""Choose a head on frozen features: which input size, which depths, which family, how strongly regularised.

:func:`choose` is the whole procedure, from a set of pictures to a head. It looks at nothing but the pictures it is
given, so that :func:`nested_proba` can repeat it inside every outer fold and the outcome is an honest estimate of
what the procedure, choices included, achieves on pictures it has not seen (Cawley and Talbot 2010).

The candidates are ordered from cheap to dear. A dearer one is looked at only while there is an error worth removing,
first on a part of the pictures, and takes over only if its out-of-fold log-loss is lower by more than one standard
error of the paired difference (the one-standard-error rule of Breiman et al. 1984, on differences).
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from headstart.evaluation.calibration import fit_temperature, softmax
from headstart.features.table import FeatureTable
from headstart.images.splits import folds
from headstart.images.transforms import FEW_SHOT_VIEWS, View
from headstart.probe.heads import C_PATH, Family, Fit, LinearHead, fit_family
from headstart.probe.logistic import Axes, principal_axes

Index = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class ProbeOptions:
    """What :func:`choose` may try."""

    sizes: tuple[int, ...]
    """Input sizes in pixels, cheapest first."""
    seed: int = 0
    """Of the folds and of the screening sample."""
    n_splits: int = 5
    """Folds of the inner and of the outer cross-validation."""
    balanced: bool = False
    """Weight the loss so that every class counts the same, as scikit-learn's ``class_weight="balanced"``."""
    enough: float = 0.02
    """Out-of-fold error below which dearer candidates are not looked at."""
    screen: int = 500
    """About how many pictures a dearer candidate is first tried on."""
    few: int = 16
    """Up to this many pictures in the smallest class, six views of each are tried as training rows."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One way to turn pictures into logits, up to the regularisation strength."""

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
    """Out-of-fold result of a candidate at its chosen strength, on n pictures."""

    candidate: Candidate
    strength: float
    temperature: float
    losses: NDArray[np.float64]
    """(n,) log-loss of each picture, calibrated."""
    correct: NDArray[np.bool_]
    proba: NDArray[np.float64] = field(repr=False)
    """(n, k) calibrated probabilities, each picture's from a head that was not fitted on it."""
    standard_error: float
    screened: bool = False
    """True where it was measured on the screening sample only."""

    @property
    def log_loss(self) -> float:
        """Mean over the pictures, in nats."""
        return float(self.losses.mean())

    @property
    def accuracy(self) -> float:
        """Share of the pictures."""
        return float(self.correct.mean())


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The head that was chosen, and how."""

    candidate: Candidate
    strength: float
    head: LinearHead
    board: tuple[Score, ...]
    """Every candidate that was looked at, in order."""
    reason: str
    proba: NDArray[np.float64] = field(repr=False)
    """(n, k) out-of-fold probabilities of the pictures it was chosen on, in their order: good for finding wrong labels
    and thresholds. An accuracy taken from them would be flattered by the choice; `nested_proba` is for that."""
    beyond_budget: tuple[int, ...] = ()
    """Input sizes that were left out because the time given would not have sufficed."""


@dataclass(frozen=True, kw_only=True)
class _Sample:
    """The pictures of one call: where they are in the table, their labels, groups and folds."""

    index: Index
    y: Index
    groups: Index
    splits: Sequence[tuple[Index, Index]] = field(repr=False)
    num_classes: int

    def part(self, keep: NDArray[np.bool_]) -> _Sample:
        """The pictures where ``keep`` holds, in the same folds."""
        position = np.cumsum(keep) - 1
        splits = [(position[a[keep[a]]], position[b[keep[b]]]) for a, b in self.splits]
        return replace(self, index=self.index[keep], y=self.y[keep], groups=self.groups[keep], splits=splits)


def choose(table: FeatureTable, index: Index, options: ProbeOptions, *, deadline: float | None = None) -> Choice:
    """Choose and fit a head on the pictures ``index`` of the table.

    ``deadline`` (``time.monotonic`` seconds) stops dearer candidates whose features would not be ready by then;
    without it no decision depends on the clock.
    """
    trials = _Trials(table, _sample(table, index, options), options)

    # ── cheap: the last layer at the base size, on all pictures ──────────────────────────────────────────────────
    board = [trials.score(candidate) for candidate in trials.cheap()]
    best = board[0]
    for score in board[1:]:
        best = score if trials.beats(score, best) else best

    # ── dear: more views, depths and pixels, on the screening sample ─────────────────────────────────────────────
    screening, leader = trials, best
    beyond: set[int] = set()
    remark = ""
    for rung in trials.dear():
        if 1.0 - leader.accuracy <= options.enough:
            remark = f" Nothing dearer was tried: an error of {1.0 - leader.accuracy:.1%} leaves too little to win."
            break
        size = rung[0].size
        if deadline is not None and time.monotonic() + table.estimate(size, index, rung[0].views) > deadline:
            beyond.add(size)
            continue
        if screening is trials and (part := trials.screening()) is not None:
            screening, leader = part, part.score(best.candidate)
        for candidate in rung:
            score = screening.score(candidate)
            board.append(replace(score, screened=screening is not trials))
            leader = score if screening.beats(score, leader) else leader

    # ── what led on the screening sample must also lead on all pictures ──────────────────────────────────────────
    if leader.candidate != best.candidate:
        if screening is not trials:
            leader = trials.score(leader.candidate)
            board.append(leader)
        best = leader if trials.beats(leader, best) else best
    if beyond:
        remark += f" The budget did not reach to {', '.join(map(str, sorted(beyond)))} pixels."
    return Choice(
        candidate=best.candidate,
        strength=best.strength,
        head=trials.fit(best),
        board=tuple(board),
        reason=_reason(best, board) + remark,
        proba=best.proba,
        beyond_budget=tuple(sorted(beyond)),
    )


def nested_proba(table: FeatureTable, index: Index, options: ProbeOptions, *, repeats: int) -> NDArray[np.float64]:
    """Calibrated out-of-fold probabilities of the whole procedure, (repeats, n, k), by nested cross-validation.

    The outer folds run side by side, one core each: linear algebra of this size gains little from a second core.
    """
    from threadpoolctl import threadpool_limits

    y, groups = table.images.y[index], table.images.groups[index]
    proba = np.full((repeats, len(index), len(table.images.classes)), np.nan)

    def outer_fold(repeat: int, train: Index, test: Index) -> None:
        choice = choose(table, index[train], options)
        X = table.rows(choice.candidate.size, choice.candidate.output, index[test])
        proba[repeat, test] = choice.head.predict_proba(X)

    outer = [
        (repeat, train, test)
        for repeat in range(repeats)
        for train, test in folds(y, groups, n_splits=options.n_splits, seed=options.seed + 1 + repeat)
    ]
    pool = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="fold")
    try:
        with table.progress.stage("nested cross-validation", len(outer)) as advance, threadpool_limits(1, "blas"):
            for done, future in enumerate([pool.submit(outer_fold, *fold) for fold in outer], start=1):
                future.result()
                advance(done)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return proba


def probe_with(table: FeatureTable, index: Index, candidate: Candidate, options: ProbeOptions) -> LinearHead:
    """The head of one candidate, at the strength that cross-validation on ``index`` finds, fitted on all of them."""
    trials = _Trials(table, _sample(table, index, options), options)
    return trials.fit(trials.score(candidate))


def out_of_fold(table: FeatureTable, index: Index, candidate: Candidate, options: ProbeOptions) -> NDArray[np.float64]:
    """Probabilities (n, k) of one candidate on the pictures ``index``, each from a head that was not fitted on it."""
    return _Trials(table, _sample(table, index, options), options).score(candidate).proba


def repeats_for(n: int) -> int:
    """How often nested cross-validation is repeated: five times below 300 pictures, once from 1,500 up."""
    return int(np.clip(1500 // max(n, 1), 1, 5))


def _sample(table: FeatureTable, index: Index, options: ProbeOptions) -> _Sample:
    y, groups = table.images.y[index], table.images.groups[index]
    splits = folds(y, groups, n_splits=options.n_splits, seed=options.seed)
    return _Sample(index=index, y=y, groups=groups, splits=splits, num_classes=len(table.images.classes))


class _Trials:
    """Candidates measured out of fold on one sample of pictures, in the same folds."""

    def __init__(self, table: FeatureTable, sample: _Sample, options: ProbeOptions) -> None:
        self.table, self.sample, self.options = table, sample, options
        self._latest: tuple[tuple[object, ...], Axes] | None = None

    def cheap(self) -> list[Candidate]:
        """The last layer at the base size."""
        base = self.options.sizes[0]
        families: list[Family] = ["nearest mean", *self._families()]
        return [Candidate(size=base, output="last", family=family) for family in families]

    def dear(self) -> list[list[Candidate]]:
        """Rungs of candidates from cheap to dear; those of one rung share a pass over the pictures."""
        base, *larger = self.options.sizes
        families = self._families()
        rungs = [[Candidate(size=base, output="depths", family=family) for family in families]]
        if np.bincount(self.sample.y, minlength=self.sample.num_classes).min() <= self.options.few:
            views = FEW_SHOT_VIEWS
            rungs.append([Candidate(size=base, output="last", family=family, views=views) for family in families])
        for size in larger:
            rungs.append([Candidate(size=size, output=o, family=f) for o in ("last", "depths") for f in families])
        return rungs

    def _families(self) -> list[Family]:
        """Shrunk LDA is for few pictures: above a thousand, logistic regression is always ahead and cheaper."""
        few: list[Family] = ["shrunk LDA", "logistic regression"]
        return few if len(self.sample.index) <= 1000 else few[1:]

    def screening(self) -> _Trials | None:
        """Trials on a part of the pictures; None where there are too few for a part to be worth it.

        The part holds at least 20 of each class. A picture's place in the queue is a hash of its bytes and the seed,
        so the part of an outer fold lies within the part of all pictures, and features are computed for no others.
        """
        images, seed = self.table.images, self.options.seed
        train = np.flatnonzero(images.split == "train")
        place = {i: hashlib.sha256(f"{seed} {images.digests[i]}".encode()).digest() for i in train.tolist()}
        chosen: set[int] = set()
        for label in range(self.sample.num_classes):
            members = sorted((i for i in place if images.y[i] == label), key=place.__getitem__)
            chosen.update(members[: max(20, round(self.options.screen * len(members) / len(train)))])
        keep = np.array([int(i) in chosen for i in self.sample.index])
        return _Trials(self.table, self.sample.part(keep), self.options) if keep.mean() < 0.7 else None

    def score(self, candidate: Candidate) -> Score:
        """Out-of-fold losses, at the strongest regularisation within one standard error of the best."""
        sample = self.sample
        n, v = len(sample.index), len(candidate.views)
        rows = np.zeros((len(sample.splits), n), bool)
        for row, (train, _) in zip(rows, sample.splits, strict=True):
            row[train] = True
        axes = self._axes(candidate)
        trail: list[Score] = []
        for strength, W, b in self._fits(candidate, axes, np.tile(rows, v)):
            logits = np.empty((n, sample.num_classes))
            for fold, (_, test) in enumerate(sample.splits):
                logits[test] = axes.Z[test] @ W[fold] + b[fold]
            trail.append(_from_logits(candidate, strength, logits, sample))
            if len(trail) > 2 and trail[-1].log_loss > trail[-2].log_loss > trail[-3].log_loss:
                break
        best = min(trail, key=lambda score: score.log_loss)
        return next(score for score in trail if score is best or not self.beats(best, score))

    def fit(self, score: Score) -> LinearHead:
        """The candidate of ``score``, fitted on all pictures of the sample."""
        axes = self._axes(score.candidate)
        everything = np.ones((1, len(axes.Z)), bool)
        _, W, b = next(self._fits(score.candidate, axes, everything, strengths=(score.strength,), tolerance=1e-4))
        weight, bias = axes.unproject(W[0], b[0])
        return LinearHead(weight=weight.astype(np.float32), bias=bias.astype(np.float32), temperature=score.temperature)

    def beats(self, challenger: Score, incumbent: Score) -> bool:
        """Whether the challenger's log-loss is lower by more than one standard error of the paired difference."""
        mean, standard_error = mean_and_error(incumbent.losses - challenger.losses, self.sample.groups)
        return mean > standard_error

    def _axes(self, candidate: Candidate) -> Axes:
        """The candidate's features in their principal axes; the latest are kept, since families share them."""
        key = (candidate.size, candidate.output, candidate.views)
        if self._latest is None or self._latest[0] != key:
            self._latest = None  # give the memory back before asking for as much again
            rows = self.table.rows(candidate.size, candidate.output, self.sample.index, candidate.views)
            self._latest = key, principal_axes(rows)
        return self._latest[1]

    def _fits(
        self,
        candidate: Candidate,
        axes: Axes,
        rows: NDArray[np.bool_],
        *,
        strengths: tuple[float, ...] = C_PATH,
        tolerance: float = 1e-3,
    ) -> Iterator[Fit]:
        counts = np.bincount(self.sample.y, minlength=self.sample.num_classes)
        balanced = len(self.sample.y) / (self.sample.num_classes * np.maximum(counts, 1.0))
        return fit_family(
            candidate.family,
            axes,
            np.tile(self.sample.y, len(candidate.views)),
            rows=rows,
            num_classes=self.sample.num_classes,
            class_weight=balanced if self.options.balanced else None,
            strengths=strengths,
            tolerance=tolerance,
        )


def _from_logits(candidate: Candidate, strength: float, logits: NDArray[np.float64], sample: _Sample) -> Score:
    temperature = fit_temperature(logits, sample.y)
    proba = softmax(logits, temperature)
    losses = -np.log(np.maximum(proba[np.arange(len(proba)), sample.y], 1e-15))
    _, standard_error = mean_and_error(losses, sample.groups)
    return Score(
        candidate=candidate,
        strength=strength,
        temperature=temperature,
        losses=losses,
        correct=proba.argmax(axis=1) == sample.y,
        proba=proba,
        standard_error=standard_error,
    )


def mean_and_error(values: NDArray[np.float64], groups: Index) -> tuple[float, float]:
    """Mean of (n,) values and its standard error, in which the pictures of one group count as one draw."""
    mean = float(values.mean())
    _, group = np.unique(groups, return_inverse=True)
    sums = np.bincount(group, weights=values - mean)
    return mean, float(np.sqrt((sums**2).sum()) / len(values))


def _reason(best: Score, board: Sequence[Score]) -> str:
    tried = len({score.candidate for score in board})
    lower = [s for s in board if not s.screened and s is not best and s.log_loss < best.log_loss]
    text = f"Of {tried} candidates, {best.candidate} has the lowest out-of-fold log-loss ({best.log_loss:.3f})."
    if lower:
        rival = min(lower, key=lambda score: score.log_loss)
        text = (
            f"Of {tried} candidates, {best.candidate} is the simplest within one standard error of the lowest "
            f"out-of-fold log-loss ({best.log_loss:.3f}; {rival.candidate}: {rival.log_loss:.3f})."
        )
    return text
