"""The learning curve over the number of pictures as a section of the report: would more pictures help?"""

from __future__ import annotations

import math

import numpy as np

from headstart.claims.learning_curve import LearningCurve
from headstart.report.drawing import ACCENT, INK, MUTED, as_svg, drawn, percent_axis, plot
from headstart.report.section import Section, Table, text, with_interval
from headstart.report.words import counted, magnitude, number

AHEAD = 4
"""Times the pictures there are, to which the forecast is drawn. Chosen, not measured: the figure alone."""
REACH = 100
"""Times the pictures there are, from which a number is called out of reach. Chosen, not measured: words alone."""
LITTLE = 0.005
"""Rise of accuracy, 0 to 1, that is called little. Chosen, not measured: the words alone; the numbers stand beside."""
SURE = 0.001
"""Rise of accuracy at the lower end of the interval, from which pictures help and not only may. It is the last decimal
that is shown."""


def learning_curve_section(curve: LearningCurve) -> Section:
    """What more pictures would bring, and of which class."""
    return Section(
        id="more-pictures",
        title="Would more pictures help?",
        aside=f"Measured on parts of {_measured(curve)}, and forecast beyond what there are.",
        sentences=curve_sentences(curve),
        figures=(forecast_figure(curve),),
        table=Table(
            about="What each class's pictures are worth",
            columns=("class", "pictures", "recognised", "loss without half", "per 100"),
            rows=tuple(
                (
                    need.name,
                    f"{need.pictures:,}",
                    with_interval(need.recall),
                    f"{number(need.rise, 3, '+')} [{number(need.low, 3, '+')}, {number(need.high, 3, '+')}]",
                    number(need.per_hundred, 4, "+"),
                )
                for need in curve.needs
            ),
            numbers=(1, 2, 3, 4),
            marked=(0,) if curve.needs and curve.needs[0].stands_out else (),
        ),
        method=text("more-pictures", first=curve.sizes[0], last=curve.sizes[-1], heads=max(curve.draws)),
    )


def _measured(curve: LearningCurve) -> str:
    return "the pictures" if curve.sample == curve.n else f"{curve.sample:,} of the {curve.n:,} pictures"


def curve_sentences(curve: LearningCurve) -> tuple[str, ...]:
    """The answers: what twice as many would bring, how many are needed for fewer mistakes, of which class."""
    double = curve.at(2 * curve.n)
    value, low, high = curve.gain(2 * curve.n)
    size, least, most = magnitude(value, low, high)
    than = "the same as" if float(size) == 0 else f"{size} points {'more' if value > 0 else 'less'} than"
    worth = "bring little" if high < LITTLE else "help"
    would = "may" if low < SURE and high >= LITTLE else "would"
    first = (
        f"Twice as many pictures {would} {worth}: with {double.pictures:,} the accuracy to expect is "
        f"{double.value:.1%} (90 % interval {double.low:.1%} to {double.high:.1%}), "
        f"{than} with {curve.n:,} ({least} to {most})."
    )
    return (first, _how_many(curve), _which(curve))


def _how_many(curve: LearningCurve) -> str:
    value, low, high = (number if number < REACH * curve.n else math.inf for number in curve.more_for(0.25))
    if math.isinf(low):
        return f"A quarter fewer mistakes: out of reach, even with {REACH} times as many pictures of this kind."
    most = "and perhaps not with any number" if math.isinf(high) else f"and up to {_round(high):,}"
    if math.isinf(value):
        least = counted(_round(low), "more picture")
        return f"A quarter fewer mistakes would take at least {least}, and more likely cannot be had."
    about = counted(_round(value), "more picture")
    return f"A quarter fewer mistakes would take about {about}, at least {_round(low):,} {most}."


def _which(curve: LearningCurve) -> str:
    if not curve.needs:
        return "Which class needs them most cannot be told: no class has enough pictures to leave half of them out."
    first = curve.needs[0]
    if first.stands_out:
        return f"More pictures of {first.name} would help most: a picture of it is worth more than one of the others."
    if all(need.low <= 0 for need in curve.needs):
        return "No class stands out: leaving out half of any one changes nothing that can be told from chance."
    return "No class stands out: add pictures of all, in the proportions there are."


def _round(pictures: float) -> int:
    """To two figures, which are more than a forecast knows."""
    return int(round(pictures, -max(0, math.floor(math.log10(max(pictures, 1))) - 1)))


@drawn
def forecast_figure(curve: LearningCurve) -> str:
    """Measured accuracy over the number of pictures, and the forecast with its 90 % band, on a logarithmic axis."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    ahead = np.unique(np.geomspace(curve.sizes[-1], AHEAD * curve.n, 40).round())
    low, middle, high = np.quantile(1 - curve.errors(ahead), (0.05, 0.5, 0.95), axis=0)
    figure, axes = plot(290, left=52, top=26, right=18, bottom=54, levels=True)
    axes.set_xscale("log")
    lowest = min(float(low.min()), *(accuracy.low for accuracy in curve.measured))
    axes.set(xlim=(curve.sizes[0] * 0.85, AHEAD * curve.n * 1.1), ylim=(max(0.0, int(lowest * 20) / 20), 1.0))
    axes.fill_between(ahead, low, high, color=ACCENT, alpha=0.18, linewidth=0)
    axes.plot(ahead, middle, color=ACCENT, linewidth=2, dashes=(4, 2.5))
    for size, accuracy in zip(curve.sizes, curve.measured, strict=True):
        axes.plot([size, size], [accuracy.low, accuracy.high], color=INK, linewidth=1.8, alpha=0.5)
    axes.plot(
        curve.sizes, [accuracy.value for accuracy in curve.measured], "o-", color=INK, linewidth=1.6, markersize=6
    )
    axes.axvline(curve.n, color=MUTED, linewidth=1, dashes=(1, 2.5))
    axes.text(curve.n, 1.02, f"there are {curve.n:,}", transform=axes.get_xaxis_transform(), ha="center", color=MUTED)
    marks = [*_spaced(curve.sizes), 2 * curve.n, AHEAD * curve.n]
    axes.xaxis.set_major_locator(FixedLocator(marks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
    percent_axis(axes.yaxis)
    axes.set_xlabel("pictures: measured (dots, 95 % interval) and forecast (dashes, 90 % band)", labelpad=8)
    double = curve.at(2 * curve.n)
    return as_svg(
        figure,
        "forecast",
        f"Accuracy over the number of pictures: {curve.measured[0].value:.1%} with {curve.sizes[0]}, "
        f"{curve.measured[-1].value:.1%} with {curve.sizes[-1]}; forecast with {double.pictures}: {double.value:.1%}, "
        f"between {double.low:.1%} and {double.high:.1%}",
    )


def _spaced(sizes: tuple[int, ...]) -> list[int]:
    """Every size or every second one, so that their numbers do not touch."""
    return list(sizes if len(sizes) <= 4 else sizes[::-1][::2][::-1])
