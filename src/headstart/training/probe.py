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
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from headstart.evaluation.calibration import fit_temperature, softmax
from headstart.features.table import FeatureTable
from headstart.images.splits import folds
from headstart.images.transforms import FEW_SHOT_VIEWS, View
from headstart.training.heads import Family, LinearHead, fit_family
from headstart.training.logistic import principal_axes

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
    sample = _sample(table, index, options)

    # ── cheap: the last layer at the base size, on all pictures ──────────────────────────────────────────────────
    board = [_score(table, sample, candidate, options) for candidate in _cheap(sample, options)]
    best = board[0]
    for score in board[1:]:
        best = score if _beats(score, best, sample.groups) else best

    # ── dear: more views, depths and pixels, on the screening sample ─────────────────────────────────────────────
    keep = _screening(table, sample, options)
    screened = bool(keep.mean() < 0.7)
    part = sample.part(keep) if screened else sample
    leader = _score(table, part, best.candidate, options) if screened else best
    beyond: set[int] = set()
    remark = ""
    for rung in _dear(sample, options):
        if 1.0 - leader.accuracy <= options.enough:
            remark = f" Nothing dearer was tried: an error of {1.0 - leader.accuracy:.1%} leaves too little to win."
            break
        size = rung[0].size
        if deadline is not None and time.monotonic() + table.estimate(size, index, rung[0].views) > deadline:
            beyond.add(size)
            continue
        tried = [replace(_score(table, part, candidate, options), screened=screened) for candidate in rung]
        board += tried
        for score in tried:
            leader = score if _beats(score, leader, part.groups) else leader

    # ── what led on the screening sample must also lead on all pictures ──────────────────────────────────────────
    if leader.candidate != best.candidate:
        full = _score(table, sample, leader.candidate, options) if screened else leader
        if screened:
            board.append(full)
        best = full if _beats(full, best, sample.groups) else best
    if beyond:
        remark += f" The budget did not reach to {', '.join(map(str, sorted(beyond)))} pixels."
    return Choice(
        candidate=best.candidate,
        strength=best.strength,
        head=_fit(table, sample, best, options),
        board=tuple(board),
        reason=_reason(best, board) + remark,
        beyond_budget=tuple(sorted(beyond)),
    )


def nested_proba(table: FeatureTable, index: Index, options: ProbeOptions, *, repeats: int) -> NDArray[np.float64]:
    """Calibrated out-of-fold probabilities of the whole procedure, (repeats, n, k), by nested cross-validation."""
    y, groups = table.images.y[index], table.images.groups[index]
    k = len(table.images.classes)
    proba = np.full((repeats, len(index), k), np.nan)
    with table.progress.stage("nested cross-validation", repeats * options.n_splits) as advance:
        done = 0
        for repeat in range(repeats):
            for train, test in folds(y, groups, n_splits=options.n_splits, seed=options.seed + 1 + repeat):
                choice = choose(table, index[train], options)
                X = table.rows(choice.candidate.size, choice.candidate.output, index[test])
                proba[repeat, test] = choice.head.predict_proba(X)
                done += 1
                advance(done)
    return proba


