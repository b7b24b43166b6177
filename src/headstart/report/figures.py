"""The report's figures as inline SVG: real text, in the colours of the page, the same bytes for the same numbers.

matplotlib draws with stand-in colours, which become the page's CSS variables, so that one figure suits light and
dark. Sizes are in CSS pixels.
"""

from __future__ import annotations

import io
import re
import unicodedata
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from html import escape
from typing import TYPE_CHECKING, Any, Protocol

from headstart.evaluation.metrics import Estimate, ReliabilityBin

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, LINE, ACCENT, PAPER = "#010101", "#020202", "#030303", "#040404", "#050505"
VARIABLES = {INK: "--ink", MUTED: "--muted", LINE: "--line", ACCENT: "--accent", PAPER: "--paper"}

WIDTH = 440  # of the drawing; shown at 528 with text of 14 px, and on a phone at 350 with 10 px
SCALE = 1.2
TEXT = 12.0
CHARACTER = 7.0  # width of one at 12 px, for margins and for shortening names
MOST_CANDIDATES = 14

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # a class may be called $x_1$
    "font.size": TEXT,
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.facecolor": "none",
    "axes.labelcolor": MUTED,
    "axes.linewidth": 1.0,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.major.size": 4,
    "ytick.major.size": 0,
}


class CandidateBar(Protocol):
    """What the plot of candidates needs to know of one."""

    @property
    def name(self) -> str:
        """As people should read it."""

    @property
    def log_loss(self) -> float:
        """Out-of-fold, in nats."""

    @property
    def standard_error(self) -> float:
        """Of the log-loss."""

    @property
    def chosen(self) -> bool:
        """Whether this is the one."""

    @property
    def screened(self) -> bool:
        """Whether only the quick look was taken."""


def printable(text: str) -> str:
    """Text that any UTF-8 page can hold: lone surrogates and control characters become U+FFFD."""
    return re.sub(r"[\ud800-\udfff\x00-\x08\x0b-\x1f\x7f-\x9f]", "\ufffd", text)


def _columns(text: str) -> int:
    """Width of text in characters of plain Latin; Chinese, Japanese and Korean ones take two."""
    return sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text)


def short(text: str, most: int) -> str:
    """On one line, at most ``most`` columns wide, cut in the middle: names tend to differ at either end."""
    line = " ".join(printable(text).split())
    if _columns(line) <= most:
        return line
    keep = int((most - 1) * len(line) / _columns(line))
    tail = keep // 3
    return f"{line[: keep - tail]}…{line[len(line) - tail :]}"


def _widest(names: Sequence[str], most: int) -> float:
    return max((_columns(short(name, most)) for name in names), default=0) * CHARACTER


@contextmanager
def _page_style() -> Iterator[None]:
    """matplotlib with our settings and nobody else's; the caller's come back afterwards."""
    import matplotlib

    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # the reader's fonts draw the text
        yield


def _blank(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width / 72, height / 72), dpi=72)


def _axes(figure: Figure, *, left: float, top: float, right: float, bottom: float) -> Axes:
    """Axes that leave these margins, with a line below them only."""
    width, height = figure.get_size_inches() * 72
    axes = figure.add_axes(
        (left / width, bottom / height, (width - left - right) / width, (height - top - bottom) / height)
    )
    axes.spines[["left", "top", "right"]].set_visible(False)
    return axes


def _canvas(figure: Figure) -> Axes:
    """The whole figure in pixels, (0, 0) at the top left."""
    width, height = figure.get_size_inches() * 72
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    return axes


def _svg(figure: Figure, name: str, label: str) -> str:
    """The figure as an element of the page: no identifiers but those used, no fonts or colours of its own."""
    import matplotlib

    matplotlib.rcParams["svg.hashsalt"] = name  # identifiers differ between the figures of one page
    raw = io.StringIO()
    figure.savefig(raw, format="svg", transparent=True, metadata={"Date": None})
    body = raw.getvalue()
    body = re.sub(r"<[^>]*>", lambda tag: _themed(tag[0]), body[body.index("<g id=") :])
    width, height = figure.get_size_inches() * 72
    return (
        f'<svg class="{name}" viewBox="0 0 {width:g} {height:g}" style="width: {width * SCALE:g}px" role="img" '
        f'aria-label="{escape(printable(label))}">{body.rstrip()}'
    )


