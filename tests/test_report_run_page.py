from __future__ import annotations

from dataclasses import replace
from html import escape as html_escape
from pathlib import Path

from headstart.audit.leak import Leak
from headstart.audit.shortcuts import Shortcut
from headstart.evaluation.intervals import Estimate
from headstart.pipeline import Doubts, Fitted
from headstart.report.page import render
from headstart.report.run_page import alarms_beside, content, lines
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
    assert page.alarms == ()
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


def test_alarms_stand_beside_the_accuracy(doubted: tuple[Fitted, Doubts]) -> None:
    fitted, doubts = doubted
    brightness = Shortcut(
        fact="border", effect=0.9, label=1, recognised=0.95, mistaken=0.05, least=0.8, p=0.001, needed=0.4
    )
    leak = Leak(split="test", optimism=Estimate(0.1, 0.05, 0.15, 100, ""), leaky=0.95, deduplicated=0.85, copied=10)
    doubts = replace(doubts, leak=leak, findings=replace(doubts.findings, shortcuts=(brightness,)))
    page = content("Drawn", fitted, doubts, [], seconds={}, command="")
    assert [line.split(":")[0] for line in page.alarms] == ["Shortcut", "Leak"]
    html = render(page)
    places = [html.index(html_escape(line)) for line in page.alarms]
    assert html.index('class="big"') < places[0] < places[1] < html.index("<main>")


def test_groups_that_are_torn_by_a_split_are_said_from_the_first_answer_on(doubted: tuple[Fitted, Doubts]) -> None:
    fitted, _ = doubted
    torn = replace(fitted, audit=replace(fitted.audit, groups_across=((Path("a"), Path("b")),)))
    assert alarms_beside(fitted, None) == ()
    (line,) = alarms_beside(torn, None)
    assert line.startswith("Leak: pictures that belong together lie in more than one split (1 group)")
