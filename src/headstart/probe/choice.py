"""Choose a head on frozen features: which input size, which depths, which family, how strongly regularised.

:func:`choose` is the whole procedure, from a set of images to a head: :func:`first` at the base size, then
:func:`widen` by each larger one. Every candidate is fitted once, in the same folds; its out-of-fold answers serve the
choice, the temperature and everything that is measured afterwards.

The candidates are ordered from cheap to dear. A dearer one is looked at only while there is an error worth removing,
first on a part of the images, and takes over only if its out-of-fold log-loss is lower by more than one standard
error of the paired difference (the one-standard-error rule of Breiman et al. 1984, on differences).

The answers of the candidate that was chosen flatter it, because they chose it. :func:`honest_proba` takes that back:
each image is answered by the candidate that the other images would have chosen.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from headstart.arrays import Floats, Index
from headstart.evaluation.calibration import softmax
from headstart.evaluation.losses import correct
from headstart.evaluation.paired import ALPHA, mcnemar_exact
from headstart.features.table import FeatureTable
from headstart.images.splits import folds
from headstart.probe.heads import LinearHead
from headstart.probe.path import lower
from headstart.probe.trials import MOST_MEMORY, Candidate, ProbeOptions, Sample, Score, Trail, Trials

SparedKind = Literal["little to win", "nothing to show", "memory", "budget"]


@dataclass(frozen=True, kw_only=True)
class Spared:
    """Something dearer that was not begun, and why."""

    kind: SparedKind
    """``little to win``: the share of errors left is small enough; ``nothing to show``: so few errors are left that no
    test could show a gain, even if all of them were removed; ``memory``: rows of all depths would take more than
    `trials.MOST_MEMORY`; ``budget``: the time given would not have sufficed."""
    size: int
    """Input size in pixels. The base size itself stands for its depths and views."""
    errors: int
    """Images of those chosen on that the head chosen so far answers wrongly, out of fold."""
    pictures: int
    """Images chosen on."""
    memory: int = 0
    """Bytes that the rows would take, of what was spared for it."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The head that was chosen, and how."""

    score: Score
    """Of the candidate that was chosen, on all the images."""
    head: LinearHead
    board: tuple[Score, ...]
    """Every candidate that was looked at, in order; `score` is one of them."""
    trails: tuple[Trail, ...] = field(repr=False)
    """What the board was read from."""
    spared: tuple[Spared, ...] = ()
    """What was not looked at."""

    @property
    def candidate(self) -> Candidate:
        """What was chosen."""
        return self.score.candidate

    @property
    def strength(self) -> float:
        """Of its regularisation."""
        return self.score.strength

    @property
    def folds(self) -> int:
        """Of the cross-validation."""
        return len(self.trails[0].sample.rounds[0])

    @property
    def rounds(self) -> int:
        """How often the images were dealt to folds."""
        return len(self.trails[0].sample.rounds)

    @property
    def proba(self) -> Floats:
        """(n, k) out-of-fold probabilities of the images it was chosen on, in their order.

        Good for finding wrong labels and thresholds. An accuracy taken from them would be too high, because the head
        was chosen by them; `honest_proba` is for that.
        """
        return self.score.proba


def choose(table: FeatureTable, index: Index, options: ProbeOptions, *, deadline: float | None = None) -> Choice:
    """Choose and fit a head on the images ``index`` of the table.

    ``deadline`` (``time.monotonic`` seconds) stops larger sizes whose features would not be ready by then; without it
    no decision depends on the clock.
    """
    choice = first(table, index, options)
    for size in options.sizes[1:]:
        choice = widen(choice, table, index, options, size, deadline=deadline)
    return choice


def first(table: FeatureTable, index: Index, options: ProbeOptions) -> Choice:
    """Choose at the base size: the last layer, then all depths, and more views where images are few."""
    trials, size = Trials(table, Sample.of(table, index, options), options), options.sizes[0]
    best, trails = _look(trials, trials.cheap(), None)
    spared: tuple[Spared, ...] = ()
    for rung in trials.dear():
        if 1 - best.accuracy <= options.enough:
            spared = (_spared("little to win", size, best, trials.sample),)
            break
        if (memory := trials.memory(rung[0])) > MOST_MEMORY:
            spared = (*spared, replace(_spared("memory", size, best, trials.sample), memory=memory))
            continue
        best, looked = _look(trials, rung, best)
        trails += looked
    board = tuple(trail.overall for trail in trails)
    return Choice(score=best, head=trials.fit(best), board=board, trails=tuple(trails), spared=spared)