def _themed(tag: str) -> str:
    """One tag of matplotlib's SVG in the page's terms; the text between tags is the user's and stays as it is."""
    tag = re.sub(r' id="(?![mp][0-9a-f]{10}")[^"]*"', "", tag).replace("xlink:href", "href")
    tag = re.sub(r"'DejaVu Sans'[^;\"]*", "var(--sans)", tag)
    tag = re.sub(r' transform="rotate\(-0 [^"]*"', "", tag)
    for colour, variable in VARIABLES.items():
        tag = tag.replace(colour, f"var({variable})")
    return re.sub(r"\s+", " ", tag)


@_page_style()
def class_counts(counts: Mapping[str, Mapping[str, int]]) -> str:
    """Pictures per class: a row per class, a column per split of ``counts`` (split → class → pictures)."""
    classes = list(dict.fromkeys(name for split in counts.values() for name in split))
    row = 26 if len(classes) <= 12 else 19
    label, top = _widest(classes, 24) + 14, 30
    panel = (WIDTH - label) / max(len(counts), 1)
    figure = _blank(WIDTH, top + row * len(classes) + 4)
    canvas = _canvas(figure)
    most = max((count for split in counts.values() for count in split.values()), default=0)
    scale = (panel - 52) / max(most, 1)  # 52 px remain for the number and a gap
    middles = [top + row * (i + 0.5) for i in range(len(classes))]
    for name, y in zip(classes, middles, strict=True):
        canvas.text(label - 12, y, short(name, 24), ha="right", va="center")
    for column, (split, of_class) in enumerate(counts.items()):
        x = label + column * panel
        canvas.text(
            x, 12, short(f"{split} {sum(of_class.values()):,}", int(panel / CHARACTER)), color=MUTED, va="center"
        )
        widths = [max(count * scale, 1) if (count := of_class.get(name, 0)) else 0 for name in classes]
        canvas.barh(middles, widths, height=row * 0.56, left=x, color=ACCENT)
        for name, y, width in zip(classes, middles, widths, strict=True):
            canvas.text(x + width + 6, y, f"{of_class.get(name, 0):,}", va="center", color=MUTED)
    lines = (f"{split}: " + ", ".join(f"{n} {name}" for name, n in of.items()) for split, of in counts.items())
    return _svg(figure, "class-counts", f"Pictures per class. {'; '.join(lines)}")


