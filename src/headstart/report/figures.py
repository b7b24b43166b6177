"""The figures of a run's page as inline SVG; see `headstart.report.drawing`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from headstart.evaluation.intervals import Estimate
from headstart.evaluation.metrics import ReliabilityBin
from headstart.report import drawing
from headstart.report.drawing import (
    ACCENT,
    CHARACTER,
    INK,
    LINE,
    MUTED,
    PAPER,
    WIDTH,
    as_svg,
    drawn,
    page_style,
    printable,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from headstart.probe.trials import Score

MOST_CANDIDATES = 14


@drawn
def class_counts(counts: Mapping[str, Mapping[str, int]]) -> str:
    """Pictures per class: a row per class, a column per split of ``counts`` (split → class → pictures)."""
    classes = list(dict.fromkeys(name for split in counts.values() for name in split))
    row = 26 if len(classes) <= 12 else 19
    label, top = drawing.widest(classes, 24) + 14, 30
    panel = (WIDTH - label) / max(len(counts), 1)
    figure, canvas = drawing.sheet(WIDTH, top + row * len(classes) + 4)
    most = max((count for split in counts.values() for count in split.values()), default=0)
    scale = (panel - 52) / max(most, 1)  # 52 px remain for the number and a gap
    middles = [top + row * (i + 0.5) for i in range(len(classes))]
    for name, y in zip(classes, middles, strict=True):
        canvas.text(label - 12, y, drawing.short(name, 24), ha="right", va="center")
    for column, (split, of_class) in enumerate(counts.items()):
        x = label + column * panel
        name = drawing.short(f"{split} {sum(of_class.values()):,}", int(panel / CHARACTER))
        canvas.text(x, 12, name, color=MUTED, va="center")
        widths = [max(count * scale, 1) if (count := of_class.get(name, 0)) else 0 for name in classes]
        canvas.barh(middles, widths, height=row * 0.56, left=x, color=ACCENT)
        for name, y, width in zip(classes, middles, widths, strict=True):
            canvas.text(x + width + 6, y, f"{of_class.get(name, 0):,}", va="center", color=MUTED)
    lines = (f"{split}: " + ", ".join(f"{n} {name}" for name, n in of.items()) for split, of in counts.items())
    return as_svg(figure, "class-counts", f"Pictures per class. {'; '.join(lines)}")


@page_style()
def candidates(board: Sequence[Score], chosen: Score) -> str:
    """Out-of-fold log-loss of the best candidates with one standard error to each side, ``chosen`` filled."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    ranked = sorted(board, key=lambda row: row.log_loss)
    shown = [row for i, row in enumerate(ranked) if i < MOST_CANDIDATES or row is chosen]
    figure, axes = drawing.plot(38 * len(shown) + 54, left=8, top=4, right=12, bottom=50)
    axes.set(ylim=(len(shown) - 0.35, -0.85), yticks=[])
    best = shown[0]
    axes.axvspan(best.log_loss, best.log_loss + best.standard_error, color=ACCENT, alpha=0.1, linewidth=0)
    for y, row in enumerate(shown):
        colour, fill = (ACCENT, ACCENT) if row is chosen else (MUTED, LINE if row.screened else MUTED)
        axes.errorbar(
            row.log_loss, y, xerr=row.standard_error, color=colour, elinewidth=2, fmt="o", markersize=8,
            markerfacecolor=fill, markeredgecolor=colour, clip_on=False,
        )  # fmt: skip
        name = drawing.short(str(row.candidate), 58) + ("  (quick look)" if row.screened else "")
        axes.text(
            0, y - 0.38, name, transform=axes.get_yaxis_transform(), va="center",
            color=INK if row is chosen else MUTED, weight="bold" if row is chosen else "normal",
        )  # fmt: skip
    lowest = min(row.log_loss - row.standard_error for row in shown)
    if lowest > 0 and shown[-1].log_loss > 5 * best.log_loss:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.set_xlabel("out-of-fold log-loss ± 1 standard error, less is better", labelpad=8)
    text = ", ".join(f"{row.candidate} {row.log_loss:.3f}{' (chosen)' if row is chosen else ''}" for row in shown)
    return as_svg(figure, "candidates", f"Out-of-fold log-loss of {len(shown)} candidates: {text}")


@drawn
def confusion(matrix: Sequence[Sequence[float]], classes: Sequence[str]) -> str:
    """Counts (k, k), a row per true and a column per predicted class, shaded by their share of the row."""
    from matplotlib.patches import Rectangle

    k = len(classes)
    cell = min(76.0, max(21.0, 330 / k))
    text = drawing.widest(classes, 20)
    label, flat = max(text, 44) + 14, text < cell - 6
    top = 46 if flat else label + 22
    figure, canvas = drawing.sheet(label + cell * k + 2, top + cell * k + 2)
    size = min(15.0, cell * 0.45)
    canvas.text(label, 10, "predicted →", color=MUTED, va="center")
    canvas.text(label - 10, top - 12, "true ↓", color=MUTED, va="center", ha="right")
    for i, name in enumerate(classes):
        middle = (i + 0.5) * cell
        canvas.text(label - 10, top + middle, drawing.short(name, 20), ha="right", va="center")
        canvas.text(
            label + middle, top - 12, drawing.short(name, 20), rotation=0 if flat else 90,
            ha="center", va="center" if flat else "bottom",
        )  # fmt: skip
    canvas.add_patch(Rectangle((label, top), cell * k, cell * k, color=LINE, alpha=0.3, linewidth=0))
    for i, counts in enumerate(matrix):
        for j in (j for j, count in enumerate(counts) if count):
            corner, share = (label + j * cell, top + i * cell), counts[j] / sum(counts)
            _cell(canvas, corner, cell, counts[j], share, right=i == j, size=size)
    wrong = sum(count for i, counts in enumerate(matrix) for j, count in enumerate(counts) if i != j)
    total = sum(map(sum, matrix))
    return as_svg(figure, "confusion", f"Confusion matrix: {_count(wrong)} of {_count(total)} off the diagonal")


