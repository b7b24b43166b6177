from __future__ import annotations

from headstart.evaluation.history import Epoch
from headstart.recipes.page import describe, epoch_line
from headstart.recipes.records import get
from headstart.recipes.runner import summaries


def test_an_epoch_is_a_line_with_losses_accuracies_and_seconds() -> None:
    epoch = Epoch(
        phase=2, epoch=11, train_loss=0.5, train_accuracy=0.75, val_loss=0.25, val_accuracy=0.9, seconds=3.14, lr=1e-3
    )
    line = epoch_line(epoch)
    for words in ("11", "0.5000 0.7500", "0.2500 0.9000", "3.1 s"):
        assert words in line


def test_a_phase_is_described_with_and_without_batch_norm_statistics() -> None:
    text = describe(summaries(get("mobilenetv2-two-phase"))[0])
    assert "1,281 parameters in 2 tensors" in text
    assert "2,257,984" in text
