"""When a model should not be relied on: what is said about each answer beside its probabilities.

unsure
    The answer's probability is below the level from which answers are wrong half as often as all answers are.
unfamiliar
    The picture is farther from the training pictures than 97 % of them are when left out (novelty above 1).
prediction set
    The classes that cannot be ruled out; the true one is among them as often as was asked for.
answer
    With a matrix of costs, what costs least on average.

All of it is learned from training pictures, each answered by a model that was not fitted on it. It is a few numbers and
arrays, kept with the model, and applying them needs NumPy only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.abstain.conformal import COVERAGE, PredictionSets, TooFewPictures, learn_prediction_sets
from headstart.abstain.costs import CostReport, Costs, measure_costs
from headstart.abstain.novelty import FAMILIAR, Limits, Novelty, learn_novelty
from headstart.arrays import Floats, Singles
from headstart.errors import OptionError
from headstart.evaluation.intervals import Estimate, Units
from headstart.evaluation.measured_on import MeasuredOn
from headstart.evaluation.risk_coverage import Answered, RiskCoverage, answered_above, risk_coverage, sure_enough
from headstart.files import plain, some

if TYPE_CHECKING:
    from headstart.features.table import FeatureTable
    from headstart.finetune.trial import Selection
    from headstart.probe.choice import Choice


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What is said about one answer. None where the model has not learned it."""

    unsure: bool | None = None
    unfamiliar: bool | None = None
    novelty: float | None = None
    """From 0 up; above 1 the picture is unfamiliar."""
    prediction_set: tuple[str, ...] | None = None
    """Most probable first."""
    answer: str | None = None
    """What costs least on average, where costs were given."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What is kept of an `Abstention` beside its arrays."""

    sure_from: float | None
    prediction_sets: bool
    """Whether there are."""
    no_prediction_sets: TooFewPictures | None
    novelty: Limits | None
    costs: Mapping[str, Mapping[str, float]] | None


@dataclass(frozen=True, kw_only=True)
class Abstention:
    """When a model should not be relied on. Every part may be missing."""

    classes: tuple[str, ...] = ()
    sure_from: float | None = None
    """Probability of an answer, 0 to 1, below which it is unsure."""
    sets: PredictionSets | None = None
    no_sets: TooFewPictures | None = None
    """Why there are no prediction sets; None where there are, or where none were asked for."""
    novelty: Novelty | None = None
    costs: Costs | None = None

    @property
    def coverage(self) -> float:
        """Of prediction sets where nothing else is asked for, 0 to 1."""
        return COVERAGE if self.sets is None else min(COVERAGE, self.sets.most_coverage)

    def covers(self, asked: float | None) -> float | None:
        """The coverage, 0 to 1, of prediction sets; None without sets. ``asked`` as for :meth:`judge`."""
        return None if self.sets is None else self.coverage if asked is None else asked

    def judge(
        self, proba: Floats, rows: NDArray[np.floating] | None = None, *, coverage: float | None = None
    ) -> list[Judgement]:
        """What is said about each of the answers ``proba`` (n, k), calibrated.

        ``rows`` (n, d): frozen rows of the kind that `learn_abstention` was given; without them nothing is unfamiliar.
        ``coverage``, 0 to 1: of the prediction sets. Raises OptionError if it was asked for and cannot be had.
        """
        n = len(proba)
        unsure = [None] * n if self.sure_from is None else (proba.max(axis=1) < self.sure_from).tolist()
        measured = None if self.novelty is None or rows is None else self.novelty.measure(rows)
        self.require(coverage)
        covers = self.covers(coverage)
        sets = None if self.sets is None or covers is None else self.sets.sets(proba, covers)
        order = np.argsort(-proba, axis=1, kind="stable")
        answers = [self.costs.answers[i] for i in self.costs.decide(proba)] if self.costs else [None] * n
        return [
            Judgement(
                unsure=unsure[i],
                unfamiliar=None if measured is None else bool(measured[i] > 1),
                novelty=None if measured is None else float(measured[i]),
                prediction_set=None if sets is None else tuple(self.classes[c] for c in order[i] if sets[i, c]),
                answer=answers[i],
            )
            for i in range(n)
        ]

    def require(self, coverage: float | None) -> None:
        """Raise OptionError if prediction sets of this coverage were asked for and cannot be had."""
        if coverage is None:
            return
        if self.sets is None:
            expected, found = "a model with prediction sets", "this model keeps none"
            if self.no_sets:
                expected += f", learned from {self.no_sets.needed} independent pictures of every class or more"
                found = some([f"{name} has {count}" for name, count in self.no_sets.counts.items()], 3)
            raise OptionError.of("prediction sets", expected=expected, found=found, todo="ask for no coverage")
        self.sets.thresholds(coverage)

    def tensors(self) -> dict[str, Singles]:
        """The arrays to keep."""
        return {name: kept for part in (self.sets, self.novelty) if part for name, kept in part.tensors().items()}

    def to_dict(self) -> dict[str, Any]:
        """The rest of what is to be kept, in plain JSON types."""
        sets = {"prediction_sets": self.sets is not None, "no_prediction_sets": plain(self, "no_sets")["no_sets"]}
        return {"sure_from": self.sure_from, **sets, **plain(self, "novelty", "costs")}

    @classmethod
    def from_parts(cls, kept: Kept, tensors: Mapping[str, Any], classes: Sequence[str], *, width: int) -> Abstention:
        """The inverse of `to_dict` and `tensors`, for rows of ``width`` numbers.

        Raises:
            ValueError: what was kept is of other classes or rows, or no such thing.
        """
        if kept.sure_from is not None and not 0 <= kept.sure_from <= 1:
            raise ValueError(f"a probability of {kept.sure_from} from which answers are sure")
        k = len(classes)
        return cls(
            classes=tuple(classes),
            sure_from=kept.sure_from,
            sets=PredictionSets.from_tensors(tensors, k) if kept.prediction_sets else None,
            no_sets=kept.no_prediction_sets,
            novelty=Novelty.from_parts(kept.novelty, tensors, (k, width)) if kept.novelty else None,
            costs=Costs.from_dict(kept.costs, classes) if kept.costs else None,
        )


