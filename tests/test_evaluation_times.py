from __future__ import annotations

import numpy as np
import pytest

from headstart.evaluation.comparison import Result
from headstart.evaluation.times import check_times


def rows(name: str, *seconds: float) -> list[Result]:
    return [
        Result(name=name, seed=seed, correct=np.ones(4, bool), last_accuracy=1, best_accuracy=1, seconds=taken)
        for seed, taken in enumerate(seconds)
    ]


def test_what_takes_twice_as_long_with_every_seed_is_slower() -> None:
    results = rows("full", 20, 22, 19) + rows("frozen", 10, 11, 10)
    check = check_times(results, "full", "frozen", published=1.3)
    assert (check.outcome, check.holds, check.seeds) == ("holds", True, 3)
    assert check.seconds == pytest.approx((61 / 3, 31 / 3))
    assert check.times is not None
    times, low, high = check.times
    assert 1 < low < 1.96 < times < 2 < high
    assert check_times(results, "frozen", "full", published=1.3).holds is False


def test_one_seed_or_times_that_vary_tell_nothing() -> None:
    one = check_times(rows("full", 20) + rows("frozen", 10), "full", "frozen", published=2.0)
    assert (one.outcome, one.holds, one.times, one.seconds) == ("cannot be told", None, None, (20.0, 10.0))
    varying = check_times(rows("full", 20, 9) + rows("frozen", 10, 10), "full", "frozen", published=2.0)
    assert varying.outcome == "cannot be told"
    assert varying.times is not None


def test_only_seeds_that_both_have_count_and_what_is_missing_is_named() -> None:
    results = rows("full", 20, 22, 90) + rows("frozen", 10, 11)
    assert check_times(results, "full", "frozen", published=2.0).seconds == (21.0, 10.5)
    missing = check_times(results, "vgg", "frozen", published=2.0)
    assert (missing.outcome, missing.holds, missing.missing) == ("not checkable", None, ("vgg",))
    apart = check_times(results[2:], "full", "frozen", published=2.0)
    assert (apart.outcome, apart.seeds, apart.seconds) == ("cannot be told", 0, (0.0, 0.0))
