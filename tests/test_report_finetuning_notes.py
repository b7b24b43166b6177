from __future__ import annotations

import math

import pytest

from headstart.backbones.runtime import RuntimeNote
from headstart.finetune.notes import ArithmeticMeasured, DiskFull, Diverged, MicroBatch, Note, TooLarge
from headstart.report.finetuning_notes import in_words
from test_finetune_notes import EVERY


@pytest.mark.parametrize(
    ("note", "said"),
    [
        (
            Diverged(epoch=1, train_loss=math.nan),
            "the loss became nan in epoch 1 again: training stopped at the last sound weights",
        ),
        (
            Diverged(epoch=3, train_loss=123.456, val_loss=0.5, lowered=0.1),
            "the loss grew to 123 in epoch 3, validation 0.5: back to the weights before, on at 0.1 of the rate",
        ),
        (
            MicroBatch(batch=2, micro=1),
            "2 pictures together did not fit in memory: gradients are summed over 1 at a time",
        ),
        (
            ArithmeticMeasured(phase=1, choice="bf16", f32=2.0, bf16=1.0, cosine=0.999),
            "phase 1 trained in bf16: measured on this CPU, bf16 is 2.0 times faster here, cosine of its gradient to "
            "that in f32 0.9990",
        ),
        (
            ArithmeticMeasured(phase=2, choice="f32", f32=1.0, bf16=2.0, cosine=0.999),
            "phase 2 trained in f32: measured on this CPU, bf16 is 2.0 times slower here, cosine of its gradient to "
            "that in f32 0.9990",
        ),
        (
            TooLarge(needed=2_100_000_000, limit=0),
            "2.1 GB of maps do not fit in the 0.0 GB of the cache: they are computed again in every epoch; a later "
            "cut, fewer views or HEADSTART_CACHE_GB would help",
        ),
        (
            DiskFull(folder="/cache/maps"),
            "the maps do not fit on the disk: they are computed again in every epoch; room for /cache/maps would help",
        ),
        (RuntimeNote(what="no bf16"), "this CPU does not compute in bf16: f32 instead"),
    ],
)
def test_notes_in_words(note: Note, said: str) -> None:
    assert in_words([note]) == (said,)


def test_there_are_words_for_every_kind() -> None:
    assert len(set(in_words(EVERY))) == len(EVERY)