@dataclass(frozen=True, kw_only=True)
class AbstentionReport:
    """How often a model abstains on labelled pictures, and how often it is right on the others."""

    measured_on: MeasuredOn
    curve: RiskCoverage
    sure: Answered | None
    """The answers that are not unsure."""
    coverage: float
    """Of the prediction sets, as asked for, 0 to 1."""
    set_sizes: tuple[float, ...]
    """Share of pictures with 1, 2, … k classes in their set; empty without sets."""
    covered: Estimate | None
    """How often the set holds the true class; only from pictures that the sets were not made from."""
    unfamiliar: Estimate | None
    """Share of pictures taken for unfamiliar, of those that are not in training."""
    costs: CostReport | None

    @property
    def mean_set_size(self) -> float:
        """Classes in a set on average; nan without sets."""
        return sum(size * share for size, share in enumerate(self.set_sizes, 1)) if self.set_sizes else float("nan")

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        sets = {"coverage": self.coverage, "sizes": list(self.set_sizes), "mean": self.mean_set_size}
        rest = plain(self, "sure", "covered", "unfamiliar", "costs", prediction_sets=sets if self.set_sizes else None)
        return {"risk_coverage": self.curve.to_dict(), **rest}


def learn_abstention(
    rows: NDArray[np.floating],
    y: NDArray[np.integer[Any]],
    classes: Sequence[str],
    *,
    proba: Floats,
    held_out: NDArray[np.integer[Any]] | None = None,
    groups: NDArray[Any] | None = None,
    costs: Costs | None = None,
    seed: int = 0,
) -> Abstention:
    """Learn when not to answer from training pictures.

    ``rows`` (n, d): of the frozen network, any kind that is there when serving; ``y`` (n,) class indices; ``groups``
    (n,): what belongs together. ``proba`` (m, k): calibrated, from models that did not know the picture, of the
    pictures at the positions ``held_out`` (m,), by default all.
    """
    answered = np.arange(len(y)) if held_out is None else held_out
    sets = learn_prediction_sets(proba, y[answered], classes, None if groups is None else groups[answered])
    return Abstention(
        classes=tuple(classes),
        sure_from=sure_enough(proba, y[answered]),
        sets=sets if isinstance(sets, PredictionSets) else None,
        no_sets=sets if isinstance(sets, TooFewPictures) else None,
        novelty=learn_novelty(rows, y, groups, seed=seed)[0],
        costs=costs,
    )


def abstention_of(
    table: FeatureTable, choice: Choice, selection: Selection, costs: Costs | None, *, seed: int
) -> Abstention:
    """Learn when what is deployed should not answer, from answers of a network or head that did not know the picture.

    ``choice`` and ``selection`` were made on the training images of the table.
    """
    images, train = table.images, table.images.in_split("train")
    kept = selection.trial if selection.fine_tuned else None
    proba, held_out = (kept.tuned, np.searchsorted(train, kept.index)) if kept else (choice.proba, None)
    rows, groups = table.through(selection.space, FAMILIAR, train), images.groups[train]
    return learn_abstention(
        rows, images.y[train], images.classes, proba=proba, held_out=held_out, groups=groups, costs=costs, seed=seed
    )


def measure_abstention(
    abstention: Abstention,
    proba: Floats,
    y: NDArray[np.integer[Any]],
    *,
    measured_on: MeasuredOn,
    prior: ArrayLike,
    new: bool,
    novelty: NDArray[np.floating] | None = None,
    groups: ArrayLike | None = None,
) -> AbstentionReport:
    """Measure abstention on labelled pictures: probabilities (repeats, n, k), classes (n,), groups (n,).

    ``prior`` (k,): shares of the classes in training. ``novelty`` (n,): as measured. Pictures that are not ``new`` are
    those of training, answered out of fold: how often sets hold the true class and pictures are familiar is then what
    was asked for, by construction, and is left out.
    """
    n, k = proba.shape[1:]
    units = Units.of(n, groups)
    sets = abstention.sets
    inside = None if sets is None else np.stack([sets.sets(repeat, abstention.coverage) for repeat in proba])
    return AbstentionReport(
        measured_on=measured_on,
        curve=risk_coverage(proba, y, groups),
        sure=None if abstention.sure_from is None else answered_above(abstention.sure_from, proba, y, groups),
        coverage=abstention.coverage,
        set_sizes=() if inside is None else tuple(float((inside.sum(axis=2) == s + 1).mean()) for s in range(k)),
        covered=units.mean_share(inside[:, np.arange(n), y].mean(axis=0)) if inside is not None and new else None,
        unfamiliar=units.mean_share(novelty > 1) if novelty is not None and new else None,
        costs=measure_costs(abstention.costs, proba, y, prior=prior, groups=groups) if abstention.costs else None,
    )
