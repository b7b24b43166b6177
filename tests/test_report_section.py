from __future__ import annotations

from decimal import Decimal

from headstart.evaluation.intervals import Estimate, undefined
from headstart.report.page import PlainPage, render
from headstart.report.section import Section, Table, Thumbnail, between, p_value, percent, with_interval
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
