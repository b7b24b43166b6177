"""What learning curves show: under-fit, good fit or over-fit; improving, flat or worse; the gap.

A curve of 10 to 25 epochs is short and noisy, so nothing here hangs on one epoch:

1. A level or a trend comes from the *tail*, the last third of a phase and at least five epochs of it: the Theil–Sen
   line (median of all pairwise slopes), which up to 29 % of wild epochs do not move.
2. A trend counts only if the Mann–Kendall test (how many pairs of epochs are in order) sees it, and if it is worth
   having: 3 % of the loss there is, and more than one picture going from a coin toss to certainty, ln 2 / n_val.
   Where the third is too noisy to tell, the last half is asked, for a trend of 15 %.
3. The gap between training and validation is held against what n_val pictures can show at all.

On simulated runs of 15 to 30 epochs whose losses jump by 2 to 5 %, fit and state are right in 95 to 100 %
(``tests/test_evaluation_curves.py``); the thresholds below that name no other source were set on those, and
``benchmarks/curve_verdicts.py`` shows what half and twice of each would do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from headstart.arrays import Floats
from headstart.errors import DataError, OptionError
from headstart.evaluation.history import Epoch, History
from headstart.evaluation.intervals import wilson

Fit = Literal["under-fit", "good fit", "over-fit"]
TrendState = Literal["still improving", "flat", "getting worse"]
Direction = Literal["narrowed", "widened", "unchanged"]
Reason = Literal["loss has risen", "both losses rise", "not fitted", "wide gap", "stopped early", "none"]
"""Why a fit was called so; ``none`` for a good one. See `verdict`."""

FEWEST_EPOCHS = 5
"""Epochs that can show a trend: all in order has p = 0.017 by Mann–Kendall, and with four no order is below 0.05."""
TREND_Z = 2.2
"""Standard deviations of the Mann–Kendall test, p = 0.03 two-sided; five epochs reach it only if all are in order."""
TAIL = 1 / 3
"""Share of a phase's epochs that its end is judged by."""
FLAT_CHANGE = 0.03
"""Share of the loss: a smaller change over the last third is called flat. By simulation; half and twice do as well."""
STEEP = 0.15
"""The same over the last half, which is asked only where the third is too noisy to tell. By simulation: with half of it
up to 14 % of settled runs are called wrong, with twice up to 18 % of rising ones."""
RISEN = 0.10
"""Share above the lowest loss, from which a rise is called over-fitting. By simulation; half and twice do as well."""
UNFINISHED = 0.10
"""Share of the whole fall that still came in the tail: an exponential decay that was cut before 3 time constants."""
HARDLY_LEARNED = 0.5
"""Share of the loss and of the error at the start; above it the training pictures are not fitted. By
simulation; half does as well, and with twice a run that learned nothing is not seen."""
UNSTEADY = 0.25
"""Share of the loss: noise from epoch to epoch at which the learning rate looks too high. Chosen, not measured: one
sentence depends on it."""
SAME_GAP = 0.1
"""Share of the wider of two gaps, within which they are called unchanged. Chosen, not measured: one sentence depends on
it."""
NORMAL_95 = 1.96
"""Standard errors on either side that hold 95 % of a normal law."""


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


@dataclass(frozen=True, kw_only=True)
class GapChange:
    """What became of the gap in loss between two phases, or between two runs on the same validation pictures."""

    direction: Direction
    before: Gap
    after: Gap


@dataclass(frozen=True, kw_only=True)
class Trend:
    """Of validation loss at the end of a phase: its change over so many epochs, and over a third of the phase."""

    state: TrendState
    epochs: int
    change: float
    """Nats, over ``epochs``; negative where the loss falls."""
    over_third: float
    """Nats, over a third of the phase at the same pace."""


class Line(NamedTuple):
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
        """−1 where it falls, 1 where it rises, 0 where that cannot be told."""
        return int(np.sign(self.z)) if abs(self.z) >= TREND_Z else 0


class Tail(NamedTuple):
    """The end of a phase: each loss as a line, both accuracies at its end, and the gap."""

    length: int
    """Epochs that levels are taken from; fewer than `FEWEST_EPOCHS` show no trend."""
    train_loss: Line
    val_loss: Line
    train_accuracy: float
    val_accuracy: float
    gap: Gap


