from __future__ import annotations

import numpy as np
import pytest

from headstart.backbones.space import Space
from headstart.evaluation.history import Epoch, History
from headstart.finetune.plan import Plan
from headstart.finetune.trial import Declined, Selection, Trial
from headstart.finetune.verdict import Mix
from headstart.images.transforms import Geometry
from headstart.probe.choice import Choice, Spared
from headstart.probe.heads import LinearHead
from headstart.probe.trials import Candidate, Score
from headstart.report.page import PlainPage, render
from headstart.report.tuning import choice_reason, document, outcome, tuning
from tiny import TinyRuntime


def trial(*, kept: bool, n: int = 100, gain: float = 0.1, forced: bool = False, joined: bool = False) -> Trial:
    y = np.arange(n) % 2
    probe, tuned = np.eye(2)[y] * 0.8 + 0.1, np.eye(2)[y] * 0.9 + 0.05
    probe[:6] = probe[:6, ::-1]
    tuned[5:7] = tuned[5:7, ::-1]
    epochs = tuple(
        Epoch(
            phase=1, epoch=i, train_loss=1 / i, train_accuracy=0.9, val_loss=1 / i, val_accuracy=0.9, seconds=1, lr=0.1
        )
        for i in (1, 2, 3)
    )
    return Trial(
        plan=Plan(size=64),
        index=np.arange(n),
        y=y,
        probe=probe,
        tuned=tuned,
        procedure=tuned,
        mix=Mix(share=0.75, joined=joined),
        temperature=1.2,
        gain=gain,
        gain_error=0.02,
        kept=kept,
        forced=forced,
        history=History(initial_loss=1.0, initial_accuracy=0.5, epochs=epochs),
    )


def selected(trial: Trial | None = None, declined: Declined | None = None) -> Selection:
    space = Space(runtime=TinyRuntime(64), geometry=Geometry(size=64))
    head = LinearHead(weight=np.zeros((6, 2), np.float32), bias=np.zeros(2, np.float32), temperature=1.0)
    return Selection(space=space, output="last", head=head, trial=trial, declined=declined)


def test_both_networks_are_shown_and_the_used_one_is_marked() -> None:
    for kept in (True, False):
        section = tuning(selected(trial(kept=kept)))
        assert section is not None
        assert section.table is not None
        assert [row[1] for row in section.table.rows] == ["0.940", "0.980"]
        assert section.table.marked == (int(kept),)
        assert section.sentences[0] == outcome(selected(trial(kept=kept)))
        assert "put 5 of these pictures right and 1 wrong" in section.sentences[1]
        assert ("75%" in section.sentences[2]) == kept
        html = render(PlainPage(title="T", lede=(), sections=(section,)))
        assert "that neither had seen" in html
        assert "<svg" in html


def test_it_is_said_where_both_networks_answer() -> None:
    for joined in (True, False):
        section = tuning(selected(trial(kept=True, joined=joined)))
        assert section is not None
        assert ("mean of the logits of two networks" in section.sentences[2]) == joined
        assert document(selected(trial(kept=True, joined=joined)))["beside_the_pretrained_network"] == joined


def test_where_it_was_not_tried_the_reason_is_all() -> None:
    assert tuning(selected()) is None
    assert outcome(selected()) == ""
    section = tuning(selected(declined=Declined(kind="few pictures", value=15)))
    assert section is not None
    assert section.sentences == (
        "Fine-tuning was not tried: 15 pictures of a class are too few to see whether it helps.",
    )


@pytest.mark.parametrize(
    ("declined", "said"),
    [
        (Declined(kind="little to win", value=0.0), "an error of 0.0% leaves too little to win"),
        (Declined(kind="few pictures", value=0), "0 pictures of a class are too few to see whether it helps"),
        (Declined(kind="few pictures", value=1), "1 picture of a class is too few to see whether it helps"),
        (
            Declined(kind="nothing to show", value=1),
            "with about 1 error among the pictures that would be held out, no gain could be shown",
        ),
        (Declined(kind="few pictures", value=2), "2 pictures of a class are too few to see whether it helps"),
        (Declined(kind="budget", value=0.4), "the budget does not reach to its 0 seconds"),
        (Declined(kind="budget", value=1.2), "the budget does not reach to its 1 second"),
        (Declined(kind="budget", value=1.6), "the budget does not reach to its 2 seconds"),
    ],
)
def test_why_it_was_not_tried(declined: Declined, said: str) -> None:
    assert outcome(selected(declined=declined)) == f"Fine-tuning was not tried: {said}."


