import math
from dataclasses import replace

import numpy as np
import pytest

from headstart.evaluation.intervals import Estimate, Size, Units, added, undefined, wilson
from headstart.evaluation.losses import LARGEST_LOSS
from headstart.evaluation.paired import paired_difference


def share(hits, groups=None):
    hits = np.asarray(hits, dtype=float)
    units = Units.of(len(hits), groups)
    value = float(hits.mean())
    return units.share(value, (hits - value) / len(hits), [Size(len(hits), units.count)], n=len(hits))


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(145, 153, 0.900, 0.973), (147, 153, 0.917, 0.982), (0, 10, 0.0, 0.278), (10, 10, 0.722, 1.0), (0, 0, 0.0, 1.0)],
)
def test_wilson_gives_the_published_values(successes, n, low, high):
    assert wilson(successes, n) == pytest.approx((low, high), abs=5e-4)


def test_wilson_widens_with_the_level():
    assert wilson(90, 100, level=0.99)[0] < wilson(90, 100)[0] < wilson(90, 100, level=0.8)[0]


def test_independent_pictures_get_exactly_wilson():
    hits = np.ones(153)
    hits[:6] = 0
    one = share(hits)
    assert (one.low, one.high) == pytest.approx(wilson(147, 153), abs=1e-12)
    assert one.method == "Wilson"
    assert str(one) == "0.961 [0.917, 0.982] (n=153)"


def test_means_over_repeats_do_not_count_as_more_pictures():
    halves = np.tile([1.0, 0.5], 50)  # each second picture right in half of the repeats
    one = share(halves)
    assert (one.low, one.high) == pytest.approx(wilson(75, 100), abs=1e-12)


def test_pictures_that_err_together_widen_the_interval():
    hits = np.repeat(np.r_[np.ones(36), np.zeros(4)], 5)
    alone, together = share(hits), share(hits, np.repeat(np.arange(40), 5))
    assert together.high - together.low > 1.8 * (alone.high - alone.low)
    assert together.method == "Wilson, effective n 37, 40 groups"
    assert together.n == 200


def test_groups_of_one_change_nothing():
    hits = np.r_[np.ones(40), np.zeros(9)]
    assert share(hits, [f"picture {i}" for i in range(49)]) == share(hits)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_perfect_score_in_few_groups_is_not_certain(value):
    one = share(np.full(200, value), np.repeat(np.arange(10), 20))
    assert one.high - one.low == pytest.approx(0.34, abs=0.03)


def test_one_mistake_makes_a_perfect_grouped_score_hardly_surer():
    groups = np.repeat(np.arange(10), 20)
    perfect, nearly = np.ones(200), np.r_[0.0, np.ones(199)]
    assert share(nearly, groups).low == pytest.approx(share(perfect, groups).low, abs=0.04)
    assert share(nearly, groups).low < share(nearly).low - 0.2


def test_one_group_alone_says_almost_nothing():
    one = share(np.r_[np.ones(19), 0.0], np.zeros(20))
    assert one.high - one.low > 0.9


def mean(losses, groups=None, *, expected=0.0, mistaken=False):
    n = len(losses)
    units, wrong = Units.of(n, groups), np.full(n, mistaken)
    return units.mean(losses, most=LARGEST_LOSS, expected=np.full(n, expected), mistaken=wrong)


def test_mean_of_losses_stays_positive_and_knows_groups():
    losses = np.repeat(np.exp(np.random.default_rng(0).normal(size=20)), 5)
    alone, together = mean(losses), mean(losses, np.arange(100) // 5)
    assert 0 < alone.low < alone.value < alone.high
    assert together.value == alone.value
    assert together.high / together.low > 1.5 * alone.high / alone.low
    assert (mean(np.zeros(5)).low, mean(np.zeros(5)).high) == (0.0, 0.0)


def test_losses_without_a_mistake_are_as_uncertain_as_the_probabilities_say():
    losses = np.full(100, 0.01)  # all 99 % sure and right: one of a hundred such costs 4.6
    assert mean(losses).high == pytest.approx(0.01)
    assert mean(losses, expected=0.99 * 0.01 * 4.6**2).high > 0.05
    held = mean(losses, expected=0.99 * 0.01 * 4.6**2, mistaken=True)
    assert held.high < 0.02


def test_the_upper_side_of_skewed_losses_is_longer():
    losses = np.r_[np.full(95, 0.05), np.full(5, 3.0)]
    one = mean(losses, mistaken=True)
    assert one.high / one.value > 1.2 * one.value / one.low


def test_undefined_says_why_and_becomes_none():
    one = undefined("no picture of bees here")
    assert not one.defined
    assert math.isnan(one.value)
    assert one.to_dict() == {
        "value": None,
        "low": None,
        "high": None,
        "n": 0,
        "method": "undefined: no picture of bees here",
    }


def test_a_sum_is_as_uncertain_as_both_of_its_parts() -> None:
    a, b = Estimate(0.9, 0.87, 0.92, 2000, "Wilson"), Estimate(0.02, -0.02, 0.04, 400, "Bonett–Price")
    total = added(a, b, least=0.0, most=1.0)
    assert (total.value, total.low, total.high) == pytest.approx((0.92, 0.87, 0.92 + np.hypot(0.02, 0.02)))
    assert (total.n, total.method) == (2000, "Wilson, plus Bonett–Price (n=400), MOVER")
    assert added(a, replace(b, value=0.2, low=0.1, high=0.3), least=0.0, most=1.0).value == 1.0


def test_the_interval_of_a_frozen_figure_and_a_gain_holds_the_truth() -> None:
    """A frozen network that is right with 0.85 on 2,000 pictures, and another that is better by 0.04 on 400 of them."""
    rng, held, draws = np.random.default_rng(0), 0, 400
    for _ in range(draws):
        luck = rng.random(2000)
        frozen, tuned = luck < 0.85, luck[:400] < 0.89
        gain = paired_difference(tuned, frozen[:400])
        total = added(Units.of(2000).mean_share(frozen), gain, least=0.0, most=1.0)
        held += total.low <= 0.89 <= total.high
    assert 0.93 <= held / draws <= 1.0
