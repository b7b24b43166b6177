from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from headstart.finetune.trial import Declined
from headstart.pipeline import Doubts, Fitted
from headstart.probe.choice import Spared
from headstart.probe.forecast import Forecast
from headstart.report.states import forecast_line, state_line


@pytest.fixture
def first(doubted: tuple[Fitted, Doubts]) -> Fitted:
    return replace(doubted[0], state="first")


def test_the_first_answer_says_when_it_came_and_what_it_is_worth(first: Fitted) -> None:
    line = state_line(None, first, 8.94)
    accuracy = first.evaluations[0].evaluation.accuracy
    assert line.startswith(f"first answer after 8.9 s: accuracy {accuracy}, measured on ")
    assert line.endswith(f"; {first.choice.candidate}")


def test_what_was_not_begun_is_said_with_its_reason(first: Fitted) -> None:
    spared = Spared(kind="nothing to show", size=384, errors=5, pictures=244)
    now = replace(first, state="sizes", choice=replace(first.choice, spared=(*first.choice.spared, spared)))
    assert (
        state_line(first, now, 9.0)
        == "384 pixels were not tried: with 5 errors in 244 pictures no gain could be shown."
    )
    declined = replace(now.selection, declined=Declined(kind="few pictures", value=1))
    tuned = replace(now, state="finetuned", selection=declined)
    said = "Fine-tuning was not tried: 1 picture of a class is too few to see whether it helps."
    assert state_line(now, tuned, 9.0) == said


@pytest.mark.parametrize(("better", "worse"), [(0, 0), (1, 0), (2, 1)])
def test_a_larger_size_says_which_pictures_it_changed(first: Fitted, better: int, worse: int) -> None:
    y, measured = first.images.y, first.evaluations[0]
    right = np.eye(2)[y[measured.index]] * 0.8 + 0.1
    before, now = right.copy(), right.copy()
    before[:better], now[len(now) - worse :] = before[:better, ::-1], now[len(now) - worse :, ::-1]

    def having(proba: Any, **changes: Any) -> Fitted:
        return replace(first, evaluations=(replace(measured, proba=proba),), **changes)

    larger = replace(first.choice.score, candidate=replace(first.choice.candidate, size=384))
    tried = replace(first.choice, board=(*first.choice.board, larger), trails=(*first.choice.trails,) * 2)
    pictures = "1 picture" if better == 1 else f"{better} pictures"
    loss = f"{measured.evaluation.log_loss.value:.3f}"
    end = f"better on {pictures}, worse on {worse}; log-loss {loss} → {loss}: "
    for choice, used in ((tried, "not used"), (replace(tried, score=larger), "used")):
        line = state_line(having(before), having(now, state="sizes", choice=choice), 9.0)
        assert line.startswith("384 pixels: accuracy ")
        assert line.endswith(end + used)


@pytest.mark.parametrize(
    ("first", "least", "most", "tuning", "said"),
    [
        (0.2, 1.4, 1.4, False, "about 1 s to the first answer, 1 s in all"),
        (
            11.6,
            22,
            41.2,
            True,
            "about 12 s to the first answer, 22 s to 41 s in all; more where fine-tuning is worth a try",
        ),
        (99.0, 600.0, 600.0, False, "about 99 s to the first answer, 10 min in all"),
    ],
)
def test_how_long_it_will_take_is_said(first: float, least: float, most: float, tuning: bool, said: str) -> None:
    foreseen = Forecast(first=first, least=least, most=most, questions=0.1, may_tune=tuning)
    assert forecast_line(foreseen) == said
