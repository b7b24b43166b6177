from __future__ import annotations

from headstart.evaluation.intervals import Estimate, undefined
from headstart.report.page import PlainPage, render
from headstart.report.section import Section, Table, Thumbnail, p_value, percent
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
    assert percent(Estimate(0.9, 0.85, 0.95, 100, "Wilson")) == "90.0% [85.0%, 95.0%]"
    assert percent(undefined("no picture of bees here")) == "–"
    assert [p_value(p) for p in (0.00001, 0.0123, 0.5)] == ["p < 0.001", "p = 0.012", "p = 0.5"]
