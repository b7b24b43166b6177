"""Learning curves, and settings compared, as inline SVG see `headstart.report.drawing`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from headstart.evaluation.comparison import Comparison
from headstart.evaluation.history import Epoch, History
from headstart.report.drawing import (
    ACCENT,
    CHARACTER,
    INK,
    LINE,
    MUTED,
    PAPER,
    WIDTH,
    as_svg,
    blank_figure,
    page_style,
    pixel_canvas,
    plot_axes,
    short,
)
from headstart.report.section import THIN, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PLOT = 140  # height of each of the two plots, in pixels
LEFT, RIGHT = 46, 76  # beside them, for the numbers and for the names of the curves
APART = 16  # from one line of text to the next
ROW = 40  # of a setting
BAR = 18  # from one bar of settings that cannot be told apart to the next
MOST_BARS = 8
DOT: dict[str, Any] = {"color": ACCENT, "markersize": 5}
RING: dict[str, Any] = {
    "markersize": 10,
    "markerfacecolor": PAPER,
    "markeredgecolor": ACCENT,
    "markeredgewidth": 1.8,
}


@page_style()
def learning_curves(history: History) -> str:
    """Loss above accuracy, training and validation, all phases. ``history`` has at least one epoch."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    n, best, last = len(history.epochs), history.best_accuracy, history.last
    labels = _phase_labels(history)
    above = 30 + APART * (1 + max((row for *_, row in labels), default=-1))  # heading and names of the phases
    between = 48 + 2 * APART
    height = above + PLOT + between + PLOT + 46
    figure = blank_figure(WIDTH, height)
    canvas = pixel_canvas(figure)
    losses = plot_axes(figure, left=LEFT, top=above, right=RIGHT, bottom=height - above - PLOT)
    accuracies = plot_axes(figure, left=LEFT, top=height - 46 - PLOT, right=RIGHT, bottom=46)

    most = max(history.initial_loss, *(max(epoch.train_loss, epoch.val_loss) for epoch in history.epochs))
    least = min(history.initial_accuracy, *(min(epoch.train_accuracy, epoch.val_accuracy) for epoch in history.epochs))
    losses.set_ylim(0, 1.06 * most or 1)
    accuracies.set_ylim(max(0.0, int(least * 10 - 0.5) / 10), 1.0)
    accuracies.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:.4g}{THIN}%"))
    _curves(losses, history, "loss", best=history.best)
    _curves(accuracies, history, "accuracy", best=best)
    losses.tick_params(labelbottom=False)
    accuracies.set_xlabel("epoch", labelpad=6)
    for axes in (losses, accuracies):
        axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
        for start, *_ in labels:
            axes.axvline(start - 0.5, ymax=1.05, color=INK, linewidth=1, dashes=(1, 2.5), clip_on=False)

    canvas.text(0, 10, "Loss", weight="bold", va="center")
    _note(canvas, 10, f"lowest on validation: {history.best.val_loss:.3f}, epoch {history.best.epoch}", filled=False)
    second = above + PLOT + 36
    canvas.text(0, second, "Accuracy", weight="bold", va="center")
    flatters = f"best of {n} epochs on validation, which flatters: {percent(best.val_accuracy)}"
    _note(canvas, second, flatters if n > 1 else "the only epoch", filled=False)
    _note(canvas, second + APART, f"last epoch: {percent(last.val_accuracy)}", filled=True)
    for _, x, words, row in labels:
        canvas.text(x, above - 14 - APART * row, words, va="center")
    return as_svg(figure, "learning-curves", _spoken(history))


def _curves(axes: Axes, history: History, what: str, *, best: Epoch) -> None:
    """Both lines with their names at the end; rings on ``best`` and the last epoch. ``what``: loss or accuracy."""
    from matplotlib.ticker import MaxNLocator

    n, initial = len(history.epochs), getattr(history, f"initial_{what}")
    epochs = range(1, n + 1)
    train, val = ([getattr(epoch, f"{part}_{what}") for epoch in history.epochs] for part in ("train", "val"))
    axes.set_xlim(0, n)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, steps=[1, 2, 5, 10]))
    axes.grid(axis="y", color=LINE, linewidth=0.8, alpha=0.6)
    axes.set_axisbelow(True)
    axes.plot(epochs, train, "o-" if n == 1 else "-", color=MUTED, linewidth=1.6, markersize=4, clip_on=False)
    axes.plot([0, *epochs], [initial, *val], color=ACCENT, linewidth=2.2, clip_on=False)
    axes.plot(best.epoch, getattr(best, f"val_{what}"), "o", clip_on=False, **RING)
    axes.plot(n, val[-1], "o", clip_on=False, **DOT)
    low, high = axes.get_ylim()
    one_row = (high - low) * APART / PLOT
    middle, room = (train[-1] + val[-1]) / 2, max(abs(train[-1] - val[-1]), one_row)
    up = 1 if train[-1] >= val[-1] else -1
    for name, side, colour in (("training", up, MUTED), ("validation", -up, ACCENT)):
        end = n, middle + side * room / 2  # of a curve at the bottom of the plot, the lower name is below it
        offset: dict[str, Any] = {"xytext": (10, 0), "textcoords": "offset points", "annotation_clip": False}
        axes.annotate(name, end, color=colour, va="center", **offset)


