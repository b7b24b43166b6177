from __future__ import annotations

import pytest

from headstart.evaluation.measured_on import MeasuredOn
from headstart.report.words import measured_on


@pytest.mark.parametrize(
    ("fact", "words"),
    [
        (MeasuredOn(kind="split", split="test"), "the test split"),
        (MeasuredOn(kind="split", split="val", epoch="last"), "the validation split, last epoch"),
        (
            MeasuredOn(kind="split", split="val", epoch="best"),
            "the validation split, best epoch: it was chosen on these very pictures, which flatters",
        ),
        (MeasuredOn(kind="cross-validation", folds=5), "5-fold nested cross-validation"),
        (MeasuredOn(kind="cross-validation", folds=5, repeats=3), "5-fold nested cross-validation, 3 times"),
        (MeasuredOn(kind="held out"), "training pictures held out, choice included"),
        (MeasuredOn(kind="held out", answers="frozen"), "training pictures held out, frozen network"),
        (MeasuredOn(kind="pictures", n=7, source="new"), "7 pictures of new"),
        (
            MeasuredOn(kind="all held out", n=1000),
            "all 1,000 held-out pictures, validation and test together, last epoch: nothing was chosen on them",
        ),
    ],
)
def test_what_a_figure_was_measured_on_is_said(fact: MeasuredOn, words: str) -> None:
    assert measured_on(fact) == words