def repeats_for(n: int) -> int:
    """How often nested cross-validation is repeated: five times below 300 pictures, once from 1,500 up."""
    return int(np.clip(1500 // max(n, 1), 1, 5))


def _sample(table: FeatureTable, index: Index, options: ProbeOptions) -> _Sample:
    y, groups = table.images.y[index], table.images.groups[index]
    splits = folds(y, groups, n_splits=options.n_splits, seed=options.seed)
    return _Sample(index=index, y=y, groups=groups, splits=splits, num_classes=len(table.images.classes))


def _families(sample: _Sample) -> list[Family]:
    """Shrunk LDA is for few pictures: above a thousand, logistic regression is always ahead and cheaper."""
    few: list[Family] = ["shrunk LDA", "logistic regression"]
    return few if len(sample.index) <= 1000 else few[1:]


def _cheap(sample: _Sample, options: ProbeOptions) -> list[Candidate]:
    families: list[Family] = ["nearest mean", *_families(sample)]
    return [Candidate(size=options.sizes[0], output="last", family=family) for family in families]


def _dear(sample: _Sample, options: ProbeOptions) -> list[list[Candidate]]:
    """Rungs of candidates from cheap to dear; those of one rung share a pass over the pictures."""
    base, *larger = options.sizes
    families = _families(sample)
    rungs = [[Candidate(size=base, output="depths", family=family) for family in families]]
    if np.bincount(sample.y, minlength=sample.num_classes).min() <= options.few:
        views = FEW_SHOT_VIEWS
        rungs.append([Candidate(size=base, output="last", family=family, views=views) for family in families])
    for size in larger:
        rungs.append([Candidate(size=size, output=o, family=f) for o in ("last", "depths") for f in families])
    return rungs


def _screening(table: FeatureTable, sample: _Sample, options: ProbeOptions) -> NDArray[np.bool_]:
    """Which pictures a dearer candidate is tried on first: the same ones in every outer fold, at least 20 of a class.

    A picture's place in the queue is a hash of its bytes and the seed. So the sample of a fold is the sample of all
    pictures, less those outside the fold, and features are computed for no more pictures than the sample holds.
    """
    y, digests = table.images.y, table.images.digests
    train = np.flatnonzero(table.images.split == "train")
    place = {i: hashlib.sha256(f"{options.seed} {digests[i]}".encode()).digest() for i in train.tolist()}
    chosen: set[int] = set()
    for label in range(sample.num_classes):
        members = sorted((i for i in place if y[i] == label), key=place.__getitem__)
        count = max(20, round(options.screen * len(members) / len(train)))
        chosen.update(members[:count])
    return np.array([int(i) in chosen for i in sample.index])


def _score(table: FeatureTable, sample: _Sample, candidate: Candidate, options: ProbeOptions) -> Score:
    """Out-of-fold losses of a candidate, at the strongest regularisation within one standard error of the best."""
    axes = principal_axes(table.rows(candidate.size, candidate.output, sample.index, candidate.views))
    n, v = len(sample.index), len(candidate.views)
    rows = np.zeros((len(sample.splits), n), bool)
    for row, (train, _) in zip(rows, sample.splits, strict=True):
        row[train] = True
    trail: list[Score] = []
    for strength, W, b in fit_family(
        candidate.family,
        axes,
        np.tile(sample.y, v),
        rows=np.tile(rows, v),
        num_classes=sample.num_classes,
        class_weight=_class_weight(sample, options),
    ):
        logits = np.empty((n, sample.num_classes))
        for fold, (_, test) in enumerate(sample.splits):
            logits[test] = axes.Z[test] @ W[fold] + b[fold]
        trail.append(_from_logits(candidate, strength, logits, sample))
        if len(trail) > 2 and trail[-1].log_loss > trail[-2].log_loss > trail[-3].log_loss:
            break
    best = min(trail, key=lambda score: score.log_loss)
    return next(score for score in trail if score is best or not _beats(best, score, sample.groups))


def _from_logits(candidate: Candidate, strength: float, logits: NDArray[np.float64], sample: _Sample) -> Score:
    temperature = fit_temperature(logits, sample.y)
    proba = softmax(logits, temperature)
    losses = -np.log(np.maximum(proba[np.arange(len(proba)), sample.y], 1e-15))
    _, standard_error = _mean_and_error(losses, sample.groups)
    return Score(
        candidate=candidate,
        strength=strength,
        temperature=temperature,
        losses=losses,
        correct=proba.argmax(axis=1) == sample.y,
        standard_error=standard_error,
    )


def _fit(table: FeatureTable, sample: _Sample, score: Score, options: ProbeOptions) -> LinearHead:
    """Fit the chosen candidate on all pictures of the sample."""
    candidate, v = score.candidate, len(score.candidate.views)
    axes = principal_axes(table.rows(candidate.size, candidate.output, sample.index, candidate.views))
    _, W, b = next(
        fit_family(
            candidate.family,
            axes,
            np.tile(sample.y, v),
            rows=np.ones((1, v * len(sample.index)), bool),
            num_classes=sample.num_classes,
            class_weight=_class_weight(sample, options),
            strengths=(score.strength,),
            tolerance=1e-4,
        )
    )
    weight, bias = axes.unproject(W[0], b[0])
    return LinearHead(weight=weight.astype(np.float32), bias=bias.astype(np.float32), temperature=score.temperature)


def _class_weight(sample: _Sample, options: ProbeOptions) -> NDArray[np.float64] | None:
    if not options.balanced:
        return None
    counts = np.bincount(sample.y, minlength=sample.num_classes)
    return len(sample.y) / (sample.num_classes * np.maximum(counts, 1.0))


def _beats(challenger: Score, incumbent: Score, groups: Index) -> bool:
    """Whether the challenger's log-loss is lower by more than one standard error of the paired difference."""
    mean, standard_error = _mean_and_error(incumbent.losses - challenger.losses, groups)
    return mean > standard_error


def _mean_and_error(values: NDArray[np.float64], groups: Index) -> tuple[float, float]:
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
