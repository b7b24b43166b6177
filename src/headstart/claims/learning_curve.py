"""What more pictures would bring: accuracy over the number of pictures, and where the curve goes from there.

The chosen head is fitted again on nested parts of the pictures, a half, a quarter, an eighth of each class, and tested
on pictures of none of them (cross-validation, several draws). A power law says how it goes on. Then
half of one class at a time is left out: the class whose pictures are missed most is the one to photograph next.

The error with m pictures is described by an inverse power law with a limit, ``e(m) = E · (f + (1 − f) · (m / M)^−c)``,
the form that learning curves have been found to follow (Viering and Loog, "The shape of learning curves: a review",
2022). E is the error at M, the largest part; f the share of it that no number of pictures removes; c how fast the rest
goes.

All triples (E, f, c) that agree with the measured curve are kept, each with its posterior weight, and every forecast is
an interval of what they say. So where the curve is known badly, as it is when only three mistakes are left to count,
the interval is wide. What is measured twice on the same pictures is compared picture by picture: the level E is as
certain as a share of n pictures, the shape (f, c) follows from the covariance of the errors at the different sizes.

No curve says of itself how long it will go on falling: heads on well separated classes fall steeply and then not at
all, heads on small defects slowly and then faster. So beyond M each curve goes u times the way that it promises (on the
logarithm of the error), with u anything from 0 to 2. ``benchmarks/learning_curve.py`` measures what that is worth.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.arrays import Floats, Index, Labels
from headstart.claims.parts import SMALLEST_PER_CLASS, FixedHead, Pictures, logits_of_parts, places_in, shares_of
from headstart.evaluation.calibration import fit_temperature, softmax
from headstart.evaluation.intervals import Estimate, Units
from headstart.evaluation.losses import log_losses
from headstart.evaluation.paired import ALPHA
from headstart.files import plain
from headstart.images.splits import folds
from headstart.probe.heads import Axes, principal_axes

FORECAST_LEVEL = 0.90
"""Of the interval of a forecast; how often it holds the truth is measured in ``benchmarks/learning_curve.py``."""
DRAWS = 3
"""Random parts of each size and fold. Chosen for its cost: with five folds, 15 heads at each size."""
MOST_CLASSES = 10
"""Classes whose pictures are halved, one class at a time: those with most of the loss. Chosen for its cost."""
FASTEST = 1.5
"""Largest power c. Chosen, not measured alone; how often forecasts with it hold: ``benchmarks/learning_curve.py``."""
MOST_STRETCH = 2.0
"""Largest u: times the way its law promises that a curve goes. Set on the sets in ``benchmarks/learning_curve.py``."""
MISFIT = 0.2
"""Of the logarithm of an error, per doubling, that the power law may miss whatever the pictures say. Chosen, not
measured alone; how often forecasts with it hold: ``benchmarks/learning_curve.py``."""

MOST_TIMES = 1000
"""Times as many pictures as there are that are considered at all. Chosen; nobody collects more."""


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """The accuracy to expect with ``pictures`` in all: median and central 90 % interval."""

    pictures: int
    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class ClassNeed:
    """What half of a class's pictures are worth: how much the loss rises when they are taken away.

    ``rise`` is the mean rise of the log-loss over all pictures in nats, ``low`` to ``high`` its 95 % interval, and
    ``per_hundred`` the same for 100 pictures taken away. ``recall``: share of the class that is recognised.
    """

    name: str
    pictures: int
    recall: Estimate
    rise: float
    low: float
    high: float
    per_hundred: float
    stands_out: bool = False
    """Whether a picture of it is worth more than one of the others on average, at the 5 % level."""


@dataclass(frozen=True, kw_only=True)
class LearningCurve:
    """Accuracy over the number of pictures, measured up to ``sizes[-1]`` and forecast beyond."""

    n: int
    """Pictures there are."""
    sample: int
    """Pictures of these that it was measured on, with those of each class in `needs`."""
    sizes: tuple[int, ...]
    """Pictures the head was fitted on, rising."""
    measured: tuple[Estimate, ...]
    """Accuracy at each size with its 95 % interval."""
    draws: tuple[int, ...]
    """Heads fitted at each size."""
    needs: tuple[ClassNeed, ...]
    """Of each class, most worth per picture first; empty where one class alone could not be halved."""
    posterior: Floats = field(repr=False)
    """(s, 4) equally likely curves: E, f, c, u."""

    def errors(self, pictures: int | NDArray[Any]) -> Floats:
        """Error in (0, 1) with so many pictures, by each curve of the posterior: (s,) or (s, m)."""
        E, f, c, u = (column[:, None] for column in self.posterior.T)
        ratio = np.atleast_1d(np.asarray(pictures, dtype=np.float64)) / self.sizes[-1]
        relative = f + (1 - f) * ratio**-c
        error = np.clip(E * np.where(ratio > 1, relative**u, relative), 0.0, 1.0)
        return np.asarray(error[:, 0] if np.ndim(pictures) == 0 else error)

    def at(self, pictures: int) -> Forecast:
        """The accuracy to expect with ``pictures`` in all."""
        low, value, high = np.quantile(1 - self.errors(pictures), _QUANTILES).tolist()
        return Forecast(pictures=pictures, value=value, low=low, high=high)

    def gain(self, pictures: int) -> tuple[float, float, float]:
        """How much accuracy is gained on what there is with ``pictures`` in all: median, low, high, from 0 to 1."""
        low, value, high = np.quantile(self.errors(self.n) - self.errors(pictures), _QUANTILES).tolist()
        return value, low, high

    def more_for(self, share: float) -> tuple[float, float, float]:
        """How many more pictures make the error ``share`` (0 to 1) smaller: median, low, high; inf where none do.

        None are thought to do where it would take more than MOST_TIMES as many pictures.
        """
        _, f, c, u = self.posterior.T
        now = f + (1 - f) * (self.n / self.sizes[-1]) ** -c
        left = (1 - share) ** (1 / u) * now - f
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            needed = np.where(left > 0, (left / (1 - f)) ** (-1 / c) * self.sizes[-1], math.inf)
        needed = np.where(needed > MOST_TIMES * self.n, math.inf, needed) - self.n
        low, value, high = np.quantile(needed, _QUANTILES, method="nearest").tolist()
        return value, low, high

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        value, low, high = self.gain(2 * self.n)
        return {
            "n": self.n,
            "sample": self.sample,
            "measured": [
                {"pictures": size, "draws": draws, **accuracy.to_dict()}
                for size, draws, accuracy in zip(self.sizes, self.draws, self.measured, strict=True)
            ],
            "forecasts": [plain(self.at(times * self.n), level=FORECAST_LEVEL) for times in (1, 2, 4)],
            "gain_from_doubling": {"value": value, "low": low, "high": high, "level": FORECAST_LEVEL},
            "more_for_a_quarter_fewer_mistakes": [
                None if math.isinf(number) else round(number) for number in self.more_for(0.25)
            ],
            "classes": [
                plain(need, "name", "pictures", "recall")
                | {"rise_when_halved": {"value": need.rise, "low": need.low, "high": need.high}}
                | plain(need, "per_hundred", "stands_out")
                for need in self.needs
            ],
        }


@dataclass(frozen=True, kw_only=True)
class Whole:
    """The pictures that a sample was drawn from, and the sample's answers by heads fitted on nearly all of them."""

    n: int
    """Pictures there are."""
    fitted: int
    """Of them each head was fitted on."""
    heads: int
    """How many there were."""
    proba: Floats = field(repr=False)
    """(m, k) out of fold, of the m pictures of the sample."""


