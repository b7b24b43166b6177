"""Choose a head on frozen features: which input size, which depths, which family, how strongly regularised.

:func:`choose` is the whole procedure, from a set of images to a head. It looks at nothing but the images it is
given, so that :func:`nested_proba` can repeat it inside every outer fold and the outcome is an honest estimate of
what the procedure, choices included, achieves on images it has not seen (Cawley and Talbot 2010).

The candidates are ordered from cheap to dear. A dearer one is looked at only while there is an error worth removing,
first on a part of the images, and takes over only if its out-of-fold log-loss is lower by more than one standard
error of the paired difference (the one-standard-error rule of Breiman et al. 1984, on differences).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np

from headstart.arrays import Floats, Index
from headstart.features.table import FeatureTable
from headstart.images.splits import folds
from headstart.images.threads import in_order
from headstart.probe.heads import LinearHead
from headstart.probe.trials import Candidate, ProbeOptions, Sample, Score, Trials

NESTED_ANSWERS = 1_500
"""Answers on unseen images that repeats of nested cross-validation may add up to. Chosen for its cost: repeats
average out the luck of the folds alone, and leave the spread between images, which most of an interval comes from."""
MOST_REPEATS = 5
"""Of nested cross-validation. Chosen, not measured: it bounds the cost on few images."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The head that was chosen, and how."""

    score: Score
    """Of the candidate that was chosen, on all the images."""
    head: LinearHead
    board: tuple[Score, ...]
    """Every candidate that was looked at, in order; `score` is one of them."""
    enough_at: float | None = None
    """Out-of-fold error that was small enough for nothing dearer to be tried; None where everything was."""
    beyond_budget: tuple[int, ...] = ()
    """Input sizes that were left out because the time given would not have sufficed."""

    @property
    def candidate(self) -> Candidate:
        """What was chosen."""
        return self.score.candidate

    @property
    def strength(self) -> float:
        """Of its regularisation."""
        return self.score.strength

    @property
    def proba(self) -> Floats:
        """(n, k) out-of-fold probabilities of the images it was chosen on, in their order.

        Good for finding wrong labels and thresholds. An accuracy taken from them would be too high, because the head
        was chosen by them; `nested_proba` is for that.
        """
        return self.score.proba


def choose(table: FeatureTable, index: Index, options: ProbeOptions, *, deadline: float | None = None) -> Choice:
    """Choose and fit a head on the images ``index`` of the table.

    ``deadline`` (``time.monotonic`` seconds) stops dearer candidates whose features would not be ready by then;
    without it no decision depends on the clock.
    """
    trials = Trials(table, Sample.of(table, index, options), options)

    # ── cheap: the last layer at the base size, on all images ────────────────────────────────────────────────────
    board = [trials.score(candidate) for candidate in trials.cheap()]
    best = board[0]
    for score in board[1:]:
        best = score if trials.beats(score, best) else best

    # ── dear: more views, depths and pixels, on the screening sample ─────────────────────────────────────────────
    screening, leader = trials, best
    beyond: set[int] = set()
    enough_at = None
    for rung in trials.dear():
        if 1.0 - leader.accuracy <= options.enough:
            enough_at = 1.0 - leader.accuracy
            break
        size = rung[0].size
        if deadline is not None and time.monotonic() + table.estimate(size, index, rung[0].views) > deadline:
            beyond.add(size)
            continue
        if screening is trials and (part := trials.screening()) is not None:
            screening, leader = part, part.score(best.candidate)
        for candidate in rung:
            score = screening.score(candidate)
            board.append(score if screening is trials else replace(score, screened=True))
            leader = score if screening.beats(score, leader) else leader

    # ── what led on the screening sample must also lead on all images ────────────────────────────────────────────
    if leader.candidate != best.candidate:
        if screening is not trials:
            leader = trials.score(leader.candidate)
            board.append(leader)
        best = leader if trials.beats(leader, best) else best
    return Choice(
        score=best, head=trials.fit(best), board=tuple(board), enough_at=enough_at, beyond_budget=tuple(sorted(beyond))
    )


def nested_proba(table: FeatureTable, index: Index, options: ProbeOptions, *, repeats: int) -> Floats:
    """Calibrated out-of-fold probabilities of the whole procedure, (repeats, n, k), by nested cross-validation.

    The outer folds run side by side, one core each: linear algebra of this size gains little from a second core.
    """
    from threadpoolctl import threadpool_limits

    y, groups, classes = table.images.y[index], table.images.groups[index], table.images.classes
    proba = np.full((repeats, len(index), len(classes)), np.nan)

    def outer_fold(repeat: int, train: Index, test: Index) -> None:
        choice = choose(table, index[train], options)
        X = table.rows(choice.candidate.size, choice.candidate.output, index[test])
        proba[repeat, test] = choice.head.predict_proba(X)

    outer = [
        (repeat, train, test)
        for repeat in range(repeats)
        for train, test in folds(y, groups, n_splits=options.n_splits, seed=options.seed + 1 + repeat, classes=classes)
    ]
    with table.bench.progress.stage("nested cross-validation", len(outer)) as advance, threadpool_limits(1, "blas"):
        for done, _ in enumerate(in_order(lambda fold: outer_fold(*fold), outer, window=len(outer)), start=1):
            advance(done)
    return proba


def probe_with(table: FeatureTable, index: Index, candidate: Candidate, options: ProbeOptions) -> LinearHead:
    """The head of one candidate, at the strength that cross-validation on ``index`` finds, fitted on all of them."""
    trials = Trials(table, Sample.of(table, index, options), options)
    return trials.fit(trials.score(candidate))


def out_of_fold(table: FeatureTable, index: Index, candidate: Candidate, options: ProbeOptions) -> Floats:
    """Probabilities (n, k) of one candidate on the images ``index``, each from a head that was not fitted on it."""
    return Trials(table, Sample.of(table, index, options), options).score(candidate).proba


def repeats_for(n: int) -> int:
    """How often nested cross-validation is repeated on n images: five times up to 300, once above 750."""
    return int(np.clip(NESTED_ANSWERS // max(n, 1), 1, MOST_REPEATS))
