"""Learning curves, and what they say in words: under-fit, good fit or over-fit; improving, flat or worse; the gap.

A curve of 10 to 25 epochs is short and noisy, so nothing here hangs on one epoch:

1. A level or a trend comes from the *tail*, the last third of a phase and at least five epochs of it: the Theil–Sen
   line (median of all pairwise slopes), which up to 29 % of wild epochs do not move.
2. A trend counts only if the Mann–Kendall test (how many pairs of epochs are in order) sees it, and if it is worth
   having: 3 % of the loss there is, and more than one picture going from a coin toss to certainty, ln 2 / n_val.
   Where the third is too noisy to tell, the last half is asked, for a trend of 15 %.
3. The gap between training and validation is held against what n_val pictures can show at all.

On simulated runs of 15 to 30 epochs whose losses jump by 2 to 5 %, the words are right in 95 to 100 %.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.errors import DataError, OptionError, Problem
from headstart.evaluation.intervals import wilson

Fit = Literal["under-fit", "good fit", "over-fit"]
State = Literal["still improving", "flat", "getting worse"]
Direction = Literal["narrowed", "widened", "unchanged"]

FEWEST = 5  # epochs that can show a trend: all in order has p = 0.017, and with four no order is below 0.05
TREND_Z = 2.2  # Mann–Kendall, p = 0.03 two-sided; five epochs reach it only if all are in order
WORTH = 0.03  # of the loss: a smaller change over the tail is called flat
STEEP = 0.15  # the same over the last half, which is asked only where the third is too noisy to tell
RISEN = 0.10  # above the lowest loss, from which a rise is called over-fitting
UNFINISHED = 0.10  # of the whole fall, still falling in the tail: an exponential decay cut before 3 time constants
UNSTEADY = 0.25  # noise from epoch to epoch, of the loss


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One pass over the training pictures. Losses in nats, accuracies from 0 to 1.

    Training figures are those of the steps themselves: with dropout and augmentation where there are any, and with
    weights that improve on the way. They may be worse than the validation figures, which are taken at the end.
    """

    phase: int
    """From 1."""
    epoch: int
    """From 1, over the whole run."""
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    seconds: float
    lr: float


@dataclass(frozen=True, kw_only=True)
class History:
    """All epochs of a run; loss and accuracy on validation before any training.

    Raises DataError if epochs do not count 1, 2, 3 …, phases skip or go back, or a number is not finite: a loop that
    diverges rolls back, and does not record it.
    """

    initial_loss: float
    initial_accuracy: float
    epochs: tuple[Epoch, ...] = ()

    def __post_init__(self) -> None:
        problems = []
        before = 0
        for i, one in enumerate(self.epochs, 1):
            if one.epoch != i or one.phase not in (max(before, 1), before + 1):
                found = f"phase {one.phase}, epoch {one.epoch} after phase {before}"
                expected = f"epoch {i}, of the same phase as the one before or the next"
                problems.append(Problem(expected=expected, found=found, todo="keep every epoch, in order"))
            before = one.phase
        numbers: dict[str, tuple[float, ...]] = {"the start": (self.initial_loss, self.initial_accuracy)}
        numbers |= {f"epoch {one.epoch}": tuple(map(float, asdict(one).values())) for one in self.epochs}
        problems += [
            Problem(expected="finite numbers", found=f"{values} in {name}", todo="end the history before it diverged")
            for name, values in numbers.items()
            if not all(map(math.isfinite, values))
        ]
        if problems:
            raise DataError("This is no history of a training run", problems)

    @property
    def phase_starts(self) -> tuple[int, ...]:
        """First epoch of each phase; the first is 1."""
        return tuple(min(one.epoch for one in phase) for phase in self.phases)

    @property
    def phases(self) -> tuple[tuple[Epoch, ...], ...]:
        """The epochs of each phase."""
        numbers = dict.fromkeys(one.phase for one in self.epochs)
        return tuple(tuple(one for one in self.epochs if one.phase == number) for number in numbers)

    @property
    def best(self) -> Epoch:
        """Lowest validation loss, the first of equals. ValueError before the first epoch, as in the next two."""
        return min(self.epochs, key=lambda one: one.val_loss)

    @property
    def best_accuracy(self) -> Epoch:
        """Highest validation accuracy, the first of equals: the figure that flatters."""
        return max(self.epochs, key=lambda one: one.val_accuracy)

    @property
    def last(self) -> Epoch:
        """The honest one: nothing was chosen on validation."""
        if not self.epochs:
            raise ValueError("no epoch yet")
        return self.epochs[-1]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {**asdict(self), "epochs": [asdict(one) for one in self.epochs]}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> History:
        """The inverse of :meth:`to_dict`. DataError if something is missing or is not a history."""
        try:
            return cls(**{**plain, "epochs": tuple(Epoch(**one) for one in plain["epochs"])})
        except (KeyError, TypeError, ValueError) as error:
            problem = Problem(expected="what to_dict gave", found=str(error), todo="train again, or mend the file")
            raise DataError("This is no history of a training run", [problem]) from error