def _cell(
    canvas: Axes, corner: tuple[float, float], side: float, count: float, share: float, *, right: bool, size: float
) -> None:
    """One square: accent for what is right, ink for mistakes, which are rarer and so get darker sooner."""
    from matplotlib.patches import Rectangle

    (x, y), colour = corner, ACCENT if right else INK
    strength = 0.1 + 0.8 * share if right else 0.06 + 0.6 * share**0.7
    canvas.add_patch(Rectangle((x + 1, y + 1), side - 2, side - 2, color=colour, alpha=strength, linewidth=0))
    if side < 30 and count < 0.5:
        return  # too small a share of a picture for so small a square
    middle, text_colour = (x + side / 2, y + side / 2), PAPER if strength > 0.5 else INK
    canvas.text(
        *middle, _count(count) if side > 30 else f"{count:.0f}", size=size, color=text_colour, ha="center", va="center"
    )


def _count(value: float) -> str:
    """Counts over repeats are means and may be fractional."""
    return f"{value:.0f}" if abs(value - round(value)) < 0.05 else f"{value:.1f}"


@drawn
def reliability(bins: Sequence[ReliabilityBin]) -> str:
    """How often predictions of like confidence were right, against how sure they were."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    lowest = min(min(part.low, part.confidence) for part in bins)
    start = max(0.0, int(lowest * 20 - 0.5) / 20)
    figure = drawing.blank_figure(400, 380)
    axes = drawing.plot_axes(figure, left=62, top=12, right=14, bottom=54)
    axes.set(xlim=(start, 1.0), ylim=(start, 1.0), xlabel="how sure it was", ylabel="how often it was right")
    axes.spines["left"].set_visible(True)
    axes.plot([start, 1], [start, 1], color=MUTED, linewidth=1, dashes=(3, 4))
    for part in bins:
        axes.plot([part.confidence] * 2, [part.low, part.high], color=ACCENT, linewidth=2, alpha=0.45, clip_on=False)
    right = [part.accuracy for part in bins]
    axes.plot([part.confidence for part in bins], right, "o", color=ACCENT, markersize=8, clip_on=False)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        axis.set_major_formatter(FuncFormatter(lambda x, _: f"{100 * x:.4g} %"))
        axis.labelpad = 8
    words = ", ".join(f"{part.confidence:.0%} sure, {part.accuracy:.0%} right" for part in bins)
    return as_svg(figure, "reliability", f"Reliability in {len(bins)} bins: {words}")


def interval_bar(estimate: Estimate, label: str, baseline: float, baseline_label: str) -> str:
    """An estimate on a line from 0 to 100 %, its interval as a bar, and the baseline marked.

    Written by hand with positions in percent, so that it stretches while its text does not.
    """

    def text(at: float, y: int, words: str, kind: str) -> str:
        anchor = "start" if at < 0.25 else "end" if at > 0.75 else "middle"
        return f'<text class="{kind}" x="{at:.2%}" y="{y}" text-anchor="{anchor}">{escape(printable(words))}</text>'

    low, high, value = estimate.low, estimate.high, estimate.value
    middle = (low + high) / 2
    spoken = escape(printable(f"{label}; {baseline_label}"))
    return "".join(
        [
            f'<svg class="interval" height="96" role="img" aria-label="{spoken}">',
            '<rect class="track" width="100%" height="8" y="35" rx="4"/>',
            f'<rect class="range" x="{low:.2%}" width="{high - low:.2%}" height="18" y="30" rx="4"/>',
            f'<rect class="mark" x="{value:.2%}" width="4" height="28" y="25" rx="2" transform="translate(-2)"/>',
            f'<line class="baseline" x1="{baseline:.2%}" x2="{baseline:.2%}" y1="28" y2="54"/>',
            text(middle if 0.25 <= middle <= 0.75 else high if middle > 0.5 else low, 16, label, "ink"),
            text(baseline, 71, baseline_label, "ink"),
            *(text(tick, 92, f"{tick * 100:.0f} %", "muted") for tick in (0, 0.5, 1)),
            "</svg>",
        ]
    )


def interval_strip(estimate: Estimate) -> str:
    """The same line in the height of a table row, for the eye only: the numbers stand beside it."""
    low, high, value = estimate.low, estimate.high, estimate.value
    return (
        '<svg class="strip" height="12" aria-hidden="true"><rect class="track" width="100%" height="2" y="5"/>'
        f'<rect class="range" x="{low:.2%}" width="{high - low:.2%}" height="8" y="2" rx="2"/>'
        f'<rect class="mark" x="{value:.2%}" width="2" height="12" transform="translate(-1)"/></svg>'
    )
