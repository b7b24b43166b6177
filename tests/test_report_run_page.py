from __future__ import annotations

from headstart.pipeline import Doubts, Fitted
from headstart.report.page import render
from headstart.report.run_page import content, lines
from test_report_page import Page


def test_the_page_answers_first_and_then_doubts(doubted: tuple[Fitted, Doubts]) -> None:
    fitted, doubts = doubted
    said = lines(fitted, doubts)
    page = content(
        "Drawn", fitted, doubts, said, seconds={"features": 1.0, "idle": 0.0}, command="headstart train drawn"
    )
    shown = Page(render(page))
    parts = [name for name in shown.ids if not name.endswith("-title")]
    assert parts[0] == "answer"
    assert len(set(parts)) == len(parts)
    ids = [section.id for section in page.sections]
    assert ids[0] == "tuning"
    assert len(ids) >= 5
    assert page.made["Network"] == "frozen"
    assert "headstart train drawn" in shown.text
    assert len(page.samples) == 9
    assert page.augmented == ()  # no network was trained on such views
    assert page.timings == {"features": 1.0}
    assert page.audit_lines == tuple(said)