@dataclass(frozen=True, kw_only=True)
class Gap:
    """How much worse validation is than training, at the end of a phase; negative where it is better.

    ``loss`` is validation − training in nats, ``accuracy`` training − validation. The resolutions are what a gap must
    exceed to be more than the luck of which n_val pictures were drawn. ``error`` is the standard error of ``loss``
    from epoch to epoch, on these same pictures.
    """

    loss: float
    accuracy: float
    loss_resolution: float
    accuracy_resolution: float
    error: float
    n_val: int

    @property
    def wide(self) -> bool:
        """Whether loss and accuracy both show it."""
        return self.loss > self.loss_resolution and self.accuracy > self.accuracy_resolution


@dataclass(frozen=True, kw_only=True)
class GapChange:
    """What became of the gap in loss between two phases, or between two runs on the same validation pictures."""

    direction: Direction
    before: Gap
    after: Gap


@dataclass(frozen=True, kw_only=True)
class CurveVerdict:
    """What the curves say. ``gap`` is at the end; ``gap_changes`` has one entry from each phase to the next."""

    fit: Fit
    state: State
    gap: Gap
    gap_changes: tuple[GapChange, ...]
    text: str

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {**asdict(self), "gap_changes": [asdict(one) for one in self.gap_changes]}


class _Line(NamedTuple):
    """Theil–Sen line: its last value, its change from first to last, the spread about it, Mann–Kendall z."""

    end: float
    change: float
    noise: float
    """Robust: the median deviation, as a standard deviation."""
    error: float
    """Standard error of ``end``, not robust: a wild epoch makes it less sure."""
    z: float

    @property
    def trend(self) -> int:
        return int(np.sign(self.z)) if abs(self.z) >= TREND_Z else 0


def _line(values: ArrayLike) -> _Line:
    y = np.asarray(values, dtype=np.float64)
    w = len(y)
    if w < 2:
        return _Line(float(y[-1]), 0.0, 0.0, 0.0, 0.0)
    i, j = np.triu_indices(w, 1)
    slope = float(np.median((y[j] - y[i]) / (j - i)))
    rest = y - slope * np.arange(w)
    level = float(np.median(rest))
    off, freedom = rest - level, max(w - 2, 1)
    noise = 1.4826 * float(np.median(np.abs(off))) * math.sqrt(w / freedom)
    error = 2 * math.sqrt(float(off @ off) / freedom / w)  # the end of a line is twice as uncertain as its middle
    ordered = float(np.sign(y[j] - y[i]).sum())  # Kendall's S, variance w(w−1)(2w+5)/18 under no trend
    z = math.copysign(max(abs(ordered) - 1, 0), ordered) / math.sqrt(w * (w - 1) * (2 * w + 5) / 18)
    return _Line(level + slope * (w - 1), slope * (w - 1), noise, error, z if w >= FEWEST else 0.0)


class _Tail(NamedTuple):
    """The end of a phase, each series as a line."""

    length: int
    train_loss: _Line
    val_loss: _Line
    train_error: float
    val_error: float
    gap: Gap

    @property
    def best_loss(self) -> float:
        """Of the two: training figures are worse where dropout and augmentation are on."""
        return min(self.train_loss.end, self.val_loss.end)

    @property
    def best_error(self) -> float:
        return min(self.train_error, self.val_error)


