from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from headstart.backbones.runtime import RuntimeNote
from headstart.finetune.notes import (
    KINDS,
    ArithmeticMeasured,
    DiskFull,
    Diverged,
    MicroBatch,
    Note,
    NotRepeatable,
    Remade,
    TooLarge,
    from_plain,
    to_plain,
)

EVERY: tuple[Note, ...] = (
    Diverged(epoch=2, train_loss=1e3, val_loss=2e3, lowered=0.1),
    MicroBatch(batch=32, micro=16),
    ArithmeticMeasured(phase=1, choice="bf16", f32=2.0, bf16=1.0, cosine=0.999),
    TooLarge(needed=2 * 10**9, limit=10**9),
    DiskFull(folder="maps"),
    Remade(),
    NotRepeatable(),
    RuntimeNote(what="strays", runtime="openvino bf16", parity=0.99),
)


def test_every_kind_survives_json() -> None:
    assert {type(note).__name__ for note in EVERY} == KINDS.keys()
    assert tuple(from_plain(json.loads(json.dumps(to_plain(note)))) for note in EVERY) == EVERY


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_losses_that_are_no_numbers_survive_strict_json(loss: float) -> None:
    note = Diverged(epoch=1, train_loss=loss)
    again = from_plain(json.loads(json.dumps(to_plain(note), allow_nan=False)))
    assert isinstance(again, Diverged)
    assert str(again.train_loss) == str(loss)
    assert again.stopped
    assert not replace(note, lowered=0.1).stopped
