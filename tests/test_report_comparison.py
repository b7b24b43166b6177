from __future__ import annotations

import numpy as np
from headstart.report.compare import Content, aligned, duration, page, settings_table

from headstart.evaluation.comparison import Comparison, Result, compare
from headstart.report.page import render


def comparison(*right: int) -> Comparison:
    return compare(
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
    table = settings_table(comparison(50, 90, 91), about="all", published={"s1": (0.95, 682)}, marks={"s0": "odd"})
    assert [row[:2] for row in table.rows] == [("a", "s2"), ("a", "s1"), ("b", "s0")]
    assert table.marked == (0, 1)
    assert [row[-3:] for row in table.rows] == [("–", "–", ""), ("95.00\u202f%", "11m22s", ""), ("–", "–", "odd")]
    assert table.columns[-3:] == ("published best epoch", "published time", "note")


def test_lines_are_aligned() -> None:
    lines = aligned(settings_table(comparison(50, 90), about="all"))
    assert len(lines) == 3
    assert len({line.index("%") for line in lines[1:]}) == 1
    assert lines[0].startswith("rank  setting  ")


def test_the_page_says_first_what_can_be_told_apart() -> None:
    found = comparison(50, 90)
    content = Content(
        title="<b>",
        comparison=found,
        table=settings_table(found, about="all"),
        measured_on="the 100 pictures",
        claims=("The published conclusion does not hold here.",),
        troubles=("s0 diverged.",),
    )
    made = page(content)
    assert made.lede[0] == "The two settings can be told apart."
    assert [one.id for one in made.sections] == ["table", "published", "pairs", "troubles", "limits"]
    html = render(made)
    assert "&lt;b&gt;" in html
    assert "All accuracies are on the 100 pictures." in html
    alone = comparison(50)
    bare = page(Content(title="t", comparison=alone, table=settings_table(alone, about="all"), measured_on="x"))
    assert [one.id for one in bare.sections] == ["table", "pairs", "limits"]


def test_durations() -> None:
    assert [duration(value) for value in (3.21, 75.4, 682, 3_725)] == ["3.2s", "1m15s", "11m22s", "1h02m05s"]
