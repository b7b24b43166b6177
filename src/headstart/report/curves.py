"""Learning curves in English and as inline SVG, and settings compared; see `headstart.report.drawing`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from headstart.evaluation.comparison import Comparison
from headstart.evaluation.curves import FEWEST_EPOCHS, CurveVerdict, GapChange, Reason
from headstart.evaluation.history import Epoch, History
from headstart.evaluation.measured_on import MeasuredOn
from headstart.report import drawing
from headstart.report.drawing import ACCENT, CHARACTER, INK, MUTED, PAPER, WIDTH, as_svg, drawn
from headstart.report.section import THIN, percent
from headstart.report.words import counted, number, pictures_of, points

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PLOT = 140  # height of each of the two plots, in pixels
LEFT, RIGHT = 46, 76  # beside them, for the numbers and for the names of the curves
APART = 16  # from one line of text to the next
ROW = 40  # of a setting
BAR = 18  # from one bar of settings that cannot be told apart to the next
MOST_BARS = 8
DOT: dict[str, Any] = {"color": ACCENT, "markersize": 5}
RING: dict[str, Any] = {"markersize": 10, "markerfacecolor": PAPER, "markeredgecolor": ACCENT, "markeredgewidth": 1.8}

REASONS: dict[Reason, str] = {
    "loss has risen": "It was lowest about epoch {epoch} ({loss}) and has risen; training loss has not.",
    "both losses rise": "Training loss rises with it: that is a learning rate too high, not over-fitting.",
    "not fitted": "Not even the training pictures are fitted: train longer, unfreeze more, change the rate.",
    "wide gap": "Validation is worse than training by more than chance explains.",
    "stopped early": "It was stopped early: more epochs, or a higher learning rate, would go on.",
    "none": "",
}


@drawn
def learning_curves(history: History) -> str:
    """Loss above accuracy, training and validation, all phases. ``history`` has at least one epoch."""
    from matplotlib.ticker import MaxNLocator

    n, best, last = len(history.epochs), history.best_accuracy, history.last
    labels = _phase_labels(history)
    above = 30 + APART * (1 + max((row for *_, row in labels), default=-1))  # heading and names of the phases
    between = 48 + 2 * APART
    height = above + PLOT + between + PLOT + 46
    figure, canvas = drawing.sheet(WIDTH, height)
    losses = drawing.plot_axes(figure, left=LEFT, top=above, right=RIGHT, bottom=height - above - PLOT)
    accuracies = drawing.plot_axes(figure, left=LEFT, top=height - 46 - PLOT, right=RIGHT, bottom=46)

    most = max(history.initial_loss, *(max(epoch.train_loss, epoch.val_loss) for epoch in history.epochs))
    least = min(history.initial_accuracy, *(min(epoch.train_accuracy, epoch.val_accuracy) for epoch in history.epochs))
    losses.set_ylim(0, 1.06 * most or 1)
    accuracies.set_ylim(max(0.0, int(least * 10 - 0.5) / 10), 1.0)
    _curves(losses, history, "loss", best=history.best)
    _curves(accuracies, history, "accuracy", best=best)
    losses.yaxis.set_major_locator(MaxNLocator(4, steps=drawing.ROUND))
    drawing.percent_axis(accuracies.yaxis, ticks=4)
    losses.tick_params(labelbottom=False)
    accuracies.set_xlabel("epoch", labelpad=6)
    for axes in (losses, accuracies):
        for start, *_ in labels:
            axes.axvline(start - 0.5, ymax=1.05, color=INK, linewidth=1, dashes=(1, 2.5), clip_on=False)

    canvas.text(0, 10, "Loss", weight="bold", va="center")
    _note(canvas, 10, f"lowest on validation: {history.best.val_loss:.3f}, epoch {history.best.epoch}", filled=False)
    second = above + PLOT + 36
    canvas.text(0, second, "Accuracy", weight="bold", va="center")
    chosen = f"best of {n} epochs, chosen on these pictures: {percent(best.val_accuracy)}"
    _note(canvas, second, chosen if n > 1 else "the only epoch", filled=False)
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
    drawing.grid(axes, "y")
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
        axes.annotate(
            name, end, xytext=(10, 0), textcoords="offset points", annotation_clip=False, color=colour, va="center"
        )


def _note(canvas: Axes, y: float, words: str, *, filled: bool) -> None:
    """A line of the key: the mark on the curve, and what it is."""
    canvas.plot(82, y, "o", **(DOT if filled else RING))
    canvas.text(94, y, words, color=MUTED, va="center")


def _phase_labels(history: History) -> list[tuple[int, float, str, int]]:
    """First epoch, left end in pixels, words and row of the label of each phase after the first; none overlap."""
    labels: list[tuple[int, float, str, int]] = []
    ends: list[float] = []  # of the text in each row
    for phase, start in enumerate(history.phase_starts[1:], 2):
        words = "start of fine-tuning" if phase == 2 else f"start of phase {phase}"
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
    chosen = f"; the best of {n}, {accurate.val_accuracy:.1%}, was chosen on these pictures" if n > 1 else ""
    return (
        f"Learning curves over {counted(n, 'epoch')}{phases}. Validation loss from {history.initial_loss:.3f} to "
        f"{last.val_loss:.3f}, lowest {best.val_loss:.3f} at epoch {best.epoch}. Validation accuracy "
        f"{last.val_accuracy:.1%} at the last epoch{chosen}"
    )


@drawn
def comparison_figure(comparison: Comparison, measured_on: MeasuredOn) -> str:
    """Accuracy of every setting with its 95 % interval; those joined by a bar at the right cannot be told apart."""
    rows, leaders = comparison.settings, comparison.leaders
    letters = dict.fromkeys(letter for setting in rows for letter in setting.letters)
    bars = len(letters) <= MOST_BARS
    right = 24 + BAR * len(letters) if bars else 70
    top, bottom = 20, 68
    figure, canvas = drawing.sheet(WIDTH, top + ROW * len(rows) + bottom)
    axes = drawing.plot_axes(figure, left=28, top=top, right=right, bottom=bottom)
    axes.set(ylim=(len(rows) - 0.5, -0.5), yticks=[])
    drawing.grid(axes, "x")
    drawing.percent_axis(axes.xaxis)
    for i, setting in enumerate(rows):
        best = setting.name in leaders
        colour, y = ACCENT if best else MUTED, i + 0.2
        interval = setting.accuracy.low, setting.accuracy.high
        axes.plot(interval, [y, y], color=colour, linewidth=2.4, alpha=0.55, clip_on=False)
        axes.plot(setting.accuracy.value, y, "o", color=colour, markersize=8, clip_on=False)
        line = top + ROW * (i + 0.3)
        value = percent(setting.accuracy.value)
        canvas.text(8, line, drawing.short(setting.name, int((WIDTH - right - 70) / CHARACTER)), va="center")
        canvas.text(WIDTH - right, line, value, ha="right", va="center", color=MUTED)
        if not bars:
            canvas.text(WIDTH - right + 14, line, drawing.short("".join(setting.letters), 8), va="center")
    if bars:
        _bars(canvas, comparison, list(letters), left=WIDTH - right + 22, top=top)
    below = top + ROW * len(rows)
    fewest, most = min(setting.seeds for setting in rows), max(setting.seeds for setting in rows)
    seeds = f"{fewest} to {most} seeds" if fewest < most else f"{counted(most, 'seed')}"
    pictures = pictures_of(measured_on, comparison.n)
    canvas.text(8, below + 38, f"accuracy on {pictures}, {seeds}, 95{THIN}% interval", color=MUTED)
    joined = "Settings joined by a bar" if bars else "Settings that share a letter"
    canvas.text(8, below + 56, f"{joined} cannot be told apart.", color=MUTED)
    words = (f"{setting.name} {setting.accuracy.value:.1%}, rank {''.join(setting.letters)}" for setting in rows)
    return as_svg(figure, "comparison", f"{joined} cannot be told apart. {'; '.join(words)}")


def _bars(canvas: Axes, comparison: Comparison, letters: Sequence[str], *, left: float, top: float) -> None:
    """A bar per letter, with a dot at every setting that has it: others may lie between."""
    for column, letter in enumerate(letters):
        x = left + BAR * column
        held = [top + ROW * (i + 0.5) for i, setting in enumerate(comparison.settings) if letter in setting.letters]
        canvas.text(x, 8, letter, ha="center", va="center", color=MUTED)
        canvas.plot([x, x], [held[0], held[-1]], color=INK, linewidth=2, solid_capstyle="round")
        canvas.plot([x] * len(held), held, "o", color=INK, markersize=6)


def curve_verdict(verdict: CurveVerdict) -> str:
    """The verdict with the numbers that it rests on, a paragraph."""
    reason = REASONS[verdict.reason].format(epoch=verdict.lowest_epoch, loss=number(verdict.lowest_loss, 3))
    said = [f"{verdict.fit.capitalize()}, {verdict.trend.state}.", *_about_loss(verdict), reason]
    said += [*_about_gap(verdict), *_about_changes(verdict.history.phase_starts[1:], verdict.gap_changes)]
    return " ".join(filter(None, said))


def _about_loss(verdict: CurveVerdict) -> list[str]:
    trend = verdict.trend
    history, loss = verdict.history, verdict.end.val_loss
    epochs = counted(len(history.epochs), "epoch")
    last = number(history.last.val_loss, 3)
    said = [f"Validation loss went from {number(history.initial_loss, 3)} to {last} in {epochs}."]
    if verdict.end.length < FEWEST_EPOCHS:
        said.append(f"Too few epochs to show a trend: that takes {FEWEST_EPOCHS} in the last phase.")
    elif trend.state == "flat":
        said.append(f"Over the last {counted(trend.epochs, 'epoch')} it hardly changed.")
    else:
        way = "fell by" if trend.change < 0 else "rose by"
        said.append(f"Over the last {counted(trend.epochs, 'epoch')} it {way} {abs(trend.change):.3f}.")
    if verdict.unsteady:
        said.append(f"It jumps by about {loss.noise:.2f} from epoch to epoch: the learning rate looks too high.")
    return said


def _about_gap(verdict: CurveVerdict) -> list[str]:
    last, gap = verdict.history.last, verdict.end.gap
    said = [
        f"In the last epoch accuracy is {points(last.train_accuracy)} % in training, {points(last.val_accuracy)} % on "
        f"validation, where one picture is {100 / gap.n_val:.2f} points."
    ]
    if gap.loss < 0:
        said.append(
            "Validation loss is the lower one, as happens where dropout or augmentation makes training harder: "
            "no over-fitting in that."
        )
        return said
    compared, accuracy = "more" if gap.loss > gap.loss_resolution else "less", points(gap.accuracy)
    way = "lower" if gap.accuracy > 0 else "higher"
    apart = "accuracy is the same" if float(accuracy) == 0 else f"accuracy is {points(abs(gap.accuracy))} points {way}"
    said.append(
        f"The gap is {number(gap.loss, 3)} in loss, {compared} than the {gap.loss_resolution:.3f} within the "
        f"luck of {counted(gap.n_val, 'picture')}; {apart} on validation (luck: {points(gap.accuracy_resolution)})."
    )
    if verdict.end.length > 1:
        said.append(f"Both gaps are smoothed over the last {verdict.end.length} epochs.")
    return said


def _about_changes(starts: Sequence[int], changes: Sequence[GapChange]) -> list[str]:
    said = []
    for start, change in zip(starts, changes, strict=True):
        numbers = f"{number(change.before.loss, 3)} before, {number(change.after.loss, 3)} after"
        unchanged = change.direction == "unchanged"
        words = "left the gap in loss unchanged" if unchanged else f"{change.direction} the gap in loss"
        said.append(f"The phase from epoch {start} on {words} ({numbers}).")
    return said