@_page_style()
def candidates(rows: Sequence[CandidateBar]) -> str:
    """Out-of-fold log-loss of the best candidates with one standard error to each side, the chosen one filled."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    ranked = sorted(rows, key=lambda row: row.log_loss)
    shown = [row for i, row in enumerate(ranked) if i < MOST_CANDIDATES or row.chosen]
    figure = _blank(WIDTH, 38 * len(shown) + 54)
    axes = _axes(figure, left=8, top=4, right=12, bottom=50)
    axes.set(ylim=(len(shown) - 0.35, -0.85), yticks=[])
    best = shown[0]
    axes.axvspan(best.log_loss, best.log_loss + best.standard_error, color=ACCENT, alpha=0.1, linewidth=0)
    for y, row in enumerate(shown):
        colour, fill = (ACCENT, ACCENT) if row.chosen else (MUTED, LINE if row.screened else MUTED)
        axes.errorbar(
            row.log_loss, y, xerr=row.standard_error, color=colour, elinewidth=2, fmt="o", markersize=8,
            markerfacecolor=fill, markeredgecolor=colour, clip_on=False,
        )  # fmt: skip
        name = short(row.name, 58) + ("  (quick look)" if row.screened else "")
        axes.text(
            0, y - 0.38, name, transform=axes.get_yaxis_transform(), va="center",
            color=INK if row.chosen else MUTED, weight="bold" if row.chosen else "normal",
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
    text = ", ".join(f"{row.name} {row.log_loss:.3f}{' (chosen)' if row.chosen else ''}" for row in shown)
    return _svg(figure, "candidates", f"Out-of-fold log-loss of {len(shown)} candidates: {text}")


@_page_style()
def confusion(matrix: Sequence[Sequence[float]], classes: Sequence[str]) -> str:
    """Counts (k, k), a row per true and a column per predicted class, shaded by their share of the row."""
    from matplotlib.patches import Rectangle

    k = len(classes)
    cell = min(76.0, max(21.0, 330 / k))
    widest = _widest(classes, 20)
    label, flat = max(widest, 44) + 14, widest < cell - 6
    top = 46 if flat else label + 22
    figure = _blank(label + cell * k + 2, top + cell * k + 2)
    canvas = _canvas(figure)
    size = min(15.0, cell * 0.45)
    canvas.text(label, 10, "predicted →", color=MUTED, va="center")
    canvas.text(label - 10, top - 12, "true ↓", color=MUTED, va="center", ha="right")
    for i, name in enumerate(classes):
        middle = (i + 0.5) * cell
        canvas.text(label - 10, top + middle, short(name, 20), ha="right", va="center")
        canvas.text(
            label + middle, top - 12, short(name, 20), rotation=0 if flat else 90,
            ha="center", va="center" if flat else "bottom",
        )  # fmt: skip
    canvas.add_patch(Rectangle((label, top), cell * k, cell * k, color=LINE, alpha=0.3, linewidth=0))
    for i, counts in enumerate(matrix):
        for j in (j for j, count in enumerate(counts) if count):
            corner, share = (label + j * cell, top + i * cell), counts[j] / sum(counts)
            _cell(canvas, corner, cell, counts[j], share, right=i == j, size=size)
    wrong = sum(count for i, counts in enumerate(matrix) for j, count in enumerate(counts) if i != j)
    total = sum(map(sum, matrix))
    return _svg(figure, "confusion", f"Confusion matrix: {_count(wrong)} of {_count(total)} off the diagonal")


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


@_page_style()
def reliability(bins: Sequence[ReliabilityBin]) -> str:
    """How often predictions of like confidence were right, against how sure they were."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    lowest = min(min(one.low, one.confidence) for one in bins)
    start = max(0.0, int(lowest * 20 - 0.5) / 20)
    figure = _blank(400, 380)
    axes = _axes(figure, left=62, top=12, right=14, bottom=54)
    axes.set(xlim=(start, 1.0), ylim=(start, 1.0), xlabel="how sure it was", ylabel="how often it was right")
    axes.spines["left"].set_visible(True)
    axes.plot([start, 1], [start, 1], color=MUTED, linewidth=1, dashes=(3, 4))
    for one in bins:
        axes.plot([one.confidence] * 2, [one.low, one.high], color=ACCENT, linewidth=2, alpha=0.45, clip_on=False)
    axes.plot(
        [one.confidence for one in bins], [one.accuracy for one in bins], "o", color=ACCENT, markersize=8, clip_on=False
    )
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        axis.set_major_formatter(FuncFormatter(lambda x, _: f"{100 * x:.4g} %"))
        axis.labelpad = 8
    words = ", ".join(f"{one.confidence:.0%} sure, {one.accuracy:.0%} right" for one in bins)
    return _svg(figure, "reliability", f"Reliability in {len(bins)} bins: {words}")


def interval_bar(estimate: Estimate, label: str, baseline: Estimate, baseline_label: str) -> str:
    """An estimate on a line from 0 to 100 %, its interval as a bar, and the baseline marked.

    Written by hand with positions in percent, so that it stretches while its text does not.
    """

    def text(at: float, y: int, words: str, kind: str) -> str:
        anchor = "start" if at < 0.25 else "end" if at > 0.75 else "middle"
        return f'<text class="{kind}" x="{at:.2%}" y="{y}" text-anchor="{anchor}">{escape(printable(words))}</text>'

    low, high, value, at = estimate.low, estimate.high, estimate.value, baseline.value
    middle = (low + high) / 2
    spoken = escape(printable(f"{label}; {baseline_label}"))
    return "".join(
        [
            f'<svg class="interval" height="96" role="img" aria-label="{spoken}">',
            '<rect class="track" width="100%" height="8" y="35" rx="4"/>',
            f'<rect class="range" x="{low:.2%}" width="{high - low:.2%}" height="18" y="30" rx="4"/>',
            f'<rect class="mark" x="{value:.2%}" width="4" height="28" y="25" rx="2" transform="translate(-2)"/>',
            f'<line class="majority_baseline" x1="{at:.2%}" x2="{at:.2%}" y1="28" y2="54"/>',
            text(middle if 0.25 <= middle <= 0.75 else high if middle > 0.5 else low, 16, label, "ink"),
            text(at, 71, baseline_label, "ink"),
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
