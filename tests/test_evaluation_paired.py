import math
from itertools import product

import numpy as np
import pytest

from headstart.evaluation.intervals import Units
from headstart.evaluation.paired import (
    holm,
    mcnemar_exact,
    out_of_fold_p,
    paired_difference,
    paired_p,
    seed_spreads,
    sign_flip,
)


@pytest.mark.parametrize(
    ("only_a", "only_b", "p"),
    [(6, 0, 0.03125), (5, 0, 0.0625), (0, 6, 0.03125), (0, 0, 1), (3, 3, 1), (9, 1, 0.021484)],
)
def test_mcnemar_needs_six_fixed_and_none_broken(only_a, only_b, p):
    assert mcnemar_exact(only_a, only_b) == pytest.approx(p, abs=1e-6)


def test_mcnemar_is_twice_the_tail_of_fair_coins_and_takes_any_size():
    tail = sum(math.comb(230, k) for k in range(101))
    assert mcnemar_exact(130, 100) == pytest.approx(2 * tail / 2**230, rel=1e-12)
    assert 0 < mcnemar_exact(2600, 2400) < 0.01


def test_sign_flip_is_mcnemar_for_single_answers():
    for only_a, only_b in product(range(8), repeat=2):
        shares = np.r_[np.ones(only_a), -np.ones(only_b), np.zeros(20)].astype(np.int64)
        assert sign_flip(shares) == pytest.approx(mcnemar_exact(only_a, only_b), abs=1e-12)


def test_sign_flip_counts_every_sign_of_fractions():
    shares = np.array([3, 2, 2, -1, 0])
    sums = [np.dot(signs, shares) for signs in product([-1, 1], repeat=len(shares))]
    assert sign_flip(shares) == pytest.approx(np.mean(np.abs(sums) >= 6), abs=1e-12)


def test_sign_flip_of_many_pictures_goes_over_smoothly():
    few, many = (np.r_[np.ones(n // 2 + 30), -np.ones(n // 2 - 30)].astype(np.int64) for n in (1000, 1002))
    assert sign_flip(many) == pytest.approx(sign_flip(few), rel=0.1)


def test_holm_by_hand():
    assert holm([0.04, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])
    assert holm([0.5, 0.6]) == [1.0, 1.0]
    assert holm([]) == []


def answers(rng, seeds, n=400, *, seed_sd):
    chance = 0.8 + seed_sd * rng.standard_normal((seeds, 1))
    return (rng.random((seeds, n)) < chance).astype(np.float64)


def test_what_seeds_add_is_found():
    rng = np.random.default_rng(0)
    found = [seed_spreads([answers(rng, 30, seed_sd=0.05)])[0] for _ in range(30)]
    assert np.mean([one.added for one in found]) == pytest.approx(0.05**2 / 30, rel=0.15)
    none = [seed_spreads([answers(rng, 30, seed_sd=0.0)])[0] for _ in range(30)]
    assert np.mean([one.added for one in none]) < 0.1 * np.mean([one.whole for one in none]) * 3
    assert all(one.freedom == 29 for one in found)


def test_luckily_agreeing_seeds_are_not_believed():
    rng = np.random.default_rng(0)
    wild = [answers(rng, 3, seed_sd=0.1) for _ in range(2)]
    same = np.tile(answers(rng, 1, seed_sd=0.0), (3, 1))
    lone = same[:1]
    first, second, agreeing, single = seed_spreads([*wild, same, lone])
    assert agreeing.added == pytest.approx(min(first.added, second.added))
    assert single.added == pytest.approx(3 * agreeing.added)
    assert single.freedom == 2


def test_one_seed_each_is_exactly_mcnemar():
    rng = np.random.default_rng(0)
    a, b = (answers(rng, 1, seed_sd=0.0) for _ in range(2))
    spreads = seed_spreads([a, b])
    assert paired_p(a, b, *spreads) == pytest.approx(mcnemar_exact(int((a > b).sum()), int((b > a).sum())))


def test_seeds_that_vary_make_a_difference_less_certain():
    a = np.ones((3, 100))
    b = np.ones((3, 100))
    b[:, :12] = 0
    wild = b.copy()
    wild[0, :12] = 1
    wild[1, 12:24] = 0
    steady = paired_p(a, b, *seed_spreads([a, b]))
    assert steady == pytest.approx(mcnemar_exact(12, 0))
    assert paired_p(a, wild, *seed_spreads([a, wild])) > 10 * steady


def test_out_of_fold_p_is_the_shrunk_z_of_nadeau_and_bengio() -> None:
    p = math.erfc(3 / math.sqrt(2))  # z = 3
    assert out_of_fold_p(p, train_fraction=0.8) == pytest.approx(math.erfc(2 / math.sqrt(2)))  # z / 1.5
    assert out_of_fold_p(1.0, train_fraction=0.8) == pytest.approx(1.0)
    assert out_of_fold_p(0.0, train_fraction=0.8) < 1e-50


def test_out_of_fold_answers_of_equal_procedures_are_rarely_told_apart() -> None:
    rng = np.random.default_rng(0)
    told = 0
    for _ in range(300):  # per fold, what a model learned moves all of its answers together
        luck = rng.normal(0, 0.03, (2, 5)).repeat(20, axis=1)
        right = rng.random((2, 100)) < np.clip(0.85 + luck, 0, 1)
        p = mcnemar_exact(int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum()))
        told += out_of_fold_p(p, train_fraction=0.8) < 0.05
    assert told / 300 <= 0.05


def test_the_interval_is_bonett_and_prices():
    a = np.repeat([True, True, False, False], [70, 10, 4, 16])
    b = np.repeat([True, False, True, False], [70, 10, 4, 16])
    found = paired_difference(a, b)
    # (10 + 1)/102 = 0.10784, (4 + 1)/102 = 0.04902: 0.05882 ± 1.95996 √((0.15686 − 0.05882²)/102)
    assert found.value == pytest.approx(0.06)
    assert (found.low, found.high) == (pytest.approx(-0.01719, abs=5e-5), pytest.approx(0.13483, abs=5e-5))
    # 6/102 ± 1.95996 √(14 − 6²/100 + 2)/102: the spread of the differences in place of the shares
    assert (found.low, found.high) == (pytest.approx(-0.01717, abs=1e-5), pytest.approx(0.13481, abs=1e-5))
    assert found.method == "Bonett–Price"


def test_no_difference_has_an_interval_with_a_width():
    found = paired_difference(np.ones(50), np.ones(50))
    assert found.value == 0
    assert found.low == -found.high < -0.02


def test_differences_that_come_in_groups_make_it_wider():
    a, b = np.repeat([1, 1, 0], [60, 20, 20]), np.repeat([1, 0, 0], [60, 20, 20])
    units = Units.of(100, np.arange(100) // 10)
    alone, grouped = paired_difference(a, b), paired_difference(a, b, units)
    assert grouped.high - grouped.low > 2 * (alone.high - alone.low)
    assert grouped.method == "Bonett–Price, 10 groups"


def test_the_interval_covers():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(500):
        kind = rng.choice(3, 150, p=[0.95, 0.035, 0.015])  # the same, only a right, only b right
        found = paired_difference(kind != 2, kind != 1)
        covered += found.low <= 0.02 <= found.high
    assert 0.93 <= covered / 500 <= 0.99
