from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from headstart.deploy.explain import Check, Explanation
from headstart.report.explain import Neighbour, explain_page, heat, verdict
from headstart.report.page import render
from test_report_page import EVIL, JPEG

PICTURE = np.full((32, 32, 3), 128, np.uint8)


def explanation(*, after: float = 0.4, rank: int = 0) -> Explanation:
    check = Check(
        share=0.2,
        before=0.95,
        after=after,
        elsewhere=np.full(39, 0.9),
        rank=rank,
        curve=((0.05, 0.9, 0.94), (0.2, after, 0.9), (0.5, 0.2, 0.8)),
        hidden=PICTURE,
        hidden_elsewhere=PICTURE,
    )
    return Explanation(
        path=Path("a.jpg"),
        classes=(EVIL, "bees"),
        proba=np.array([0.95, 0.05]),
        target=0,
        rival=1,
        picture=PICTURE,
        evidence=np.arange(-4.0, 5.0).reshape(3, 3),
        score=0.0,
        miss=0.0,
        why_not_exact="",
        row=np.zeros(4, np.float32),
        check=check,
    )


def test_the_verdict_follows_the_check() -> None:
    assert verdict(explanation()).startswith("The map holds up")
    assert "none of 39 regions" in verdict(explanation())
    assert "only 1 of 39" in verdict(explanation(rank=1))
    assert "hardly changes" in verdict(explanation(after=0.93))
    assert "hardly changes" not in verdict(explanation())
    doubtful = verdict(explanation(rank=5))
    assert doubtful.startswith("Read the map with care")
    assert "5 of 39" in doubtful
    assert doubtful.endswith("The answer does not rest on that place alone.")
    surer = verdict(explanation(rank=5, after=0.97))
    assert surer.endswith("The answer does not rest on that place, without which it is surer.")


def test_the_page_holds_everything_and_escapes_names() -> None:
    near = (
        Neighbour(label="bees", name="bees/1.jpg", likeness=0.8, jpeg=JPEG),
        Neighbour(label=EVIL, name=f"{EVIL}.jpg", likeness=0.7, jpeg=None),
    )
    page = render(explain_page(explanation(), near, training=1234, command="headstart explain run a.jpg"))
    for words in ("Does hiding it change the answer?", "bees/1.jpg", "likeness 0.80", "1,234", "p = 0.025"):
        assert words in page
    assert EVIL not in page
    assert "only its name is shown" in page


def test_the_page_names_the_method_that_was_used() -> None:
    hidden = replace(explanation(), why_not_exact="not pooled", miss=float("nan"))
    page = render(explain_page(hidden, (), training=None, command=""))
    assert "could not be split exactly: something other than pooling stands between the last map and the head" in page
    missed = replace(explanation(), why_not_exact="parts miss", miss=-0.25)
    page = render(explain_page(missed, (), training=None, command=""))
    assert "could not be split exactly: the parts of the map miss the score by -0.25." in page
    assert "does not know its training pictures" in page
    assert "class-activation map" in render(explain_page(explanation(), (), training=None, command=""))


def test_the_map_is_warm_where_the_evidence_is_for_and_cold_where_it_is_against() -> None:
    drawn = heat(PICTURE, np.array([[1.0, -1.0], [0.0, 0.0]])).astype(int)
    assert drawn[2, 2, 0] > drawn[2, 2, 2] + 60
    assert drawn[2, -3, 2] > drawn[2, -3, 0] + 60
    assert np.ptp(drawn[-1, 16]) < 10


@pytest.mark.parametrize(
    ("count", "same", "gone"),
    [
        (0, "Of the 0 training pictures most like it, 0 are", ""),
        (1, "Of the 1 training picture most like it, 1 is", "1 of them is not where it was, or has changed: only its"),
        (
            2,
            "Of the 2 training pictures most like it, 2 are",
            "2 of them are not where they were, or have changed: only",
        ),
    ],
)
def test_neighbours_are_counted(count: int, same: str, gone: str) -> None:
    near = [Neighbour(label=EVIL, name="a.jpg", likeness=0.8, jpeg=None)] * count
    sentences = explain_page(explanation(), near, training=9, command="x").sections[2].sentences
    assert sentences[0].startswith(same)
    assert " ".join(sentences[1:]).startswith(gone)


def test_a_probability_that_rises_is_said_as_it_is() -> None:
    assert "from 95.0\u202f% to 97.0\u202f%" in verdict(explanation(after=0.97, rank=20))
