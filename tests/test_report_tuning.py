from __future__ import annotations

import numpy as np

from headstart.evaluation.history import Epoch, History
from headstart.finetune.plan import Plan
from headstart.finetune.trial import Trial
from headstart.report.page import PlainPage, render
from headstart.report.tuning import tuning


def trial(*, kept: bool) -> Trial:
    y = np.arange(100) % 2
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
        index=np.arange(100),
        y=y,
        probe=probe,
        tuned=tuned,
        procedure=tuned,
        share=0.75,
        temperature=1.2,
        gain=0.1,
        gain_error=0.02,
        kept=kept,
        reason="The reason.",
        history=History(initial_loss=1.0, initial_accuracy=0.5, epochs=epochs),
        notes=(),
    )


def test_both_networks_are_shown_and_the_used_one_is_marked() -> None:
    for kept in (True, False):
        section = tuning(trial(kept=kept), "")
        assert section is not None
        assert section.table is not None
        assert [row[1] for row in section.table.rows] == ["0.940", "0.980"]
        assert section.table.marked == (int(kept),)
        assert "put 5 of these pictures right and 1 wrong" in section.sentences[1]
        assert ("75%" in section.sentences[2]) == kept
        html = render(PlainPage(title="T", lede=(), sections=(section,)))
        assert "The reason." in html
        assert "<svg" in html


def test_where_it_was_not_tried_the_reason_is_all() -> None:
    assert tuning(None, "") is None
    section = tuning(None, "Too few pictures.")
    assert section is not None
    assert section.sentences == ("Too few pictures.",)
