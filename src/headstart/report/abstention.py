"""When the model should not answer, as a section: how often it is right where it is sure, prediction sets, novelty."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from headstart.evaluation.intervals import Estimate
from headstart.report.drawing import ACCENT, INK, MUTED, WIDTH, as_svg, drawn, percent_axis, pixel_canvas, plot
from headstart.report.section import THIN, Section, Table, between, percent, text
from headstart.report.words import counted, measured_on

if TYPE_CHECKING:
    from headstart.abstain.abstention import Abstention, AbstentionReport
    from headstart.abstain.conformal import TooFewPictures

PLOT = 190  # height of the curve, in pixels
MOST_POINTS = 5_000  # of the curve, many more than it has pixels across


def abstention_section(abstention: Abstention, report: AbstentionReport) -> Section:
    """The section, from what a model knows and how that fared."""
    sentences = [_sure(report), _sets(abstention, report), _unfamiliar(abstention, report), _costs(report)]
    area = report.curve.area
    novelty = abstention.novelty
    rows = tuple(
        (
            percent(stated.share.value, 0),
            percent(stated.threshold),
            percent(stated.accuracy.value),
            between(stated.accuracy),
        )
        for stated in report.curve.at
    )
    return Section(
        id="abstention",
        title="When it should not answer",
        aside="A model that may pass on what it is least sure of is right more often on the rest. The band is the "
        f"95{THIN}% interval.",
        sentences=tuple(sentence for sentence in sentences if sentence),
        figures=(curve_figure(report),),
        table=Table(
            about="Accuracy if only the surest are answered",
            columns=("answered", "sure at least", "right", "95 % interval"),
            rows=rows,
            numbers=(0, 1, 2, 3),
        ),
        method=text(
            "abstention",
            area=f"{area.value:.4f} ({area.low:.4f} – {area.high:.4f})",
            best=report.curve.best_area,
            realised=_realised(abstention, report),
            novelty=text("novelty", share=percent(novelty.share), n=novelty.n) if novelty else "",
        ).strip(),
    )


def abstention_lines(report: AbstentionReport) -> list[str]:
    """The figures people ask for first: how often right where it is sure, and what decisions cost."""
    lines, sure, costs = [], report.sure, report.costs
    if sure is not None and sure.accuracy.defined and sure.share.value < 1:
        lines.append(f"accuracy {sure.accuracy} where it is sure, {sure.share.value:.1%} of pictures")
    if costs is not None:
        lines.append(f"cost {costs.cheapest} a picture; always '{costs.blind_answer}' {costs.blind}")
    return lines


@drawn
def curve_figure(report: AbstentionReport) -> str:
    """How often answers are right against the share of pictures answered; what the model calls sure is marked."""
    right = 1 - report.curve.risk
    shown = right[len(right) // 20 :]  # the first few answers alone make a curve jump
    figure, axes = plot(PLOT + 86, left=52, top=32, right=22, bottom=54, levels=True)
    canvas = pixel_canvas(figure)
    lowest = min(float(shown.min()), *(part.accuracy.low for part in report.curve.at))
    axes.set(xlim=(0, 1), ylim=(max(0.0, int(lowest * 20 - 0.2) / 20), 1.0))
    stated = sorted(report.curve.at, key=lambda part: part.share.value)
    axes.fill_between(
        [part.share.value for part in stated],
        [part.accuracy.low for part in stated],
        [part.accuracy.high for part in stated],
        color=ACCENT, alpha=0.13, linewidth=0,
    )  # fmt: skip
    n = len(right)
    at = np.arange(n // 20, n)
    if len(at) > MOST_POINTS:
        at = np.unique(np.linspace(at[0], at[-1], MOST_POINTS).round().astype(int))
    axes.plot((at + 1) / n, right[at], color=ACCENT, linewidth=2.2, clip_on=False)
    sure = report.sure
    if sure is not None and sure.accuracy.defined:
        axes.axvline(sure.share.value, color=INK, linewidth=1, dashes=(1, 2.5))
        axes.plot(sure.share.value, sure.accuracy.value, "o", color=ACCENT, markersize=8, clip_on=False)
        x = 52 + sure.share.value * (WIDTH - 74)
        side = "right" if x > WIDTH / 2 else "left"
        words = f"sure: {percent(sure.share.value, 0)} answered, {percent(sure.accuracy.value)} right"
        canvas.text(x, 9, words, ha=side, va="center")
    for axis in (axes.xaxis, axes.yaxis):
        percent_axis(axis)
    axes.set_xlabel("share of pictures answered, surest first", labelpad=8)
    canvas.text(0, 9, "right", color=MUTED, va="center")
    said = ", ".join(f"{part.share.value:.0%} answered, {part.accuracy.value:.1%} right" for part in report.curve.at)
    return as_svg(figure, "abstention", f"Accuracy by share of pictures answered, surest first: {said}")


def _sure(report: AbstentionReport) -> str:
    sure, everything = report.sure, percent(report.curve.at[0].accuracy.value)
    if sure is None:
        return ""
    if not sure.accuracy.defined:
        return text("sure-of-nothing", everything=everything)
    right, share, on = percent(sure.accuracy.value), sure.share.value, measured_on(report.measured_on)
    if share == 1:
        return text("sure-of-all", right=right, between=between(sure.accuracy), measured_on=on)
    return text(
        "sure",
        unsure=percent(1 - share),
        share=percent(share),
        right=right,
        between=between(sure.accuracy),
        everything=everything,
        measured_on=on,
    )


def _sets(abstention: Abstention, report: AbstentionReport) -> str:
    if abstention.sets is None:
        return _too_few(abstention.no_sets) if abstention.no_sets else ""
    single, asked = report.set_sizes[0], percent(report.coverage, 0)
    said = f"Asked for prediction sets that hold the true class {asked} of the time, it names "
    if single == 1:
        said += (
            "one class for every picture: a single label is right that often already. “predict --coverage” with a "
            "higher share shows which classes cannot be ruled out."
        )
    else:
        said += f"{report.mean_set_size:.2f} classes on average, and one alone for {percent(single, 0)} of pictures."
    if report.covered is not None:
        said += f" The true class was in the set for {percent(report.covered.value)} ({between(report.covered)})."
    return said


def _too_few(few: TooFewPictures) -> str:
    shown = ", ".join(f"{name} has {count}" for name, count in list(few.counts.items())[:3])
    if more := len(few.counts) - 3 if len(few.counts) > 3 else 0:
        shown += f", and {counted(more, 'more class', 'more classes')} {'has' if more == 1 else 'have'} too few"
    pictures = "independent training pictures of every class that the answering model had not learned from"
    return f"Prediction sets need {few.needed} {pictures}: {shown}."


def _realised(abstention: Abstention, report: AbstentionReport) -> str:
    if abstention.sets is None:
        return ""
    low, high = abstention.sets.realised(report.coverage)
    return text("prediction-sets", asked=percent(report.coverage, 0), low=percent(low), high=percent(high)) + " "


def _unfamiliar(abstention: Abstention, report: AbstentionReport) -> str:
    novelty = abstention.novelty
    if novelty is None:
        return ""
    said, seen = text("unfamiliar", share=percent(novelty.share)), report.unfamiliar
    if seen is None:
        return said
    share = f"{percent(seen.value)} were marked ({between(seen)})."
    return f"{said} Of {measured_on(report.measured_on)}, which should be familiar, {share}"


def _costs(report: AbstentionReport) -> str:
    costs = report.costs
    if costs is None:
        return ""
    said = f"By the costs given, the cheapest answers cost {_cost(costs.cheapest)} a picture"
    if costs.most_probable is not None:
        said += f"; the most probable labels would cost {_cost(costs.most_probable)}"
    return f"{said}; always answering “{costs.blind_answer}” would cost {_cost(costs.blind)}."


def _cost(cost: Estimate) -> str:
    return f"{cost.value:.3g} ({cost.low:.3g} – {cost.high:.3g})"
