import json
import math

import numpy as np
import pytest

from headstart.errors import DataError, OptionError
from headstart.evaluation.curves import Epoch, Gap, History, gap_change, verdict

SEEDS = 100


def history(train_loss, val_loss, *, starts=(1,), train_accuracy=None, val_accuracy=None, initial_loss=0.72):
    if train_accuracy is None:
        train_accuracy = np.clip(1 - 0.65 * np.asarray(train_loss), 0, 1)
    if val_accuracy is None:
        val_accuracy = np.clip(1 - 0.65 * np.asarray(val_loss), 0, 1)
    rows = zip(train_loss, train_accuracy, val_loss, val_accuracy, strict=True)
    epochs = [
        Epoch(
            phase=sum(start <= i for start in starts), epoch=i, train_loss=float(a), train_accuracy=float(b),
            val_loss=float(c), val_accuracy=float(d), seconds=1.5, lr=1e-3,
        )
        for i, (a, b, c, d) in enumerate(rows, 1)
    ]  # fmt: skip
    return History(initial_loss=initial_loss, initial_accuracy=0.48, epochs=tuple(epochs))


def decay(n, tau, end, fall):
    return end + fall * np.exp(-np.arange(1, n + 1) / tau)


def shaped(kind, rng, noise):
    """A run of 15 to 30 epochs of known kind; the noise is relative to the loss."""
    n = int(rng.integers(15, 31))
    flat = np.ones(n)
    train, val = {
        "settled": (decay(n, n / 8, 0.12, 0.6), decay(n, n / 8, 0.15, 0.57)),
        "with dropout": (decay(n, n / 8, 0.3, 0.5), decay(n, n / 8, 0.12, 0.57)),
        "stopped early": (decay(n, n / 1.2, 0.1, 0.6), decay(n, n / 1.2, 0.13, 0.58)),
        "learned nothing": (0.66 * flat, 0.68 * flat),
        "U": (decay(n, n / 5, 0.01, 0.7), decay(n, n / 10, 0.2, 0.5) + 0.25 * np.clip(np.arange(n) / n - 0.3, 0, 1)),
        "memorised": (decay(n, n / 8, 0.005, 0.7), decay(n, n / 10, 0.3, 0.4)),
        "diverging": (np.linspace(0.3, 1.2, n), np.linspace(0.3, 1.3, n)),
    }[kind]
    return history(*(series * (1 + noise * rng.standard_normal(n)) for series in (train, val)))


@pytest.mark.parametrize("noise", [0.02, 0.05])
@pytest.mark.parametrize(
    ("kind", "fit", "state"),
    [
        ("settled", "good fit", "flat"),
        ("with dropout", "good fit", "flat"),
        ("stopped early", "under-fit", "still improving"),
        ("learned nothing", "under-fit", "flat"),
        ("U", "over-fit", "getting worse"),
        ("memorised", "over-fit", "flat"),
        ("diverging", "under-fit", "getting worse"),
    ],
)
def test_the_verdict_on_curves_whose_answer_is_known(kind, fit, state, noise):
    found = [verdict(shaped(kind, np.random.default_rng(seed), noise), n_val=153) for seed in range(SEEDS)]
    assert sum(one.fit == fit for one in found) >= 0.95 * SEEDS
    assert sum(one.state == state for one in found) >= 0.95 * SEEDS
    assert all(one.text.startswith(f"{one.fit.capitalize()}, {one.state}. ") for one in found)


@pytest.mark.parametrize("kind", ["settled", "stopped early", "learned nothing", "U"])
def test_one_noisy_epoch_decides_nothing(kind):
    clean = shaped(kind, np.random.default_rng(0), 0.0)
    expected = verdict(clean, n_val=153)
    for wild in range(len(clean.epochs)):
        val = [one.val_loss * (3 if i == wild else 1) for i, one in enumerate(clean.epochs)]
        one = verdict(history([one.train_loss for one in clean.epochs], val), n_val=153)
        assert (one.fit, one.state) == (expected.fit, expected.state), f"epoch {wild + 1}"


@pytest.mark.parametrize(
    ("before", "after", "direction"), [(0.3, 0.1, "narrowed"), (0.1, 0.3, "widened"), (0.2, 0.2, "unchanged")]
)
def test_the_gap_from_phase_to_phase(before, after, direction):
    right = 0
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        train = np.r_[decay(10, 2, 0.2, 0.5), decay(10, 4, 0.1, 0.1)]
        val = train + np.r_[np.full(10, before), np.full(10, after)]
        run = history(*(series * (1 + 0.03 * rng.standard_normal(20)) for series in (train, val)), starts=(1, 11))
        (change,) = verdict(run, n_val=500).gap_changes
        right += change.direction == direction
        assert change.before.loss == pytest.approx(before, abs=0.06)
    assert right >= 0.95 * SEEDS