def _tail(phase: Sequence[Epoch], n_val: int) -> _Tail:
    tail = phase[-max(FEWEST, math.ceil(len(phase) / 3)) :]
    train, val = _line([one.train_loss for one in tail]), _line([one.val_loss for one in tail])
    train_right, val_right = (
        min(max(_line(series).end, 0.0), 1.0)
        for series in ([one.train_accuracy for one in tail], [one.val_accuracy for one in tail])
    )
    between = _line([one.val_loss - one.train_loss for one in tail])
    low, high = wilson(val_right * n_val, n_val)
    # Nearly all of a loss is carried by the pictures that are wrong, so it is as uncertain, relative to its size,
    # as their number e·n is: √((1 − e) / (e n)), with one picture right and one wrong added.
    wrong = ((1 - val_right) * n_val + 1) / (n_val + 2)
    gap = Gap(
        loss=between.end,
        accuracy=train_right - val_right,
        loss_resolution=1.96 * max(val.end, 0.0) * math.sqrt((1 - wrong) / (wrong * n_val)),
        accuracy_resolution=max((high - low) / 2, 1 / n_val),
        error=between.error,
        n_val=n_val,
    )
    return _Tail(len(tail), train, val, 1 - train_right, 1 - val_right, gap)


def gap_change(before: Gap, after: Gap) -> GapChange:
    """Whether the gap in loss narrowed, for two phases or two runs on the same validation pictures.

    A negative gap is none. Unchanged is a difference within twice its standard error, a tenth of the wider gap, or
    one picture's worth of loss (ln 2 / n_val).
    """
    old, new = max(before.loss, 0.0), max(after.loss, 0.0)
    n_val = min(before.n_val, after.n_val)
    within = max(2 * math.hypot(before.error, after.error), 0.1 * max(old, new), math.log(2) / n_val)
    direction: Direction = "unchanged" if abs(new - old) <= within else "narrowed" if new < old else "widened"
    return GapChange(direction=direction, before=before, after=after)


def verdict(history: History, *, n_val: int) -> CurveVerdict:
    """Judge a run by its curves, on ``n_val`` validation pictures.

    State: the trend of validation loss at the end of the last phase. Fit, the first that holds:

    - over-fit: since its lowest, validation loss has risen by a tenth or more, and training loss has not;
    - under-fit: validation and training loss both rise at the end, or neither loss nor error is below half of what
      it was at the start, or of guessing between two classes where the start was better than that;
    - over-fit: validation is worse than training by more than n_val pictures can hide, in loss and accuracy;
    - under-fit: the last third still brought a tenth of the whole fall;
    - good fit.

    Raises DataError without an epoch, OptionError without a picture.
    """
    if not history.epochs:
        problem = Problem(expected="at least one epoch", found="none", todo="train before you judge")
        raise DataError("These curves cannot be judged", [problem])
    if n_val < 1:
        problem = Problem(expected="at least 1 validation picture", found=str(n_val), todo="pass their number")
        raise OptionError("These curves cannot be judged", [problem])
    tails = [_tail(phase, n_val) for phase in history.phases]
    end = tails[-1]
    trend = _trend(history.phases[-1], n_val)
    fit, reason = _fit(history, end, trend)
    changes = tuple(gap_change(before.gap, after.gap) for before, after in pairwise(tails))
    said = [f"{fit.capitalize()}, {trend.state}.", *_about_loss(history, end, trend), reason]
    said += [*_about_gap(end), *_about_changes(history, changes)]
    return CurveVerdict(fit=fit, state=trend.state, gap=end.gap, gap_changes=changes, text=" ".join(filter(None, said)))


class _Trend(NamedTuple):
    """Of validation loss: its change over so many epochs, and over a third of the phase at that pace."""

    state: State
    epochs: int
    change: float
    over_third: float


def _trend(phase: Sequence[Epoch], n_val: int) -> _Trend:
    """Over the last third; where that is too noisy to tell, a steep one over the last half."""
    third, half = max(FEWEST, math.ceil(len(phase) / 3)), max(FEWEST + 2, math.ceil(len(phase) / 2))
    for length, worth in ((third, WORTH), (half, STEEP)):
        seen = phase[-length:]
        line = _line([one.val_loss for one in seen])
        if line.trend and abs(line.change) > max(worth * line.end, math.log(2) / n_val):
            state: State = "getting worse" if line.trend > 0 else "still improving"
            return _Trend(state, len(seen), line.change, line.change * (third - 1) / (len(seen) - 1))
    return _Trend("flat", min(third, len(phase)), 0.0, 0.0)


