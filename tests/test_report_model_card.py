from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from headstart.deploy.manifest import Manifest
from headstart.deploy.portable import open_onnx
from headstart.evaluation.intervals import Estimate
from headstart.report.model_card import ClassFigures, Figures, model_card, plain_text

NAN = float("nan")


@pytest.fixture(scope="module")
def manifest(small_onnx: Path) -> Manifest:
    return open_onnx(small_onnx).manifest


def estimate(value: float, low: float, high: float) -> Estimate:
    return Estimate(value=value, low=low, high=high, n=40, method="Wilson")


FIGURES = Figures(
    measured_on="the test split",
    accuracy=estimate(0.9, 0.8, 0.95),
    majority="rings",
    majority_baseline=estimate(0.34, 0.2, 0.5),
    log_loss=estimate(0.2, 0.1, 0.3),
    ece=estimate(NAN, NAN, NAN),
    per_class=(
        ClassFigures(name="blobs <&> é", precision=estimate(1, 0.9, 1), recall=estimate(1, 0.9, 1), support=12),
    ),
    sure=None,
    unfamiliar=None,
    alarms=("File size alone gives the class away.",),
)


def test_it_holds_what_was_measured(manifest: Manifest) -> None:
    card = model_card("leaves", manifest, FIGURES)
    assert "| accuracy | 90.0% [80.0%, 95.0%] (n=40) |" in card
    assert "| calibration error | undefined |" in card
    assert "- File size alone gives the class away." in card
    assert "metrics: [{type: accuracy, value: 0.9000}]" in card
    assert "Trained on 36 pictures." in card
    assert "| blobs &lt;&amp;&gt; é | 12 |" in card


def test_it_says_where_nothing_was_measured_or_learned(manifest: Manifest) -> None:
    unlearned = replace(manifest, sure_from=None, unfamiliar_above=None, training={"pictures": 1})
    card = model_card("leaves", unlearned, None)
    assert "None are known" in card
    assert "Trained on 1 picture." in card
    assert "It has not learned what is unfamiliar." in card
    assert "It has not learned when it is unsure." in card
    assert "model-index" not in card


def test_names_are_shown_as_they_are() -> None:
    assert plain_text("a|b*\n# <i>") == "a\\|b\\* \\# &lt;i&gt;"