@pytest.mark.parametrize(
    ("gain", "said"),
    [(0.1, "lower by 0.100"), (0.0, "lower by 0.000"), (-0.0001, "lower by 0.000"), (-0.018, "higher by 0.018")],
)
def test_a_loss_that_is_not_lower_is_called_higher(gain: float, said: str) -> None:
    assert outcome(selected(trial(kept=False, gain=gain))) == (
        "On 100 pictures that neither had seen, the probe has an accuracy of 0.940 and the fine-tuned network 0.980; "
        f"its log-loss is {said} ± 0.020 (standard error). It is not used."
    )


def test_one_held_out_picture_is_a_picture() -> None:
    assert outcome(selected(trial(kept=True, n=1))).startswith("On 1 picture that neither had seen, ")
    assert outcome(selected(trial(kept=True, n=2))).startswith("On 2 pictures that neither had seen, ")


def test_it_is_said_whether_it_was_asked_for() -> None:
    assert outcome(selected(trial(kept=True))).endswith(" It is used.")
    assert outcome(selected(trial(kept=True, forced=True))).endswith(" It is used, as was asked for.")


def test_the_document_begins_with_what_came_out() -> None:
    kept = selected(trial(kept=True))
    assert list(document(kept))[:3] == ["kept", "reason", "held_out"]
    assert document(kept)["reason"] == outcome(kept)
    assert document(selected()) == {"kept": False, "reason": ""}


def score(size: int, loss: float) -> Score:
    return Score(
        candidate=Candidate(size=size, output="last", family="shrunk LDA"), strength=1.0, temperature=1.0,
        losses=np.array([loss]), accuracy=1.0, proba=np.ones((1, 1)), standard_error=0.1,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("losses", "facts", "words"),
    [
        ([0.2], {}, "Of 1 candidate, 32 px, last layer, shrunk LDA has the lowest out-of-fold log-loss (0.200)."),
        (
            [0.2, 0.1],
            {"spared": (Spared(kind="little to win", size=32, errors=0, pictures=40),)},
            "Of 2 candidates, 32 px, last layer, shrunk LDA is the simplest within one standard error of the lowest "
            "out-of-fold log-loss (0.200; 64 px, last layer, shrunk LDA: 0.100). Nothing dearer was tried: an error of "
            "0.0% leaves too little to win.",
        ),
        (
            [0.2],
            {"spared": tuple(Spared(kind="budget", size=size, errors=9, pictures=40) for size in (64, 96))},
            "Of 1 candidate, 32 px, last layer, shrunk LDA has the lowest out-of-fold log-loss (0.200). The budget "
            "did not reach to 64, 96 pixels.",
        ),
        (
            [0.2],
            {"spared": (Spared(kind="memory", size=32, errors=9, pictures=100_000, memory=2_476_800_000),)},
            "Of 1 candidate, 32 px, last layer, shrunk LDA has the lowest out-of-fold log-loss (0.200). All depths "
            "were not tried: of 100,000 pictures they would take 2.5 GB.",
        ),
        (
            [0.2],
            {"spared": (Spared(kind="nothing to show", size=64, errors=1, pictures=40),)},
            "Of 1 candidate, 32 px, last layer, shrunk LDA has the lowest out-of-fold log-loss (0.200). 64 pixels were "
            "not tried: with 1 error in 40 pictures no gain could be shown.",
        ),
    ],
)
def test_why_a_head_was_chosen(losses: list[float], facts: dict[str, object], words: str) -> None:
    board = tuple(score(32 * (i + 1), loss) for i, loss in enumerate(losses))
    head = LinearHead(weight=np.ones((1, 2), np.float32), bias=np.zeros(2, np.float32), temperature=1.0)
    choice = Choice(score=board[0], head=head, board=board, trails=(), **facts)  # type: ignore[arg-type]
    assert choice_reason(choice) == words