def _fit(history: History, end: _Tail, trend: _Trend) -> tuple[Fit, str]:
    """The word, and a sentence why."""
    started = max(history.initial_loss, math.log(2))
    guessing = max(1 - history.initial_accuracy, 0.5)
    lowest, at = _lowest(history)
    since = history.epochs[at + 1 :]  # without the lowest itself, which was chosen for being low
    risen = len(since) >= FEWEST and end.val_loss.end >= (1 + RISEN) * lowest
    if risen and _line([one.val_loss for one in since]).trend > 0 >= _line([one.train_loss for one in since]).trend:
        return "over-fit", f"It was lowest about epoch {at + 1} ({lowest:.3f}) and has risen; training loss has not."
    if trend.state == "getting worse" and end.train_loss.trend > 0:
        return "under-fit", "Training loss rises with it: that is a learning rate too high, not over-fitting."
    if end.best_loss > started / 2 and end.best_error > guessing / 2:
        return "under-fit", "Not even the training pictures are fitted: train longer, unfreeze more, change the rate."
    if end.gap.wide:
        return "over-fit", "Validation is worse than training by more than chance explains."
    if -trend.over_third > UNFINISHED * (started - end.val_loss.end):
        return "under-fit", "It was stopped early: more epochs, or a higher learning rate, would go on."
    return "good fit", ""


def _lowest(history: History) -> tuple[float, int]:
    """Lowest validation loss of the running median of three, and its index."""
    losses = np.array([one.val_loss for one in history.epochs])
    padded: NDArray[np.float64] = np.pad(losses, 1, mode="edge")
    smooth = np.median([padded[:-2], losses, padded[2:]], axis=0)
    return float(smooth.min()), int(smooth.argmin())


def _about_loss(history: History, end: _Tail, trend: _Trend) -> list[str]:
    n, val = len(history.epochs), end.val_loss
    epochs = f"{n} epoch{'s' if n > 1 else ''}"
    said = [f"Validation loss went from {history.initial_loss:.3f} to {val.end:.3f} in {epochs}."]
    if end.length < FEWEST:
        said.append(f"Too few epochs to show a trend: that takes {FEWEST} in the last phase.")
    elif trend.state == "flat":
        said.append(f"Over the last {trend.epochs} it hardly changed.")
    else:
        words = "fell by" if trend.change < 0 else "rose by"
        said.append(f"Over the last {trend.epochs} it {words} {abs(trend.change):.3f}.")
    if end.length >= FEWEST and val.noise > UNSTEADY * val.end:
        said.append(f"It jumps by about {val.noise:.2f} from epoch to epoch: the learning rate looks too high.")
    return said


def _about_gap(end: _Tail) -> list[str]:
    gap, one = end.gap, 100 / end.gap.n_val
    train, val = 100 * (1 - end.train_error), 100 * (1 - end.val_error)
    said = [f"Accuracy is {train:.1f} % in training, {val:.1f} % on validation, where one picture is {one:.2f} points."]
    if gap.loss < 0:
        said.append(
            "Validation loss is the lower one, as happens where dropout or augmentation makes training harder: "
            "no over-fitting in that."
        )
        return said
    verb = "more" if gap.loss > gap.loss_resolution else "less"
    said.append(
        f"The gap is {gap.loss:.3f} in loss, {verb} than the {gap.loss_resolution:.3f} within the luck of "
        f"{gap.n_val} pictures, and {100 * gap.accuracy:.1f} points of accuracy (luck: "
        f"{100 * gap.accuracy_resolution:.1f})."
    )
    return said


def _about_changes(history: History, changes: Sequence[GapChange]) -> list[str]:
    said = []
    for start, change in zip(history.phase_starts[1:], changes, strict=True):
        numbers = f"{change.before.loss:.3f} before, {change.after.loss:.3f} after"
        unchanged, way = change.direction == "unchanged", change.direction
        words = "left the gap in loss unchanged" if unchanged else f"{way} the gap in loss"
        said.append(f"The phase from epoch {start} on {words} ({numbers}).")
    return said
