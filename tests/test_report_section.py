from __future__ import annotations

import ast
from decimal import Decimal
from pathlib import Path
from string import Formatter

import pytest

import headstart.report
from headstart.evaluation.intervals import Estimate, undefined
from headstart.report.page import PlainPage, render
from headstart.report.section import (
    Section,
    Table,
    Thumbnail,
    _texts,
    between,
    p_value,
    percent,
    text,
    with_interval,
)
from test_report_page import EVIL, JPEG, Page

SECTION = Section(
    id="copies",
    title="Copies",
    aside="Look at both.",
    sentences=("Two pictures are the same.", EVIL),
    items=("one.jpg and two.jpg",),
    figures=('<svg role="img"></svg>',),
    thumbnails=(Thumbnail(jpeg=JPEG, caption=f"ants\n{EVIL}"),),
    table=Table(about="Both files", columns=("file", "bytes"), rows=(("one.jpg", "12"), (EVIL, "12")), numbers=(1,)),
    method="By their hashes.",
)


def test_a_section_shows_everything_it_holds_and_escapes_all_but_figures() -> None:
    html = render(PlainPage(title="Pictures", lede=("One thing was found.",), sections=(SECTION,), command="headstart"))
    page = Page(html)
    assert page.ids == ["answer", "copies", "copies-title", "made", "made-title"]
    for words in ("One thing was found.", "Look at both.", "Two pictures are the same.", "one.jpg and two.jpg"):
        assert words in page.text
    for words in ("Both files", "By their hashes.", "ants"):
        assert words in html
    assert "svg" in page.tags
    assert "script" not in page.tags
    assert html.count("&lt;script&gt;alert") == html.count("alert(") > 3
    assert all(address.startswith(("data:", "#")) for address in page.addresses)


def test_a_long_table_is_folded_away() -> None:
    rows = tuple((f"{i}.jpg", "1") for i in range(13))
    long = Section(id="a", title="A", table=Table(about="All 13", columns=("file", "n"), rows=rows))
    short = Section(id="a", title="A", table=Table(about="All 12", columns=("file", "n"), rows=rows[:12]))
    folded, open_ = (render(PlainPage(title="T", lede=(), sections=(one,))) for one in (long, short))
    assert "<summary>All 13</summary>" in folded
    assert "<summary>" not in open_


def test_figures_in_cells() -> None:
    assert with_interval(Estimate(0.9, 0.85, 0.95, 100, "Wilson")) == "90.0% [85.0%, 95.0%]"
    assert with_interval(undefined("no picture of bees here")) == "–"
    assert [p_value(p) for p in (0.00001, 0.0123, 0.5)] == ["p < 0.001", "p = 0.012", "p = 0.5"]


def test_percent_keeps_number_and_sign_together() -> None:
    assert percent(0.9172) == "91.7\u202f%"
    assert percent(0.9172, 0) == "92\u202f%"
    assert between(Estimate(0.9825, 0.9636, 0.9906, 400, "Wilson")) == "96.4–99.1\u202f%"


def test_percent_rounds_as_three_decimals_do() -> None:
    """393 of 400: a page must not say 98.2 % in one place and 0.983 in another."""
    shares = [right / n for n in (96, 153, 400, 2000) for right in range(n + 1)]
    assert [percent(share) for share in shares] == [f"{100 * Decimal(f'{share:.3f}'):.1f}\u202f%" for share in shares]
    assert (percent(393 / 400), f"{393 / 400:.3f}") == ("98.3\u202f%", "0.983")


def test_a_text_takes_its_values_and_fails_loudly_without_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(_texts(), "drift", "It is {p:.2f}.")
    assert text("drift", p=0.5) == "It is 0.50."
    with pytest.raises(KeyError):
        text("drift")
    with pytest.raises(KeyError):
        text("no such text")


def test_every_text_is_used_with_exactly_the_values_it_has_places_for() -> None:
    """A key made with an f-string stands for all keys that begin as it does."""
    used = set()
    for path in Path(headstart.report.__path__[0]).glob("*.py"):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "text"):
                continue
            key = call.args[0]
            if isinstance(key, ast.Constant):
                keys = {str(key.value)}
            elif isinstance(key, ast.JoinedStr) and isinstance(key.values[0], ast.Constant):
                start = str(key.values[0].value)
                keys = {known for known in _texts() if known.startswith(start)}
            else:
                continue  # a function of that name in another module
            assert keys, ast.unparse(call)
            fields = {name for known in keys for _, name, *_ in Formatter().parse(_texts()[known]) if name}
            places = {name.partition(".")[0] for name in fields}
            assert places == {keyword.arg for keyword in call.keywords}, ast.unparse(call)
            used |= keys
    assert used == set(_texts())
    assert not any("\n" in value or "  " in value for value in _texts().values())
