from __future__ import annotations

import numpy as np
import pytest

from headstart.claims.power_law import TRUST, equally_likely
from headstart.evaluation.intervals import Units

SIZES = np.array([25.0, 50.0, 100.0, 200.0, 400.0])


def wrong(errors: list[float], n: int = 500) -> np.ndarray:
    """Pictures (sizes, n) answered wrong at each size, the hard ones at all sizes."""
    hardness = np.random.default_rng(0).permutation(n) / n
    return np.array([(hardness < error).astype(float) for error in errors])


def laws(errors: list[float], n: int = 500, groups: np.ndarray | None = None) -> np.ndarray:
    units = Units.of(n, groups)
    return equally_likely(wrong(errors, n), SIZES[-len(errors) :], units, np.random.default_rng(0))


def test_a_steady_fall_is_seen_as_one_and_a_plateau_as_one() -> None:
    falling = laws([0.4, 0.28, 0.2, 0.14, 0.1])
    flat = laws([0.11, 0.1, 0.1, 0.1, 0.1])
    promised = [f + (1 - f) * 4.0**-c for _, f, c, _ in falling], [f + (1 - f) * 4.0**-c for _, f, c, _ in flat]
    assert np.median(promised[0]) < 0.7
    assert np.median(promised[1]) > 0.9


def test_the_level_is_as_certain_as_a_share_of_so_many_pictures() -> None:
    for n in (100, 1000):
        E = laws([0.2, 0.1], n)[:, 0]
        assert E.mean() == pytest.approx(0.1, abs=0.01)
        assert E.std() == pytest.approx(np.sqrt(0.1 * 0.9 / n), rel=0.1)


def test_pictures_that_err_together_leave_the_level_less_certain() -> None:
    hardness = np.repeat(np.random.default_rng(0).permutation(50) / 50, 10)
    errors = np.array([(hardness < error).astype(float) for error in (0.2, 0.1)])
    groups = np.arange(500) // 10
    together = equally_likely(errors, SIZES[-2:], Units.of(500, groups), np.random.default_rng(0))
    alone = equally_likely(errors, SIZES[-2:], Units.of(500), np.random.default_rng(0))
    assert together[:, 0].std() > 2.5 * alone[:, 0].std()


def test_no_mistake_and_one_size_are_no_error() -> None:
    none = laws([0.01, 0.0, 0.0])
    assert np.quantile(none[:, 0], 0.95) == pytest.approx(3.84 / 2 / 500, rel=0.1)  # Jeffreys' upper limit
    single = laws([0.1])
    assert single.shape == (2000, 4)
    assert single[:, 1].std() > 0.25  # nothing is known about the shape


def test_how_far_a_law_is_followed_is_spread_evenly() -> None:
    u = laws([0.2, 0.1])[:, 3]
    assert 0 < u.min() < 0.01
    assert u.mean() == pytest.approx(TRUST / 2)
