from __future__ import annotations

import numpy as np
import pytest

from headstart.probe.choice import Choice
from headstart.probe.heads import LinearHead
from headstart.probe.trials import Candidate, Score
from headstart.report.choice import choice_reason


def score(size: int, loss: float) -> Score:
    return Score(
        candidate=Candidate(size=size, output="last", family="shrunk LDA"), strength=1.0, temperature=1.0,
        losses=np.array([loss]), accuracy=1.0, proba=np.ones((1, 1)), standard_error=0.1,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("losses", "facts", "words"),
    [
        ([0.2], {}, "Of 1 candidates, 32 px, last layer, shrunk LDA has the lowest out-of-fold log-loss (0.200)."),
        (
            [0.2, 0.1],
            {"enough_at": 0.0},
            "Of 2 candidates, 32 px, last layer, shrunk LDA is the simplest within one standard error of the lowest "
            "out-of-fold log-loss (0.200; 64 px, last layer, shrunk LDA: 0.100). Nothing dearer was tried: an error of "
            "0.0% leaves too little to win.",
        ),
        (
            [0.2],
            {"beyond_budget": (64, 96)},
            "Of 1 candidates, 32 px, last layer, shrunk LDA has the lowest out-of-fold log-loss (0.200). The budget "
            "did not reach to 64, 96 pixels.",
        ),
    ],
)
def test_why_a_head_was_chosen(losses: list[float], facts: dict[str, object], words: str) -> None:
    board = tuple(score(32 * (i + 1), loss) for i, loss in enumerate(losses))
    head = LinearHead(weight=np.ones((1, 2), np.float32), bias=np.zeros(2, np.float32), temperature=1.0)
    choice = Choice(score=board[0], head=head, board=board, **facts)  # type: ignore[arg-type]
    assert choice_reason(choice) == words
