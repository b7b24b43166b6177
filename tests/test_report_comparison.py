from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from headstart.evaluation.comparison import Comparison, Result, check_claim, compare_results
from headstart.evaluation.measured_on import MeasuredOn
from headstart.evaluation.times import check_times
from headstart.finetune.plan import Departure
from headstart.report.comparison import (
    ComparisonContent,
    aligned,
    claim_words,
    comparison_page,
    conclusions,
    diverged_line,
    duration,
    measured_pictures,
    no_result_line,
    pair_words,
    row_line,
    runs_content,
    settings_caveats,
    settings_table,
    time_words,
)
from headstart.report.page import render


def comparison(*right: int) -> Comparison:
    return compare_results(
        [
            Result(
                name=f"s{i}",
                seed=seed,
                correct=np.arange(100) < count + seed,
                last_accuracy=(count + seed) / 100,
                best_accuracy=(count + seed + 1) / 100,
                seconds=75.4,
            )
            for i, count in enumerate(right)
            for seed in (0, 1)
        ]
    )


def test_the_table_has_the_best_first_and_marks_who_cannot_be_told_from_it() -> None:
    table = settings_table(comparison(50, 90, 91), published={"s1": (0.95, 682)}, marks={"s0": "odd"})
    assert [row[:2] for row in table.rows] == [("a", "s2"), ("a", "s1"), ("b", "s0")]
    assert table.marked == (0, 1)
    assert [row[-3:] for row in table.rows] == [("–", "–", ""), ("95.00\u202f%", "11m22s", ""), ("–", "–", "odd")]
    assert table.columns[-3:] == ("published best epoch", "published time", "note")


def test_lines_are_aligned() -> None:
    lines = aligned(settings_table(comparison(50, 90), published={}, marks={}))
    assert len(lines) == 3
    assert len({line.index("%") for line in lines[1:]}) == 1
    assert lines[0].startswith("rank  setting  ")


def test_the_page_says_first_what_can_be_told_apart() -> None:
    found = comparison(50, 90)
    content = ComparisonContent(
        title="<b>",
        comparison=found,
        table=settings_table(found, published={}, marks={}),
        measured_on=MeasuredOn(kind="split", split="test"),
        claims=("The published conclusion does not hold here.",),
        troubles=("s0 diverged.",),
    )
    made = comparison_page(content)
    assert made.lede[0] == "The two settings can be told apart."
    assert [one.id for one in made.sections] == ["table", "published", "pairs", "troubles", "limits"]
    html = render(made)
    assert "&lt;b&gt;" in html
    assert "All accuracies are on 100 test pictures." in html
    alone = comparison(50)
    bare = comparison_page(
        ComparisonContent(
            title="t",
            comparison=alone,
            table=settings_table(alone, published={}, marks={}),
            measured_on=MeasuredOn(kind="cross-validation", folds=5),
        )
    )
    assert [one.id for one in bare.sections] == ["table", "pairs", "limits"]


def test_durations() -> None:
    assert [duration(value) for value in (3.21, 75.4, 682, 3_725)] == ["3.2s", "1m15s", "11m22s", "1h02m05s"]


N = 153


def model(name: str, wrong: int, seed: int = 0, *, last: float = 0.9, best: float = 0.9) -> Result:
    """A model that errs on the first ``wrong`` of 153 pictures."""
    correct = np.arange(N) >= wrong
    return Result(name=name, seed=seed, correct=correct, last_accuracy=last, best_accuracy=best, seconds=10.0)


def chain() -> Comparison:
    """The first and the last can be told apart, neighbours cannot."""
    return compare_results([model("low", 12), model("high", 0), model("middle", 6)])


def test_conclusions_are_plain_sentences() -> None:
    b = np.ones(N, dtype=bool)
    b[[1, 2]] = False
    other = Result(name="B", seed=0, correct=b, last_accuracy=0.98, best_accuracy=1.0, seconds=10.0)
    assert conclusions(compare_results([model("A", 1, last=0.98, best=1.0), other])) == (
        "The two settings cannot be told apart.",
        "“A” has the highest accuracy; “B” cannot be told from it.",
        "“A” and “B” cannot be told apart: 3 of 153 pictures differ (2 right with the first alone, 1 with the second), "
        "p = 1.",
        "One seed each: this compares the models there are. Another seed may reverse the order.",
        "One picture is 0.65 points; no difference can be told below 6 pictures put right and none put wrong.",
        "The best epoch on validation, 2.0 points above the last on average, is too optimistic: it was chosen on these "
        "pictures.",
    )


