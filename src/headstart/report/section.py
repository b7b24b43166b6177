"""What a page is made of: pictures, tables, and sections that say one thing each, in plain words first."""

from __future__ import annotations

from configparser import ConfigParser
from dataclasses import dataclass
from functools import cache
from importlib import resources

from headstart.evaluation.intervals import Estimate


@dataclass(frozen=True, kw_only=True)
class Thumbnail:
    """A small picture, as the bytes of a JPEG file, and the words under it; lines after the first are small print."""

    jpeg: bytes
    caption: str


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of text under column names; folded away when it is long."""

    about: str
    """What it lists, in a few words: the name of the fold, and what a screen reader says."""
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: tuple[int, ...] = ()
    """Positions of columns that hold numbers, which are aligned to the right."""
    marked: tuple[int, ...] = ()
    """Positions of rows to point out."""


@dataclass(frozen=True, kw_only=True)
class Section:
    """One part of a page. All text is shown as it is: markup in a class or file name stays text."""

    id: str
    """Of the part in the page's address; lower case with hyphens."""
    title: str
    """A question or a few words."""
    aside: str = ""
    """A sentence on how to read it."""
    sentences: tuple[str, ...] = ()
    """The answer in plain words, a paragraph each; first in the section."""
    items: tuple[str, ...] = ()
    """Findings, a point of a list each."""
    figures: tuple[str, ...] = ()
    """SVG made with `headstart.report.drawing`; nothing else is left unescaped."""
    thumbnails: tuple[Thumbnail, ...] = ()
    table: Table | None = None
    method: str = ""
    """How it was found, for those who ask; behind a fold."""


def text(key: str, **values: object) -> str:
    """A long text of a page, from ``texts.ini``, with ``values`` where it has braces.

    Raises KeyError for a key that is not there, or a value that is missing.
    """
    return _texts()[key].format(**values)


@cache
def _texts() -> dict[str, str]:
    """Key → text on one line, all of the file."""
    parser = ConfigParser(interpolation=None)
    parser.read_string(resources.files("headstart.report").joinpath("texts.ini").read_text(encoding="utf-8"))
    return {key: value.strip().replace("\n", " ") for key, value in parser["texts"].items()}


THIN = "\u202f"
"""Between a number and %: narrow, and never the end of a line."""


def percent(value: float, decimals: int = 1) -> str:
    """0.917 as “91.7 %”; a tie such as 0.9825 falls as it does where it is written with three decimals."""
    return f"{float(f'{value:.{decimals + 2}f}') * 100:.{decimals}f}{THIN}%"


def between(estimate: Estimate) -> str:
    """Its interval, such as “96.4–99.1 %”."""
    low, high = percent(estimate.low), percent(estimate.high)
    return f"{low.removesuffix(f'{THIN}%')}–{high}" if estimate.defined else "–"


def with_interval(estimate: Estimate) -> str:
    """An accuracy and its interval, for a cell of a table."""
    return f"{estimate.value:.1%} [{estimate.low:.1%}, {estimate.high:.1%}]" if estimate.defined else "–"


def p_value(p: float) -> str:
    """A p-value as people write it: three decimals at most."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"
