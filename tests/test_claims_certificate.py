from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.typing import NDArray

from headstart.claims.certificate import Certificate, certify, difference, subsample
from headstart.evaluation.intervals import Units
from headstart.files import plain

Floats = NDArray[np.float64]


def draw(
    n: int = 200, *, pretrained: float = 0.0, untrained: float = 0.0, colour: float = 0.0, seed: int = 0
) -> Certificate:
    """A certificate of features that know the class this well."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)

    def rows(skill: float) -> Floats:
        X = rng.normal(size=(n, 20))
        X[:, :4] += skill * (2 * y[:, None] - 1)
        return X

    return certify(
        rows(pretrained), rows(untrained), rows(colour), y, np.arange(n), size=224, output="last", seed=0,
        depths={"early": (rows(pretrained / 4), rows(untrained)), "late": (rows(pretrained), rows(untrained))},
    )  # fmt: skip


def test_better_than_all_rivals_helps() -> None:
    found = draw(pretrained=1.0, untrained=0.2, colour=0.3)
    assert found.verdict == "helps"
    assert found.best_rival.kind in ("colour", "random")
    assert 0.05 < found.best_rival.difference.low < found.best_rival.difference.value < found.best_rival.difference.high
    assert [rival.kind for rival in found.rivals] == ["majority", "colour", "random"]


def test_noise_does_not_help_in_any_of_six_draws() -> None:
    assert {draw(n=100, seed=seed).verdict for seed in range(6)} == {"does not help"}


def test_where_colours_do_it_all_no_network_is_needed() -> None:
    found = draw(pretrained=0.4, untrained=0.6, colour=2.0)
    assert found.verdict == "does not help"
    assert found.best_rival.kind == "colour"
    assert found.best_rival.difference.worse


def test_as_good_as_a_rival_does_not_help() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 150)
    X = rng.normal(size=(150, 20)) + y[:, None]
    found = certify(X, rng.normal(size=(150, 20)), X, y, np.arange(150), size=224, output="last", seed=0, depths={})
    assert found.verdict == "does not help"
    assert [rival.kind for rival in found.rivals if not rival.difference.better] == ["colour"]
    assert found.best_rival.difference.low < 0 < found.best_rival.difference.high
    assert found.best_depth is None


def test_worse_than_the_untrained_network_hurts() -> None:
    found = draw(pretrained=0.2, untrained=1.0, colour=0.2)
    assert found.verdict == "hurts"
    assert found.best_rival.kind == "random"


def test_depth_by_depth() -> None:
    found = draw(pretrained=1.0)
    assert [depth.name for depth in found.depths] == ["early", "late"]
    assert found.best_depth is found.depths[-1]
    assert found.depths[1].difference.better


def test_the_interval_of_a_difference_holds_the_truth() -> None:
    rng, held, p_small = np.random.default_rng(0), 0, 0
    for _ in range(300):
        n = int(rng.integers(50, 300))
        hits, other = (rng.random(n) < 0.95).astype(np.int64), (rng.random(n) < 0.95).astype(np.int64)
        found = difference(hits, other, 1, Units.of(n))
        held += found.low <= 0 <= found.high
        p_small += found.p < 0.05
    assert 276 <= held <= 299
    assert p_small <= 24  # an exact test is below its level, by chance at most this often


def test_groups_make_a_difference_less_sure() -> None:
    rng = np.random.default_rng(1)
    hits, other = (np.repeat(rng.random(20) < share, 10).astype(np.int64) for share in (0.9, 0.5))
    alone = difference(hits, other, 1, Units.of(200))
    together = difference(hits, other, 1, Units.of(200, np.arange(200) // 10))
    assert together.p > 100 * alone.p
    assert together.high - together.low > 1.8 * (alone.high - alone.low)


def test_a_certificate_is_plain_and_repeatable() -> None:
    one, other = (plain(draw(n=60, pretrained=0.8)) for _ in range(2))
    assert one == other
    assert json.loads(json.dumps(one, allow_nan=False)) == one
    assert one["repeats"] == 3


@pytest.mark.parametrize("most", [20, 1000])
def test_a_sample_is_stratified_and_keeps_groups_whole(most: int) -> None:
    y = np.repeat([0, 1], [150, 50])
    groups, digests = np.arange(200) // 2, [f"{i:064x}" for i in range(200)]
    index = subsample(np.arange(200), y, groups, digests, most=most)
    if most >= 200:
        assert index.tolist() == list(range(200))
        return
    assert np.bincount(y[index]).tolist() == [15, 5]
    shuffled = subsample(np.arange(200)[::-1].copy(), y, groups, digests, most=most)
    assert index.tolist() == shuffled.tolist()