@pytest.mark.parametrize(("best", "said"), [(0.9, False), (0.9004, False), (0.901, True), (0.8, False)])
def test_the_best_epoch_is_called_too_optimistic_only_where_it_is(best: float, said: bool) -> None:
    lines = conclusions(compare_results([model("a", 1, best=best)]))
    assert any("is too optimistic" in line for line in lines) == said


def test_a_setting_alone_says_so() -> None:
    assert conclusions(compare_results([model("a", 6)]))[0] == "“a” is alone: there is nothing to compare it with."


def test_a_pair_is_told_with_its_pictures_and_p() -> None:
    (six,), (five,) = (compare_results([model("probe", n), model("tuned", 0)]).pairs for n in (6, 5))
    assert pair_words(six) == (
        "“tuned” is better than “probe”: 6 of 153 pictures differ (6 right with the first alone, 0 with the second), "
        "p = 0.031"
    )
    assert pair_words(five).startswith("“tuned” and “probe” cannot be told apart: 5 of 153 pictures differ")
    (same,) = compare_results([model("a", 3, seed) for seed in (0, 1)] + [model("b", 3, seed) for seed in (0, 1)]).pairs
    assert "cannot be told apart: as many pictures right with either, on average over seeds" in pair_words(same)


def test_conclusions_over_seeds() -> None:
    rows = [model(name, wrong + seed, seed) for name, wrong in (("A", 3), ("B", 5)) for seed in range(3)]
    said = conclusions(compare_results(rows[:-2]))
    assert any("1.0 more of 153 pictures right with the first, on average over seeds" in line for line in said)
    assert "From seed to seed the accuracy of a setting varies by 0.7 points (sd)." in said
    assert "A setting with one seed is taken to vary as settings usually do here." in said


def test_published_claims_are_told() -> None:
    found = chain()
    assert claim_words(check_claim(found, "high", "low")).startswith(
        "The published conclusion “high” is better than “low” holds here: 12 of 153 pictures differ"
    )
    assert claim_words(check_claim(found, "low", "high")).startswith(
        "The opposite of the published conclusion “low” is better than “high” holds here. “high” is better"
    )
    unclear = claim_words(check_claim(found, "high", "middle"))
    assert unclear.startswith(
        "Whether “high” is better than “middle”, as published, cannot be told here: 6 of 153 pictures differ"
    )
    assert unclear.endswith("(p = 0.031 if this were the only pair).")
    assert claim_words(check_claim(found, "huge", "tiny")) == (
        "The published conclusion “huge” is better than “tiny” cannot be checked: no result for huge, tiny."
    )


def test_a_claim_about_all_others_names_those_that_are_not_beaten() -> None:
    rows = [model("a", 0), model("b", 40), model("c", 2)]
    found = compare_results(rows)
    assert claim_words(check_claim(found, "a")) == (
        "Whether “a” is better than all others, as published, cannot be told here: it cannot be told from “c”."
    )
    assert claim_words(check_claim(found, "b")).endswith("does not hold here: “a”, “c” are better.")
    two = compare_results(rows[:2])
    assert claim_words(check_claim(two, "b")).endswith("does not hold here: “a” is better.")
    assert claim_words(check_claim(two, "a")) == "The published conclusion “a” is better than all others holds here."
    assert claim_words(check_claim(compare_results(rows[:1]), "a")).endswith("no result for any other setting.")


def test_the_document_holds_the_numbers_and_the_words() -> None:
    document = runs_content(chain(), MeasuredOn(kind="split", split="test"), command="headstart …").to_dict()
    assert json.loads(json.dumps(document)) == document
    assert document["conclusions"] == list(conclusions(chain()))


def test_runs_have_a_table_of_their_own() -> None:
    table = runs_content(chain(), MeasuredOn(kind="split", split="test"), command="").table
    assert [row[:3] for row in table.rows] == [
        ("a", "high", "100.0\u202f%"), ("ab", "middle", "96.1\u202f%"), ("b", "low", "92.2\u202f%"),
    ]  # fmt: skip


