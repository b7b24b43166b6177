import json

import numpy as np
import pytest

from headstart.errors import DataError, OptionError
from headstart.evaluation.curves import Gap, gap_change, verdict
from headstart.evaluation.history import History
from headstart.files import plain
from histories import decay, history, shaped

SEEDS = 100


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
    judged = [verdict(shaped(kind, np.random.default_rng(seed), noise), n_val=153) for seed in range(SEEDS)]
    assert sum(run.fit == fit for run in judged) >= 0.95 * SEEDS
    assert sum(run.trend.state == state for run in judged) >= 0.95 * SEEDS
    assert all((run.reason == "none") == (run.fit == "good fit") for run in judged)


@pytest.mark.parametrize("kind", ["settled", "stopped early", "learned nothing", "U"])
def test_one_noisy_epoch_decides_nothing(kind):
    clean = shaped(kind, np.random.default_rng(0), 0.0)
    expected = verdict(clean, n_val=153)
    for wild in range(len(clean.epochs)):
        val = [epoch.val_loss * (3 if i == wild else 1) for i, epoch in enumerate(clean.epochs)]
        judged = verdict(history([epoch.train_loss for epoch in clean.epochs], val), n_val=153)
        assert (judged.fit, judged.trend.state) == (expected.fit, expected.trend.state), f"epoch {wild + 1}"


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


def test_two_runs_can_be_compared_by_their_gaps():
    first, second = (
        verdict(history(decay(20, 3, 0.05, 0.6), decay(20, 3, end, 0.5)), n_val=286).end.gap for end in (0.3, 0.2)
    )
    assert gap_change(first, second).direction == "narrowed"
    assert gap_change(second, first).direction == "widened"


def test_a_negative_gap_is_none():
    less, least = (
        Gap(loss=loss, accuracy=0, loss_resolution=0.1, accuracy_resolution=0.1, error=0.0, n_val=153)
        for loss in (-0.02, -0.2)
    )
    assert gap_change(least, less).direction == "unchanged"


def test_few_validation_pictures_can_tell_less():
    train, val = decay(20, 3, 0.04, 0.6), decay(20, 3, 0.2, 0.5)
    few, many = (verdict(history(train, val), n_val=n) for n in (20, 2000))
    assert (few.fit, many.fit) == ("good fit", "over-fit")
    assert few.end.gap.loss == many.end.gap.loss
    assert few.end.gap.loss_resolution > 5 * many.end.gap.loss_resolution
    assert few.end.gap.accuracy_resolution >= 1 / 20
    assert few.end.gap.n_val == 20


def test_a_fall_smaller_than_one_picture_is_flat():
    run = history(decay(20, 5, 0.1, 0.3), decay(20, 5, 0.1, 0.3))
    assert verdict(run, n_val=20).trend.state == "flat"
    assert verdict(run, n_val=2000).trend.state == "still improving"


def test_a_start_from_trained_weights_is_no_under_fit():
    slow = np.linspace(0.15, 0.12, 20)
    assert verdict(history(slow, slow, initial_loss=0.155), n_val=153).fit == "good fit"


@pytest.mark.parametrize("n", [1, 2, 4])
def test_few_epochs_show_no_trend(n):
    judged = verdict(history(np.linspace(0.5, 0.4, n), np.linspace(0.5, 0.4, n)), n_val=153)
    assert judged.trend.state == "flat"
    assert (judged.end.length, len(judged.history.epochs)) == (n, n)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [("U", "loss has risen"), ("diverging", "both losses rise"), ("learned nothing", "not fitted"),
     ("memorised", "wide gap"), ("stopped early", "stopped early"), ("settled", "none")],
)  # fmt: skip
def test_every_fit_has_its_reason(kind, reason):
    assert verdict(shaped(kind, np.random.default_rng(0), 0.0), n_val=153).reason == reason


def test_a_rate_far_too_high_makes_the_loss_unsteady():
    wild = np.tile([0.2, 5.0, 1.0, 3.0], 5)
    assert verdict(history(wild, wild), n_val=153).unsteady
    assert not verdict(shaped("settled", np.random.default_rng(0), 0.0), n_val=153).unsteady


def test_a_verdict_is_plain_data():
    run = history([0.5, 0.4], [0.5, 0.3], starts=(1, 2))
    document = plain(verdict(run, n_val=10))
    assert json.loads(json.dumps(document)) == document
    assert document["gap_changes"][0]["direction"] in ("narrowed", "widened", "unchanged")


def test_what_cannot_be_judged():
    with pytest.raises(DataError, match="at least one epoch"):
        verdict(History(initial_loss=1, initial_accuracy=0.5), n_val=153)
    with pytest.raises(OptionError, match="at least 1 validation picture"):
        verdict(history([0.5], [0.5]), n_val=0)