@dataclass(frozen=True, kw_only=True)
class CurveVerdict:
    """What the curves of a run show; `headstart.report.curves` says it in English."""

    history: History
    fit: Fit
    reason: Reason
    trend: Trend
    end: Tail
    """Of the last phase."""
    gap_changes: tuple[GapChange, ...]
    """From each phase to the next."""
    lowest_loss: float
    """Of the running median of three epochs."""
    lowest_epoch: int

    @property
    def unsteady(self) -> bool:
        """Whether validation loss jumps so far that the learning rate looks too high."""
        loss = self.end.val_loss
        return self.end.length >= FEWEST_EPOCHS and loss.noise > UNSTEADY * loss.end


def _line(values: ArrayLike) -> Line:
    y = np.asarray(values, dtype=np.float64)
    from scipy.stats import median_abs_deviation

    w = len(y)
    if w < 2:
        return Line(float(y[-1]), 0.0, 0.0, 0.0, 0.0)
    i, j = np.triu_indices(w, 1)
    slope = float(np.median((y[j] - y[i]) / (j - i)))
    rest = y - slope * np.arange(w)
    level = float(np.median(rest))
    off, freedom = rest - level, max(w - 2, 1)
    noise = float(median_abs_deviation(rest, scale="normal")) * math.sqrt(w / freedom)
    error = 2 * math.sqrt(float(off @ off) / freedom / w)  # the end of a line is twice as uncertain as its middle
    ordered = float(np.sign(y[j] - y[i]).sum())  # Kendall's S, variance w(w−1)(2w+5)/18 under no trend
    z = math.copysign(max(abs(ordered) - 1, 0), ordered) / math.sqrt(w * (w - 1) * (2 * w + 5) / 18)
    return Line(level + slope * (w - 1), slope * (w - 1), noise, error, z if w >= FEWEST_EPOCHS else 0.0)


def _series(epochs: Sequence[Epoch], name: str) -> Line:
    """The line through one field of these epochs."""
    return _line([getattr(epoch, name) for epoch in epochs])


def _tail(phase: Sequence[Epoch], n_val: int) -> Tail:
    tail = phase[-_third(phase) :]
    train, val = _series(tail, "train_loss"), _series(tail, "val_loss")
    train_right, val_right = (
        min(max(_series(tail, name).end, 0.0), 1.0) for name in ("train_accuracy", "val_accuracy")
    )
    between = _line([epoch.val_loss - epoch.train_loss for epoch in tail])
    low, high = wilson(val_right * n_val, n_val)
    # Nearly all of a loss is carried by the pictures that are wrong, so it is as uncertain, relative to its size,
    # as their number e·n is: √((1 − e) / (e n)), with one picture right and one wrong added.
    wrong = ((1 - val_right) * n_val + 1) / (n_val + 2)
    gap = Gap(
        loss=between.end,
        accuracy=train_right - val_right,
        loss_resolution=NORMAL_95 * max(val.end, 0.0) * math.sqrt((1 - wrong) / (wrong * n_val)),
        accuracy_resolution=max((high - low) / 2, 1 / n_val),
        error=between.error,
        n_val=n_val,
    )
    return Tail(len(tail), train, val, train_right, val_right, gap)


def _third(phase: Sequence[Epoch]) -> int:
    """Epochs in the tail of a phase."""
    return max(FEWEST_EPOCHS, math.ceil(len(phase) * TAIL))


def gap_change(before: Gap, after: Gap) -> GapChange:
    """Whether the gap in loss narrowed, for two phases or two runs on the same validation pictures.

    A negative gap is none. Unchanged is a difference within twice its standard error, a tenth of the wider gap, or
    one picture's worth of loss (ln 2 / n_val).
    """
    old, new = max(before.loss, 0.0), max(after.loss, 0.0)
    n_val = min(before.n_val, after.n_val)
    within = max(2 * math.hypot(before.error, after.error), SAME_GAP * max(old, new), math.log(2) / n_val)
    direction: Direction = "unchanged" if abs(new - old) <= within else "narrowed" if new < old else "widened"
    return GapChange(direction=direction, before=before, after=after)


