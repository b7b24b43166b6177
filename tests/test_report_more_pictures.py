from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from headstart.claims.learning_curve import LearningCurve, learning_curve
from headstart.report.more_pictures import curve_sentences, forecast_figure, learning_curve_section
from headstart.report.page import PlainPage, render
from test_claims_learning_curve import LOGISTIC, draw


@pytest.fixture(scope="module")
def curve() -> LearningCurve:
    return learning_curve(draw(0, counts=(100, 24, 100)), LOGISTIC, seed=0)


def certain(curve: LearningCurve, *, error: float, floor: float, power: float) -> LearningCurve:
    """The same curve, as if its law were known."""
    return replace(curve, posterior=np.tile([error, floor, power, 1.0], (50, 1)))


def test_the_answers_name_numbers_and_the_class(curve: LearningCurve) -> None:
    first, second, third = curve_sentences(curve)
    value, low, high = (100 * number for number in curve.gain(2 * curve.n))
    assert f"{value:.1f} points more than with {curve.n} ({low:.1f} to {high:.1f})" in first
    assert second.startswith("A quarter fewer mistakes would take")
    assert third.startswith("More pictures of bees would help most")


def test_a_flat_curve_promises_nothing(curve: LearningCurve) -> None:
    flat = certain(curve, error=0.1, floor=1.0, power=1.0)
    first, second, _ = curve_sentences(flat)
    assert first.startswith("Twice as many pictures would bring little")
    assert second == "A quarter fewer mistakes: out of reach, even with 100 times as many pictures of this kind."
    assert flat.more_for(0.25) == (math.inf, math.inf, math.inf)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (0.0, "the same as with 224 (-1.0 to 1.0)"),
        (-0.0004, "the same as with 224 (-1.0 to 1.0)"),
        (0.01, "1.0 points more than with 224 (0.0 to 2.0)"),
        (0.02, "2.0 points more than with 224 (1.0 to 3.0)"),
        (-0.012, "1.2 points less than with 224 (0.2 to 2.2)"),
    ],
)
def test_a_change_of_any_sign_is_told(
    curve: LearningCurve, monkeypatch: pytest.MonkeyPatch, change: float, words: str
) -> None:
    monkeypatch.setattr(LearningCurve, "gain", lambda self, size: (change, change - 0.01, change + 0.01))
    first = curve_sentences(curve)[0]
    assert words in first


@pytest.mark.parametrize(
    ("few", "words"),
    [(1.0, "about 1 more picture, at least 1 and up to 1."), (2.0, "about 2 more pictures, at least 2 and up to 2.")],
)
def test_a_single_picture_is_enough(
    curve: LearningCurve, monkeypatch: pytest.MonkeyPatch, few: float, words: str
) -> None:
    monkeypatch.setattr(LearningCurve, "more_for", lambda self, share: (few, few, few))
    assert words in curve_sentences(curve)[1]
    monkeypatch.setattr(LearningCurve, "more_for", lambda self, share: (math.inf, few, math.inf))
    assert f"at least {words.split(',')[0].removeprefix('about ')}, and" in curve_sentences(curve)[1]


def test_a_steep_curve_says_how_many(curve: LearningCurve) -> None:
    """Error ∝ 1 / pictures: three quarters of it takes a third more."""
    steep = certain(curve, error=0.2, floor=0.0, power=1.0)
    first, second, _ = curve_sentences(steep)
    assert first.startswith("Twice as many pictures would help")
    assert steep.more_for(0.25)[0] == pytest.approx(curve.n / 3)
    assert second == "A quarter fewer mistakes would take about 75 more pictures, at least 75 and up to 75."


def test_the_section_and_its_figure(curve: LearningCurve) -> None:
    section = learning_curve_section(curve)
    assert "parts of the pictures" in section.aside
    assert "parts of 224 of the 2,000 pictures" in learning_curve_section(replace(curve, n=2_000)).aside
    assert section.table is not None
    assert section.table.marked == (0,)
    assert section.table.rows[0][:2] == ("bees", "24")
    figure = forecast_figure(curve)
    assert f"there are {curve.n}" in figure
    assert figure == forecast_figure(curve)
    page = render(PlainPage(title="t", lede=(), sections=(section,)))
    assert page.index("Twice as many pictures") < page.index("inverse power law")