_QUANTILES = ((1 - FORECAST_LEVEL) / 2, 0.5, (1 + FORECAST_LEVEL) / 2)


def learning_curve(pictures: Pictures, recipe: FixedHead, *, seed: int, whole: Whole | None = None) -> LearningCurve:
    """Measure the curve of ``recipe`` on ``pictures`` and extrapolate it.

    ``whole``: what they are a sample of. Its heads add a point to the curve, measured on the sample, and forecasts
    count from there. Costs as much as fitting the head about thirty times on the sample. Raises DataError where not
    even two folds can be made.
    """
    y, n = pictures.y, len(pictures.y)
    axes = principal_axes(pictures.X)
    units = Units.of(n, pictures.groups)
    splits = folds(y, pictures.groups, seed=seed, classes=pictures.classes)
    rng = np.random.default_rng(seed)
    places = [places_in(y, pictures.groups, train, rng) for train, _ in splits for _ in range(DRAWS)]
    tests = [test for _, test in splits for _ in range(DRAWS)]
    shares = shares_of(y, places)
    sizes, wrong = [], []
    for share in shares:
        once = slice(None, None, DRAWS) if share == 1.0 else slice(None)  # all pictures are the same in every draw
        rows = np.array([place <= share for place in places[once]])
        sizes.append(round(float(rows.sum(axis=1).mean())))
        logits = logits_of_parts(axes, pictures, recipe, rows, tests[once])
        wrong.append((logits.argmax(axis=2) != y).mean(axis=0))
        if share == 1.0:
            all_of_them = logits[0]
    draws = [len(splits) * (1 if share == 1.0 else DRAWS) for share in shares]
    if whole is not None:
        sizes.append(whole.fitted)
        wrong.append((whole.proba.argmax(axis=1) != y).astype(np.float64))
        draws.append(whole.heads)
    errors = np.array(wrong)  # (sizes, n)
    return LearningCurve(
        n=n if whole is None else whole.n,
        sample=n,
        sizes=tuple(sizes),
        measured=tuple(units.mean_share(1 - row) for row in errors),
        draws=tuple(draws),
        needs=_needs(axes, pictures, recipe, units, places, tests, all_of_them),
        posterior=equally_likely(errors, np.array(sizes, dtype=np.float64), units, rng),
    )