def verdict(history: History, *, n_val: int) -> CurveVerdict:
    """Judge a run by its curves, on ``n_val`` validation pictures.

    State: the trend of validation loss at the end of the last phase. Fit and reason, the first that holds:

    - over-fit, ``loss has risen``: since its lowest, validation loss has risen by a tenth or more, and training loss
      has not;
    - under-fit, ``both losses rise``: validation and training loss both rise at the end;
    - under-fit, ``not fitted``: neither loss nor error is below half of what it was at the start, or of guessing
      between two classes where the start was better than that;
    - over-fit, ``wide gap``: validation is worse than training by more than n_val pictures can hide, in loss and
      accuracy;
    - under-fit, ``stopped early``: the last third still brought a tenth of the whole fall;
    - good fit.

    Raises DataError without an epoch, OptionError without a picture.
    """
    what = "These curves cannot be judged"
    if not history.epochs:
        raise DataError.of(what, expected="at least one epoch", found="none", todo="train before you judge")
    if n_val < 1:
        raise OptionError.of(what, expected="at least 1 validation picture", found=str(n_val), todo="pass their number")
    tails = [_tail(phase, n_val) for phase in history.phases]
    end = tails[-1]
    trend = _trend(history.phases[-1], n_val)
    lowest, at = _lowest(history)
    fit, reason = _fit(history, end, trend, lowest, at)
    return CurveVerdict(
        history=history,
        fit=fit,
        reason=reason,
        trend=trend,
        end=end,
        gap_changes=tuple(gap_change(before.gap, after.gap) for before, after in pairwise(tails)),
        lowest_loss=lowest,
        lowest_epoch=at + 1,
    )


def _trend(phase: Sequence[Epoch], n_val: int) -> Trend:
    """Over the last third; where that is too noisy to tell, a steep one over the last half."""
    third, half = _third(phase), max(FEWEST_EPOCHS + 2, math.ceil(len(phase) / 2))
    for length, worth in ((third, FLAT_CHANGE), (half, STEEP)):
        seen = phase[-length:]
        line = _series(seen, "val_loss")
        if line.trend and abs(line.change) > max(worth * line.end, math.log(2) / n_val):
            pace = line.change / (len(seen) - 1)
            state: TrendState = "getting worse" if line.trend > 0 else "still improving"
            return Trend(state=state, epochs=len(seen), change=line.change, over_third=pace * (third - 1))
    return Trend(state="flat", epochs=min(third, len(phase)), change=0.0, over_third=0.0)


def _fit(history: History, end: Tail, trend: Trend, lowest: float, at: int) -> tuple[Fit, Reason]:
    """The first of the cases of `verdict` that holds; ``lowest`` is the lowest validation loss, of epoch ``at``."""
    started = max(history.initial_loss, math.log(2))
    guessing = max(1 - history.initial_accuracy, 0.5)
    since = history.epochs[at + 1 :]  # without the lowest itself, which was chosen for being low
    risen = len(since) >= FEWEST_EPOCHS and end.val_loss.end >= (1 + RISEN) * lowest
    if risen and _series(since, "val_loss").trend > 0 >= _series(since, "train_loss").trend:
        return "over-fit", "loss has risen"
    if trend.state == "getting worse" and end.train_loss.trend > 0:
        return "under-fit", "both losses rise"
    # The better of the two: training figures are worse where dropout and augmentation are on.
    loss = min(end.train_loss.end, end.val_loss.end)
    error = 1 - max(end.train_accuracy, end.val_accuracy)
    if loss > HARDLY_LEARNED * started and error > HARDLY_LEARNED * guessing:
        return "under-fit", "not fitted"
    if end.gap.loss > end.gap.loss_resolution and end.gap.accuracy > end.gap.accuracy_resolution:
        return "over-fit", "wide gap"
    if -trend.over_third > UNFINISHED * (started - end.val_loss.end):
        return "under-fit", "stopped early"
    return "good fit", "none"


def _lowest(history: History) -> tuple[float, int]:
    """Lowest validation loss of the running median of three, and its index."""
    losses = np.array([epoch.val_loss for epoch in history.epochs])
    padded: Floats = np.pad(losses, 1, mode="edge")
    smooth = np.median([padded[:-2], losses, padded[2:]], axis=0)
    return float(smooth.min()), int(smooth.argmin())