def test_the_measured_pictures_are_named_with_their_split() -> None:
    val = MeasuredOn(kind="split", split="val", epoch="last", n=153)
    assert measured_pictures(val, 153) == ("153 validation pictures, last epoch: nothing was chosen on them")
    best = measured_pictures(replace(val, epoch="best"), 1)
    assert best == "1 validation picture, best epoch: it was chosen on them"
    test = MeasuredOn(kind="split", split="test")
    assert [measured_pictures(test, n) for n in (0, 1, 2)] == ["0 test pictures", "1 test picture", "2 test pictures"]
    folds = MeasuredOn(kind="cross-validation", folds=5)
    assert measured_pictures(folds, 1) == "1 training picture, out of fold"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [(0, "0 of 153 pictures differ ("), (1, "1 of 153 pictures differs ("), (2, "2 of 153 pictures differ (")],
)
def test_pictures_that_differ_are_counted(wrong: int, words: str) -> None:
    (pair,) = compare_results([model("a", 0), model("b", wrong)]).pairs
    assert words in pair_words(pair)


def test_conditions_are_told_a_sentence_each() -> None:
    said = settings_caveats(
        in_common={"backbone": "resnet18", "size": "224 px"},
        prepared=44.4,
        stand_ins=(("vgg16", "efficientnet_lite0"),),
        weights={"resnet18": "hub (0123)"},
        departures={Departure(kind="epochs", number=2): ("a", "b"), Departure(kind="decoding"): ("a", "b", "c")},
        count=3,
        left_out=[("train/a/cut.jpg", "truncated")],
    )
    assert said[0] == "All settings have in common: backbone resnet18; size 224 px."
    assert said[2].endswith("that and getting ready took 44 s.")
    assert said[-1] == "Left out: 1 file that cannot be used. train/a/cut.jpg (truncated)."
    assert said[3:-1] == (
        "efficientnet_lite0 stands in for the published vgg16: a conclusion that does not hold here may hold there.",
        "Weights of resnet18: hub (0123).",
        "Not as published in all settings: a large JPEG is decoded at a fraction of its size, where the write-up "
        "decodes every pixel.",
        "Not as published in a, b: shortened to at most 2 epochs in each phase.",
    )
    bare = settings_caveats(in_common={}, prepared=0, stand_ins=(), weights={}, departures={}, count=1)
    assert bare[0] == "All settings have in common: nothing."
    assert len(bare) == 3


@pytest.mark.parametrize(("seeds", "words"), [((0,), "a, seed 0: "), ((0, 1), "a, seeds 0, 1: ")])
def test_rows_without_a_result_are_counted(seeds: tuple[int, ...], words: str) -> None:
    assert no_result_line("a", seeds, "no weights") == f"{words}no result. no weights"


def test_a_row_is_a_line_and_says_if_it_diverged() -> None:
    right = np.arange(4) < 2
    row = Result(name="lr 0.1", seed=2, correct=right, last_accuracy=0.7, best_accuracy=0.75, seconds=3.04)
    line = "lr 0.1, seed 2: 0.5000 after the last epoch, best 0.7500, 3.0 s"
    assert [row_line(row, diverged=diverged) for diverged in (False, True)] == [line, f"{line}; diverged"]
    assert diverged_line("a", 0, "the loss became nan", done=0, planned=2) == (
        "a, seed 0: the loss became nan; 0 of 2 epochs."
    )


def test_published_conclusions_on_time_are_told_with_the_times_that_were_measured() -> None:
    def timed(name: str, *seconds: float) -> list[Result]:
        return [replace(model(name, 0, seed), seconds=taken) for seed, taken in enumerate(seconds)]

    rows = [*timed("full", 20, 22, 19), *timed("frozen", 10, 11, 10), *timed("once", 5)]
    assert time_words(check_times(rows, "full", "frozen", published=1.27)) == (
        "The published conclusion “full” takes longer than “frozen” holds here: 20.3s against 10.3s on average over 3 "
        "seeds, 2 times as long (95\u202f% interval 1.8–2.1); 1.3 times as long in the write-up."
    )
    assert time_words(check_times(rows, "frozen", "full", published=2.0)).startswith(
        "The published conclusion “frozen” takes longer than “full” does not hold here: 10.3s against 20.3s"
    )
    assert time_words(check_times(rows, "full", "once", published=2.0)) == (
        "Whether “full” takes longer than “once”, as published, cannot be told here: 20.0s against 5.0s, from one "
        "seed; 2.0 times as long in the write-up."
    )
    assert time_words(check_times(rows[1:3] + rows[6:], "full", "once", published=2.0)) == (
        "Whether “full” takes longer than “once”, as published, cannot be told here: no seed has a time for both; "
        "2.0 times as long in the write-up."
    )
    assert time_words(check_times(rows, "vgg", "once", published=2.0)).endswith("cannot be checked: no result for vgg.")