def _needs(
    axes: Axes,
    pictures: Pictures,
    recipe: FixedHead,
    units: Units,
    places: Sequence[Floats],
    tests: Sequence[Index],
    whole: Floats,
) -> tuple[ClassNeed, ...]:
    """Leave out half of each class in turn, and measure by how much the log-loss of all pictures rises.

    ``whole`` (n, k): logits of heads fitted on all pictures. A head that has seen fewer of a class gives it less
    probability in general; that is taken back on the logits by the logarithm of the ratio.
    """
    y, n = pictures.y, len(pictures.y)
    groups_of = np.bincount(y[np.unique(pictures.groups, return_index=True)[1]], minlength=len(pictures.classes))
    losses = _losses(whole, y)
    order = np.argsort([-losses[y == c].sum() if (y == c).any() else 0.0 for c in range(len(pictures.classes))])
    looked_at = [int(c) for c in order[:MOST_CLASSES] if groups_of[c] >= 2 * SMALLEST_PER_CLASS]
    needs: list[tuple[ClassNeed, Floats]] = []
    for c in looked_at:
        in_class = y == c
        own = np.flatnonzero(in_class)
        all_of_it = np.array([(place <= 1) & in_class for place in places])
        rows = np.array([(place <= 1) & ~(in_class & (place > 0.5)) for place in places])
        counts, left = all_of_it.sum(axis=1), np.maximum((rows & in_class).sum(axis=1), 1)
        shift = np.zeros((len(rows), len(pictures.classes)))
        if recipe.family != "nearest mean" and not recipe.balanced:
            shift[:, c] = np.log(counts / left)
        logits = logits_of_parts(axes, pictures, recipe, rows, tests, shift)
        rise = np.mean([_losses(draw, y) for draw in logits], axis=0) - losses
        removed, error = float((counts - left).mean()), 1.96 * math.sqrt(units.variance((rise - rise.mean()) / n))
        need = ClassNeed(
            name=pictures.classes[c],
            pictures=len(own),
            recall=Units.of(len(own), pictures.groups[own]).mean_share(whole[own].argmax(axis=1) == c),
            rise=float(rise.mean()),
            low=float(rise.mean()) - error,
            high=float(rise.mean()) + error,
            per_hundred=100 * float(rise.mean()) / removed,
        )
        needs.append((need, rise / removed))
    return _ranked(needs, units)