def widen(
    choice: Choice,
    table: FeatureTable,
    index: Index,
    options: ProbeOptions,
    size: int,
    *,
    deadline: float | None = None,
) -> Choice:
    """The choice after one larger input size was looked at too; or as it is, with the reason why that was not begun.

    ``index`` and ``options`` are those of the choice, so that the folds are the same. ``deadline`` as for `choose`.
    """
    trials, best = Trials(table, Sample.of(table, index, options), options), choice.score
    spared = _spared("budget", size, best, trials.sample)
    if 1 - best.accuracy <= options.enough:
        spared = replace(spared, kind="little to win")
    elif mcnemar_exact(spared.errors, 0) > ALPHA:
        spared = replace(spared, kind="nothing to show")
    elif deadline is None or time.monotonic() + table.estimate(size, index) <= deadline:
        best, looked = _look(trials, trials.at(size), best)
        head = choice.head if best is choice.score else trials.fit(best)
        board = choice.board + tuple(trail.overall for trail in looked)
        return replace(choice, score=best, head=head, board=board, trails=(*choice.trails, *looked))
    return replace(choice, spared=(*choice.spared, spared))


def _look(trials: Trials, candidates: Sequence[Candidate], best: Score | None) -> tuple[Score, list[Trail]]:
    """The best of ``best`` and ``candidates``, and what was looked at: first a part of the images, if there are many.

    What leads on the part must lead on all images too. Without a ``best`` all are looked at on all images.
    """
    looked: list[Trail] = []
    if best is not None and (part := trials.screening) is not None:
        leader = part.trail(best.candidate).overall
        for trail in part.trails(candidates):
            looked.append(trail)
            leader = _better(trail.overall, leader, part.sample)
        candidates = [] if leader.candidate == best.candidate else [leader.candidate]
    for trail in trials.trails(candidates):
        looked.append(trail)
        best = _better(trail.overall, best, trials.sample)
    assert best is not None
    return best, looked


def _better(challenger: Score, incumbent: Score | None, sample: Sample) -> Score:
    wins = incumbent is None or lower(challenger.losses, incumbent.losses, sample.groups)
    return challenger if incumbent is None or wins else incumbent


def _spared(kind: SparedKind, size: int, best: Score, sample: Sample) -> Spared:
    errors = int((~correct(best.proba, sample.y)).sum())
    return Spared(kind=kind, size=size, errors=errors, pictures=len(sample.y))


def honest_proba(choice: Choice, table: FeatureTable, index: Index, options: ProbeOptions) -> Floats:
    """Calibrated out-of-fold probabilities of the whole procedure, (repeats, n, k), for the images it chose on.

    In each round the images are dealt to parts, whole groups to one. For each part the candidate, its strength and its
    temperature are chosen by the out-of-fold answers to the other parts, by the rule of `choose`, and those are the
    answers to that part: nothing is fitted again. It does by parts what BBC-CV does by bootstrap (Tsamardinos,
    Greasidou and Borboudakis, "Bootstrapping the out-of-sample predictions for efficient and accurate
    cross-validation", 2018), so that every image has an answer. A candidate that only a part of the images was screened
    with takes no part: it was not answered with. ``benchmarks/headline.py`` measures how good the figure is.
    """
    y, groups, classes = table.images.y[index], table.images.groups[index], table.images.classes
    trails = [trail for trail in choice.trails if not trail.screened]
    proba = np.empty((choice.rounds, len(index), len(classes)))
    with table.bench.progress.stage("choosing again without each part", len(proba)) as advance:
        for number, answers in enumerate(proba):
            seed = options.seed + 1 + number
            parts = folds(y, groups, n_splits=choice.folds, seed=seed, classes=classes)
            keep = np.stack([np.isin(np.arange(len(index)), others) for others, _ in parts])
            by_trail = [trail.chosen_by(keep) for trail in trails]
            for (others, part), (best, *challengers) in zip(parts, zip(*by_trail, strict=True), strict=True):
                for challenger in challengers:
                    wins = lower(challenger.losses[others], best.losses[others], groups[others])
                    best = challenger if wins else best
                answers[part] = best.answers(number, part)
            advance(number + 1)
    return proba


def probe_with(table: FeatureTable, index: Index, candidate: Candidate, options: ProbeOptions) -> LinearHead:
    """The head of one candidate, at the strength that cross-validation on ``index`` finds, fitted on all of them."""
    trials = Trials(table, Sample.of(table, index, options), options)
    return trials.fit(trials.trail(candidate).overall)


def out_of_fold(table: FeatureTable, index: Index, score: Score, options: ProbeOptions) -> Floats:
    """Probabilities (rounds, n, k) of the images ``index`` from heads that were not fitted on them.

    The heads are of the candidate of ``score``, at its strength.
    """
    trail = Trials(table, Sample.of(table, index, options), options).trail(score.candidate, score.strength)
    return softmax(trail.logits[0], trail.temperatures[0])
