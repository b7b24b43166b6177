from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import numpy as np
import pytest

from headstart.abstain.abstention import Abstention, AbstentionReport, learn_abstention, measure_abstention
from headstart.abstain.conformal import TooFewPictures
from headstart.abstain.costs import Costs
from headstart.evaluation.calibration import softmax
from headstart.evaluation.measured_on import MeasuredOn
from headstart.report.abstention import abstention_lines, abstention_section, curve_figure
from headstart.report.page import PlainPage, render
from test_report_page import EVIL, Page

TEST = MeasuredOn(kind="split", split="test")

CLASSES = ("ants", "bees")
COSTS = Costs(classes=CLASSES, answers=(EVIL, "throw"), matrix=((0, 1), (5, 0)))


def pictures(n: int, seed: int, *, sure: float = 1.2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    return rng.normal(0, 1, (n, 12)) + 4 * np.eye(2, 12)[y], softmax(rng.normal(0, 1, (n, 2)) + sure * np.eye(2)[y]), y


def found(n: int = 300, *, sure: float = 1.2, held_out: bool = True) -> tuple[Abstention, AbstentionReport]:
    rows, proba, y = pictures(n, 0, sure=sure)
    abstention = learn_abstention(rows, y, CLASSES, proba=proba, costs=COSTS)
    new, answers, truth = pictures(200, 1, sure=sure)
    assert abstention.novelty is not None
    report = measure_abstention(
        abstention,
        answers[None],
        truth,
        measured_on=TEST,
        prior=[0.5, 0.5],
        new=held_out,
        novelty=abstention.novelty.measure(new),
    )
    return abstention, report


def words(abstention: Abstention, report: AbstentionReport) -> str:
    return " ".join(abstention_section(abstention, report).sentences).replace("\u202f", " ")


def test_the_section_says_what_would_be_answered_and_how_often_right() -> None:
    abstention, report = found()
    text = words(abstention, report)
    assert report.sure is not None
    assert f"answers the other {100 * report.sure.share.value:.1f} %" in text
    assert f"gets {100 * report.sure.accuracy.value:.1f} % right" in text
    assert f"it names {report.mean_set_size:.2f} classes on average" in text
    assert "The true class was in the set for" in text
    assert "Of the test split, which should be familiar," in text
    assert "the most probable labels" not in text  # a class is no answer here
    section = abstention_section(abstention, report)
    assert section.table is not None
    assert [row[0] for row in section.table.rows][::5] == ["100\u202f%", "50\u202f%"]


def test_out_of_fold_it_claims_no_coverage_and_no_familiarity() -> None:
    text = words(*found(held_out=False))
    assert "The true class was in the set" not in text
    assert "should be familiar" not in text
    assert "marked “unfamiliar” when" in text


def test_a_model_that_has_no_doubts_and_one_that_knows_nothing() -> None:
    text = words(*found(sure=14.0))
    assert "It would answer every picture (measured on the test split), since" in text
    assert "right for 100.0 %" in text
    assert "a single label is right that often already" in text
    rng = np.random.default_rng(0)
    proba = np.array([0.6, 0.4])[(np.arange(200)[:, None] + [0, 1]) // 1 % 2]
    y = rng.permutation(np.arange(200) % 2)
    abstention = Abstention(classes=CLASSES, sure_from=1.0, no_sets=TooFewPictures(counts={"ants": 15}))
    report = measure_abstention(abstention, proba[None], y, measured_on=TEST, prior=[0.5, 0.5], new=True)
    text = words(abstention, report)
    assert "every answer is marked “unsure”" in text
    assert "Prediction sets need 20 independent training pictures of every class that the answering model" in text
    assert " had not learned from: ants has 15." in text
    bare = measure_abstention(Abstention(), proba[None], y, measured_on=TEST, prior=[0.5, 0.5], new=True)
    assert abstention_section(Abstention(), bare).sentences == ()


def test_the_page_escapes_names_and_shows_the_curve() -> None:
    html = render(PlainPage(title="T", lede=(), sections=(abstention_section(*found()),)))
    page = Page(html)
    assert "script" not in page.tags
    assert "svg" in page.tags
    assert "When it should not answer" in page.text


def test_the_figure_is_accessible_themed_and_always_the_same() -> None:
    _, report = found()
    svg = curve_figure(report)
    root = ElementTree.fromstring(svg)
    assert root.get("role") == "img"
    assert "100% answered" in (root.get("aria-label") or "")
    assert "var(--accent)" in svg
    assert "://" not in svg
    assert curve_figure(report) == svg


@pytest.mark.parametrize("n", [2, 7, 50])
def test_few_pictures_draw_too(n: int) -> None:
    _, proba, y = pictures(n, 3)
    report = measure_abstention(
        Abstention(sure_from=0.7),
        proba[None],
        y,
        measured_on=TEST,
        prior=[0.5, 0.5],
        new=True,
    )
    assert curve_figure(report).startswith("<svg")


@pytest.mark.parametrize(
    ("count", "rest"),
    [(3, "a has 1, b has 1, c has 1."), (4, "c has 1, and 1 more class has too few."),
     (5, "c has 1, and 2 more classes have too few.")],
)  # fmt: skip
def test_classes_with_too_few_pictures_are_named_and_counted(count: int, rest: str) -> None:
    abstention = replace(found()[0], sets=None, no_sets=TooFewPictures(counts=dict.fromkeys("abcde"[:count], 1)))
    text = words(abstention, found()[1])
    assert rest in text


def test_the_lines_for_a_terminal() -> None:
    _, report = found()
    sure, cost = abstention_lines(report)
    assert sure.startswith(f"accuracy {report.sure.accuracy if report.sure else ''} where it is sure, ")
    assert cost.startswith("cost ")
    assert f"; always '{EVIL}' " in cost or "; always 'throw' " in cost
    assert abstention_lines(replace(report, sure=None, costs=None)) == []


def test_the_curve_of_very_many_pictures_is_no_longer_than_that_of_many() -> None:
    _, report = found()
    lengths = []
    for n in (5_000, 100_000):
        risk = 0.1 + 0.05 * np.sin(np.arange(n) * 7.1) ** 2
        lengths.append(len(curve_figure(replace(report, curve=replace(report.curve, n=n, risk=risk)))))
    assert lengths[1] < 1.5 * lengths[0]