def _losses(logits: Floats, y: Labels) -> Floats:
    """Log-loss (n,) of each picture after calibration, as a head fitted on fewer pictures is less sure in general."""
    proba = softmax(logits, fit_temperature(logits, y))
    return log_losses(proba, y)


def _ranked(rises: list[tuple[ClassNeed, Floats]], units: Units) -> tuple[ClassNeed, ...]:
    """Most worth per picture first; the first stands out if it can be told from the mean of the others.

    ``rises``: with each class, the rise (n,) of every picture's log-loss for one picture left out.
    """
    rises.sort(key=lambda pair: -pair[0].per_hundred)
    needs = [need for need, _ in rises]
    if len(rises) > 1:
        n = len(rises[0][1])
        lead = rises[0][1] - np.mean([rise for _, rise in rises[1:]], axis=0)
        # The first of many is first by luck too: Bonferroni over the classes.
        z = NormalDist().inv_cdf(1 - ALPHA / (2 * len(rises)))
        apart = float(lead.mean()) > z * math.sqrt(units.variance((lead - lead.mean()) / n))
        needs[0] = replace(needs[0], stands_out=bool(apart and needs[0].low > 0))
    return tuple(needs)


def equally_likely(
    errors: Floats, sizes: Floats, units: Units, rng: np.random.Generator, samples: int = 2000
) -> Floats:
    """Equally likely (E, f, c, u), (samples, 4), given errors (J, n) of each picture at each size.

    Prior: Jeffreys' for E; f uniform in (0, 1); c uniform in (0, FASTEST). Likelihood: the level is binomial; the
    logarithms of the errors at smaller sizes, less that at the largest, are normal with the covariance seen over
    pictures, half a mistake added so that none seen is not none at all.
    """
    n, last = errors.shape[1], float(errors[-1].mean())
    variance = units.variance((errors[-1] - last) / n)
    seen = last * (1 - last) / variance if variance > 0 else float(units.count)
    size = float(n if units.alone else min(n, seen))
    middle, width = math.asin(math.sqrt((last * size + 0.5) / (size + 1))), 2.5 / math.sqrt(size)
    angle = np.linspace(max(middle - width, 1e-3), min(middle + width, math.pi / 2), 81)  # E = sin² of a uniform angle
    f, c = (np.arange(40) + 0.5) / 40, (np.arange(40) + 0.5) / 40 * FASTEST

    level = np.sin(angle) ** 2
    log_level = size * (last * np.log(level) + (1 - last) * np.log1p(-np.minimum(level, 1 - 1e-12)))
    log_shape = np.zeros((len(f), len(c)))
    if len(sizes) > 1:
        means = errors.mean(axis=1)
        smooth = means + 0.5 / n
        influence = (errors - means[:, None]) / (n * smooth[:, None])
        ratio = influence[:-1] - influence[-1]
        sums = np.stack([np.bincount(units.codes, weights=row, minlength=units.count) for row in ratio])
        unseen = 0.25 / (n * smooth) ** 2
        covariance = sums @ sums.T + np.diag(unseen[:-1]) + unseen[-1]
        covariance += MISFIT**2 * np.diag(np.log2(sizes[-1] / sizes[:-1]))
        relative = f[:, None, None] + (1 - f)[:, None, None] * (sizes[:-1] / sizes[-1]) ** -c[:, None]
        off = np.log(smooth[:-1] / smooth[-1]) - np.log(relative)  # (f, c, J − 1)
        log_shape = -0.5 * np.einsum("fcj,jk,fck->fc", off, np.linalg.inv(covariance), off)
    pick = rng.choice(len(level), size=samples, p=_normalised(log_level))
    shape = rng.choice(log_shape.size, size=samples, p=_normalised(log_shape).ravel())
    trusted = MOST_STRETCH * (rng.permutation(samples) + 0.5) / samples
    return np.column_stack([level[pick], f[shape // len(c)], c[shape % len(c)], trusted])


def _normalised(log_weight: Floats) -> Floats:
    weight = np.exp(log_weight - log_weight.max())
    return np.asarray(weight / weight.sum())