def _note(canvas: Axes, y: float, words: str, *, filled: bool) -> None:
    """A line of the key: the mark on the curve, and what it is."""
    canvas.plot(82, y, "o", **(DOT if filled else RING))
    canvas.text(94, y, words, color=MUTED, va="center")


def _phase_labels(history: History) -> list[tuple[int, float, str, int]]:
    """First epoch, left end in pixels, words and row of the label of each phase after the first; none overlap."""
    labels: list[tuple[int, float, str, int]] = []
    ends: list[float] = []  # of the text in each row
    for number, start in enumerate(history.phase_starts[1:], 2):
        words = "start of fine-tuning" if number == 2 else f"start of phase {number}"
        at = LEFT + (start - 0.5) / len(history.epochs) * (WIDTH - LEFT - RIGHT)
        x = min(at, WIDTH - len(words) * CHARACTER)
        row = next((i for i, end in enumerate(ends) if end < x), len(ends))
        ends[row : row + 1] = [x + (len(words) + 1) * CHARACTER]
        labels.append((start, x, words, row))
    return labels


def _spoken(history: History) -> str:
    """The figure in words."""
    n, best, accurate, last = len(history.epochs), history.best, history.best_accuracy, history.last
    phases = "".join(f"; a new phase starts at epoch {start}" for start in history.phase_starts[1:])
    return (
        f"Learning curves over {n} epochs{phases}. Validation loss from {history.initial_loss:.3f} to "
        f"{last.val_loss:.3f}, lowest {best.val_loss:.3f} at epoch {best.epoch}. Validation accuracy "
        f"{last.val_accuracy:.1%} at the last epoch; the best of {n}, {accurate.val_accuracy:.1%}, flatters"
    )


@page_style()
def comparison_figure(comparison: Comparison) -> str:
    """Accuracy of every setting with its 95 % interval; those joined by a bar at the right cannot be told apart."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    rows, leaders = comparison.settings, comparison.leaders
    letters = dict.fromkeys(letter for setting in rows for letter in setting.letters)
    bars = len(letters) <= MOST_BARS
    right = 24 + BAR * len(letters) if bars else 70
    top, bottom = 20, 68
    figure = blank_figure(WIDTH, top + ROW * len(rows) + bottom)
    canvas = pixel_canvas(figure)
    axes = plot_axes(figure, left=8, top=top, right=right, bottom=bottom)
    axes.set(ylim=(len(rows) - 0.5, -0.5), yticks=[])
    axes.grid(axis="x", color=LINE, linewidth=0.8, alpha=0.6)
    axes.set_axisbelow(True)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{100 * x:.4g}{THIN}%"))
    for i, setting in enumerate(rows):
        best = setting.name in leaders
        colour, y = ACCENT if best else MUTED, i + 0.2
        axes.plot(
            [setting.accuracy.low, setting.accuracy.high],
            [y, y],
            color=colour,
            linewidth=2.4,
            alpha=0.55,
            clip_on=False,
        )
        axes.plot(setting.accuracy.value, y, "o", color=colour, markersize=8, clip_on=False)
        line = top + ROW * (i + 0.3)
        value = percent(setting.accuracy.value)
        canvas.text(8, line, short(setting.name, int((WIDTH - right - 70) / CHARACTER)), va="center")
        canvas.text(WIDTH - right, line, value, ha="right", va="center", color=MUTED)
        if not bars:
            canvas.text(WIDTH - right + 14, line, short("".join(setting.letters), 8), va="center")
    if bars:
        _bars(canvas, comparison, list(letters), left=WIDTH - right + 22, top=top)
    below = top + ROW * len(rows)
    fewest, most = min(setting.seeds for setting in rows), max(setting.seeds for setting in rows)
    seeds = f"{fewest} to {most} seeds" if fewest < most else f"{most} seed{'s' if most > 1 else ''}"
    canvas.text(8, below + 38, f"accuracy on {comparison.n:,} test pictures, {seeds}, 95{THIN}% interval", color=MUTED)
    joined = "Settings joined by a bar" if bars else "Settings that share a letter"
    canvas.text(8, below + 56, f"{joined} cannot be told apart.", color=MUTED)
    words = "; ".join(
        f"{setting.name} {setting.accuracy.value:.1%}, rank {''.join(setting.letters)}" for setting in rows
    )
    return as_svg(figure, "comparison", f"{joined} cannot be told apart. {words}")


def _bars(canvas: Axes, comparison: Comparison, letters: Sequence[str], *, left: float, top: float) -> None:
    """A bar per letter, with a dot at every setting that has it: others may lie between."""
    for column, letter in enumerate(letters):
        x = left + BAR * column
        held = [top + ROW * (i + 0.5) for i, setting in enumerate(comparison.settings) if letter in setting.letters]
        canvas.text(x, 8, letter, ha="center", va="center", color=MUTED)
        canvas.plot([x, x], [held[0], held[-1]], color=INK, linewidth=2, solid_capstyle="round")
        canvas.plot([x] * len(held), held, "o", color=INK, markersize=6)
