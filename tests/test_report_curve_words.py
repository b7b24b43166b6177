import numpy as np
import pytest

from headstart.evaluation.curves import verdict
from headstart.report.curve_words import REASONS, curve_verdict
from histories import decay, history, shaped


def said(run, n_val=153):
    return curve_verdict(verdict(run, n_val=n_val))


@pytest.mark.parametrize(
    "kind", ["settled", "with dropout", "stopped early", "learned nothing", "U", "memorised", "diverging"]
)
def test_fit_and_state_come_first_and_the_reason_is_said(kind):
    judged = verdict(shaped(kind, np.random.default_rng(0), 0.02), n_val=153)
    text = curve_verdict(judged)
    assert text.startswith(f"{judged.fit.capitalize()}, {judged.state}. ")
    assert REASONS[judged.reason].split("{")[0] in text
    assert "  " not in text


def test_the_text_tells_of_every_phase():
    train = np.r_[decay(10, 2, 0.2, 0.5), decay(10, 2, 0.1, 0.1), decay(10, 2, 0.05, 0.05)]
    val = train + np.repeat([0.3, 0.1, 0.1], 10)
    text = said(history(train, val, starts=(1, 11, 21)))
    assert "The phase from epoch 11 on narrowed the gap in loss (0.300 before, 0.100 after)." in text
    assert "The phase from epoch 21 on left the gap in loss unchanged" in text


def test_training_figures_worse_than_validation_are_explained():
    text = said(shaped("with dropout", np.random.default_rng(0), 0.02))
    assert "Validation loss is the lower one" in text
    assert "no over-fitting in that" in text


def test_a_rate_far_too_high_is_called_unsteady():
    wild = np.tile([0.2, 5.0, 1.0, 3.0], 5)
    assert "the learning rate looks too high" in said(history(wild, wild))


@pytest.mark.parametrize(("n", "epochs"), [(1, "in 1 epoch."), (2, "in 2 epochs."), (4, "in 4 epochs.")])
def test_few_epochs_show_no_trend_and_it_says_so(n, epochs):
    text = said(history(np.linspace(0.5, 0.4, n), np.linspace(0.5, 0.4, n)))
    assert "Too few epochs to show a trend: that takes 5" in text
    assert epochs in text


def test_a_picture_is_worth_so_many_points():
    run = history(decay(20, 3, 0.04, 0.6), decay(20, 3, 0.2, 0.5))
    assert "one picture is 5.00 points" in said(run, n_val=20)
    assert "one picture is 100.00 points" in said(run, n_val=1)


def test_a_change_is_said_without_a_sign_and_nothing_is_minus_nought():
    falling, rising = decay(20, 5, 0.1, 0.3), decay(20, 5, 0.1, 0.3)[::-1]
    assert "it fell by 0." in said(history(falling, falling), n_val=2000)
    assert "it rose by 0." in said(history(rising, rising), n_val=2000)
    level = np.full(10, 0.3)
    text = said(history(level, level, train_accuracy=np.full(10, 0.9), val_accuracy=np.full(10, 0.9)))
    assert "The gap is 0.000 in loss, less than" in text
    assert "0.0 points of accuracy" in text
    better = said(history(level, level + 1e-6, train_accuracy=np.full(10, 0.89996), val_accuracy=np.full(10, 0.9)))
    assert "-0.0" not in better
    worse = said(history(level, level + 0.01, train_accuracy=np.full(10, 0.8), val_accuracy=np.full(10, 0.9)))
    assert "-10.0 points of accuracy" in worse