def test_the_text_tells_of_every_phase():
    train = np.r_[decay(10, 2, 0.2, 0.5), decay(10, 2, 0.1, 0.1), decay(10, 2, 0.05, 0.05)]
    val = train + np.repeat([0.3, 0.1, 0.1], 10)
    text = verdict(history(train, val, starts=(1, 11, 21)), n_val=153).text
    assert "The phase from epoch 11 on narrowed the gap in loss (0.300 before, 0.100 after)." in text
    assert "The phase from epoch 21 on left the gap in loss unchanged" in text


def test_two_runs_can_be_compared_by_their_gaps():
    first, second = (
        verdict(history(decay(20, 3, 0.05, 0.6), decay(20, 3, end, 0.5)), n_val=286).gap for end in (0.3, 0.2)
    )
    assert gap_change(first, second).direction == "narrowed"
    assert gap_change(second, first).direction == "widened"


def test_a_negative_gap_is_none():
    less, least = (
        Gap(loss=loss, accuracy=0, loss_resolution=0.1, accuracy_resolution=0.1, error=0.0, n_val=153)
        for loss in (-0.02, -0.2)
    )
    assert gap_change(least, less).direction == "unchanged"


def test_training_figures_worse_than_validation_are_explained():
    one = verdict(shaped("with dropout", np.random.default_rng(0), 0.02), n_val=153)
    assert one.gap.loss < 0
    assert "Validation loss is the lower one" in one.text
    assert "no over-fitting in that" in one.text


def test_few_validation_pictures_can_tell_less():
    train, val = decay(20, 3, 0.04, 0.6), decay(20, 3, 0.2, 0.5)
    few, many = (verdict(history(train, val), n_val=n) for n in (20, 2000))
    assert (few.fit, many.fit) == ("good fit", "over-fit")
    assert few.gap.loss == many.gap.loss
    assert few.gap.loss_resolution > 5 * many.gap.loss_resolution
    assert few.gap.accuracy_resolution >= 1 / 20
    assert "one picture is 5.00 points" in few.text


def test_a_fall_smaller_than_one_picture_is_flat():
    run = history(decay(20, 5, 0.1, 0.3), decay(20, 5, 0.1, 0.3))
    assert verdict(run, n_val=20).state == "flat"
    assert verdict(run, n_val=2000).state == "still improving"


def test_a_start_from_trained_weights_is_no_under_fit():
    slow = np.linspace(0.15, 0.12, 20)
    assert verdict(history(slow, slow, initial_loss=0.155), n_val=153).fit == "good fit"


def test_a_rate_far_too_high_is_called_unsteady():
    wild = np.tile([0.2, 5.0, 1.0, 3.0], 5)
    assert "the learning rate looks too high" in verdict(history(wild, wild), n_val=153).text


@pytest.mark.parametrize("n", [1, 2, 4])
def test_few_epochs_show_no_trend_and_it_says_so(n):
    one = verdict(history(np.linspace(0.5, 0.4, n), np.linspace(0.5, 0.4, n)), n_val=153)
    assert one.state == "flat"
    assert "Too few epochs to show a trend: that takes 5" in one.text


def test_history_knows_its_landmarks():
    run = history([0.5, 0.4, 0.3, 0.2], [0.5, 0.3, 0.3, 0.4], val_accuracy=[0.8, 0.9, 0.95, 0.95], starts=(1, 3))
    assert run.phase_starts == (1, 3)
    assert [one.epoch for one in (run.best, run.best_accuracy, run.last)] == [2, 3, 4]
    assert [len(phase) for phase in run.phases] == [2, 2]


def test_history_and_verdict_go_through_json():
    run = history([0.5, 0.4], [0.5, 0.3], starts=(1, 2))
    assert History.from_dict(json.loads(json.dumps(run.to_dict()))) == run
    plain = verdict(run, n_val=10).to_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert plain["gap_changes"][0]["direction"] in ("narrowed", "widened", "unchanged")


def test_every_fault_of_a_history_is_named():
    good = history([0.5] * 3, [0.5] * 3)
    first, _, third = good.epochs
    with pytest.raises(DataError) as caught:
        History(initial_loss=math.nan, initial_accuracy=0.5, epochs=(first, third))
    assert str(caught.value) == (
        "This is no history of a training run: 2 problems\n"
        "expected: epoch 2, of the same phase as the one before or the next\n"
        "   found: phase 1, epoch 3 after phase 1\n"
        "   to do: keep every epoch, in order\n"
        "expected: finite numbers\n"
        "   found: (nan, 0.5) in the start\n"
        "   to do: end the history before it diverged"
    )
    with pytest.raises(DataError, match="phase 3, epoch 1 after phase 0"):
        History(initial_loss=1, initial_accuracy=0.5, epochs=(Epoch(**{**vars(first), "phase": 3}),))
    with pytest.raises(DataError, match="'epochs'"):
        History.from_dict({"initial_loss": 1.0, "initial_accuracy": 0.5})


def test_what_cannot_be_judged():
    with pytest.raises(DataError, match="at least one epoch"):
        verdict(History(initial_loss=1, initial_accuracy=0.5), n_val=153)
    with pytest.raises(OptionError, match="at least 1 validation picture"):
        verdict(history([0.5], [0.5]), n_val=0)
