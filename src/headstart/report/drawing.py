"""What the report's figures are drawn with: inline SVG of real text, in the colours of the page.

matplotlib draws with stand-in colours, which become the page's CSS variables, so that one figure suits light and
dark. The same numbers give the same bytes. Sizes are in CSS pixels.
"""

from __future__ import annotations

import base64
import hashlib
import io
import pickle
import re
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from html import escape
from typing import TYPE_CHECKING, Any, Literal, ParamSpec

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

Arguments = ParamSpec("Arguments")

INK, MUTED, LINE, ACCENT, PAPER = "#010101", "#020202", "#030303", "#040404", "#050505"
VARIABLES = {INK: "--ink", MUTED: "--muted", LINE: "--line", ACCENT: "--accent", PAPER: "--paper"}

WIDTH = 440  # of the drawing; shown at 528 with text of 14 px, and on a phone at 350 with 10 px
SCALE = 1.2
TEXT = 12.0
CHARACTER = 7.0  # pixels, of a letter at 12 px: for margins and for shortening names
ROUND = (1, 2, 2.5, 5, 10)  # steps from tick to tick, times a power of ten

FIGURES_KEPT = 8
"""Figures of one kind that a process remembers."""

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


def printable(text: str) -> str:
    """Text that any UTF-8 page can hold: lone surrogates and control characters become U+FFFD."""
    return re.sub(r"[\ud800-\udfff\x00-\x08\x0b-\x1f\x7f-\x9f]", "\ufffd", text)


def data_uri(jpeg: bytes) -> str:
    """The address under which a page holds a picture itself."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


def text_columns(text: str) -> int:
    """Width of text in characters of plain Latin; Chinese, Japanese and Korean ones take two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def short(text: str, most: int) -> str:
    """On one line, at most ``most`` columns wide, cut in the middle: names tend to differ at either end."""
    line = " ".join(printable(text).split())
    if text_columns(line) <= most:
        return line
    keep = int((most - 1) * len(line) / text_columns(line))
    tail = keep // 3
    return f"{line[: keep - tail]}…{line[len(line) - tail :]}"


def widest(names: Sequence[str], most: int) -> float:
    """Pixels that the widest of these names takes, each shortened to ``most`` columns."""
    return max((text_columns(short(name, most)) for name in names), default=0) * CHARACTER


@contextmanager
def page_style() -> Iterator[None]:
    """matplotlib with our settings and nobody else's; the caller's come back afterwards."""
    import matplotlib

    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # the reader's fonts draw the text
        yield


def drawn(figure: Callable[Arguments, str]) -> Callable[Arguments, str]:
    """A figure in `page_style`, drawn once of the same arguments: the pages of a run show most of them again."""
    before: dict[bytes, str] = {}

    @wraps(figure)
    def shown(*args: Arguments.args, **options: Arguments.kwargs) -> str:
        key = hashlib.sha256(pickle.dumps((args, options))).digest()
        if key not in before:
            if len(before) == FIGURES_KEPT:
                before.clear()
            with page_style():
                before[key] = figure(*args, **options)
        return before[key]

    return shown


def blank_figure(width: float, height: float) -> Figure:
    """An empty figure of this size in pixels."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width / 72, height / 72), dpi=72)


def plot_axes(figure: Figure, *, left: float, top: float, right: float, bottom: float) -> Axes:
    """Axes that leave these margins, with a line below them only."""
    width, height = figure.get_size_inches() * 72
    axes = figure.add_axes(
        (left / width, bottom / height, (width - left - right) / width, (height - top - bottom) / height)
    )
    axes.spines[["left", "top", "right"]].set_visible(False)
    return axes


def plot(
    height: float, *, left: float, top: float, right: float, bottom: float, levels: bool = False
) -> tuple[Figure, Axes]:
    """A figure as wide as the page's and so many pixels high, and axes in it that leave these margins.

    ``levels``: with thin lines across, behind what is drawn.
    """
    figure = blank_figure(WIDTH, height)
    axes = plot_axes(figure, left=left, top=top, right=right, bottom=bottom)
    if levels:
        grid(axes, "y")
    return figure, axes


def grid(axes: Axes, along: Literal["x", "y"]) -> None:
    """Thin lines at the ticks of an axis, behind what is drawn."""
    axes.grid(axis=along, color=LINE, linewidth=0.8, alpha=0.6)
    axes.set_axisbelow(True)


def percent_axis(axis: Axis, *, ticks: int = 5) -> None:
    """Write the shares along an axis as percent, at about so many round ones."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.set_major_locator(MaxNLocator(ticks, steps=ROUND))
    axis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.4g}\u202f%"))


def pixel_canvas(figure: Figure) -> Axes:
    """The whole figure in pixels, (0, 0) at the top left."""
    width, height = figure.get_size_inches() * 72
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    return axes


def sheet(width: float, height: float) -> tuple[Figure, Axes]:
    """An empty figure of this size, and the whole of it in pixels."""
    figure = blank_figure(width, height)
    return figure, pixel_canvas(figure)


def as_svg(figure: Figure, name: str, label: str) -> str:
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
