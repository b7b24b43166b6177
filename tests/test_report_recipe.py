from __future__ import annotations

from headstart.evaluation.history import Epoch
from headstart.recipes.records import get
from headstart.recipes.runner import summaries
from headstart.report.recipe import before_training, best_epoch, epoch_line, kept_epoch, parameters, sentence, took
from histories import history


def test_an_epoch_is_a_line_with_losses_accuracies_and_seconds() -> None:
    epoch = Epoch(
        phase=2, epoch=11, train_loss=0.5, train_accuracy=0.75, val_loss=0.25, val_accuracy=0.9, seconds=3.14, lr=1e-3
    )
    line = epoch_line(epoch)
    for words in ("11", "0.5000 0.7500", "0.2500 0.9000", "3.1 s"):
        assert words in line


def test_a_phase_is_described_with_and_without_batch_norm_statistics() -> None:
    text = parameters(summaries(get("mobilenetv2-two-phase"))[0])
    assert "1,281 parameters in 2 tensors" in text
    assert "2,257,984" in text


def test_the_start_stands_beside_guessing() -> None:
    assert before_training(history([0.5], [0.5]), 2) == (
        "Before training: validation loss 0.7200, accuracy 0.4800 (guessing evenly: 0.6931, 0.5000)."
    )


def test_the_best_epoch_is_called_too_optimistic_and_the_last_stands_beside_it() -> None:
    run = history([0.5] * 3, [0.5, 0.3, 0.4], val_accuracy=[0.8, 0.95, 0.9])
    assert best_epoch(run, 153) == (
        "best validation accuracy 0.9500, in epoch 2 of 3: too optimistic, because the epoch was chosen on these 153 "
        "pictures; the last epoch has 0.9000, 5.0 points less"
    )
    assert " on these 2 pictures; " in best_epoch(run, 2)
    assert best_epoch(history([0.5], [0.5], val_accuracy=[0.8]), 1).endswith(
        "because the epoch was chosen on this picture; the last epoch has the same"
    )
    assert kept_epoch(2, run) == "The weights of epoch 2 of 3 are kept, which has the lowest validation loss."


def test_sentences_have_a_capital_and_one_full_stop() -> None:
    assert sentence("the loss fell") == sentence("The loss fell.") == "The loss fell."
    assert took(0.04, 12) == "trained in 0.0 s; 12.0 s more for what is frozen and for getting ready"
