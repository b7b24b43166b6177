from __future__ import annotations

import pytest

from headstart.evaluation.measured_on import MeasuredOn
from headstart.report.experiment import Conditions, caveats, diverged_line, measured_pictures, no_result_line, row_line


def test_the_measured_pictures_are_named_with_their_split() -> None:
    val = MeasuredOn(kind="split", split="val", epoch="last", n=153)
    assert measured_pictures(val) == (
        "the 153 pictures of the validation split after the last epoch, which nothing was chosen on"
    )
    assert measured_pictures(MeasuredOn(kind="split", split="test", n=2)) == "the 2 pictures of the test split"


def test_conditions_are_told_a_sentence_each() -> None:
    conditions = Conditions(
        in_common={"backbone": "resnet18", "size": "224 px"},
        prepared=44.4,
        stand_ins=(("vgg16", "efficientnet_lite0"),),
        weights={"resnet18": "hub (0123)"},
        departures={"shortened": ("a", "b")},
    )
    said = caveats(conditions)
    assert said[0] == "All settings have in common: backbone resnet18; size 224 px."
    assert said[2].endswith("that and getting ready took 44 s.")
    assert said[3:] == (
        "efficientnet_lite0 stands in for the published vgg16: a conclusion that does not hold here may hold there.",
        "Weights of resnet18: hub (0123).",
        "Not as published in a, b: shortened.",
    )
    bare = caveats(Conditions(in_common={}, prepared=0, stand_ins=(), weights={}, departures={}))
    assert bare[0] == "All settings have in common: nothing."
    assert len(bare) == 3


@pytest.mark.parametrize(("seeds", "words"), [((0,), "a, seed 0: "), ((0, 1), "a, seeds 0, 1: ")])
def test_rows_without_a_result_are_counted(seeds: tuple[int, ...], words: str) -> None:
    assert no_result_line("a", seeds, "no weights") == f"{words}no result. no weights"


def test_a_row_is_a_line_and_says_if_it_diverged() -> None:
    line = row_line("lr 0.1", 2, accuracy=0.5, best_accuracy=0.75, seconds=3.04, diverged=False)
    assert line == "lr 0.1, seed 2: 0.5000 after the last epoch, best 0.7500, 3.0 s"
    assert row_line("a", 0, accuracy=1, best_accuracy=1, seconds=0, diverged=True).endswith("; diverged")
    assert diverged_line("a", 0, "the loss became nan", done=0, planned=2) == (
        "a, seed 0: the loss became nan; 0 of 2 epochs."
    )
