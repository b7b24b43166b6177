from __future__ import annotations

import json
import math

import numpy as np
import pytest

from headstart.claims.learning_curve import MOST_STRETCH, LearningCurve, Whole, equally_likely, learning_curve
from headstart.claims.parts import FixedHead, Pictures
from headstart.evaluation.intervals import Units

LOGISTIC = FixedHead(family="logistic regression", strength=1e-2)
NAMES = ("ants", "bees", "moths")


def draw(n: int, *, apart: float = 1.5, counts: tuple[int, ...] = (), d: int = 60, seed: int = 0) -> Pictures:
    """Two classes, or one of each of ``counts``, around points in d dimensions."""
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(len(counts)), counts) if counts else np.arange(n) % 2
    centres = np.random.default_rng(99).normal(size=(3, d)) * apart / math.sqrt(2)
    X = centres[y] + rng.normal(size=(len(y), d)) * 3
    names = NAMES[: y.max() + 1]
    return Pictures(X=X.astype(np.float32), y=y.astype(np.int64), groups=np.arange(len(y)), classes=names)


@pytest.fixture(scope="module")
def curve() -> LearningCurve:
    return learning_curve(draw(200), LOGISTIC, seed=0)


def test_more_pictures_make_fewer_mistakes(curve: LearningCurve) -> None:
    assert curve.sizes == tuple(sorted(curve.sizes))
    assert curve.sizes[-1] == 160
    assert curve.measured[0].value < curve.measured[-1].value - 0.05
    assert curve.draws == (*[15] * (len(curve.sizes) - 1), 5)
    value, low, high = curve.gain(400)
    assert 0 < low < value < high < 0.2


def test_the_forecast_holds_what_many_more_pictures_then_give() -> None:
    """The truth: heads fitted on 1,000 pictures. The forecasts: from 200, twelve times."""
    accuracy = learning_curve(draw(1250, apart=1.0, seed=1), LOGISTIC, seed=0).measured[-1].value
    forecasts = [learning_curve(draw(200, apart=1.0, seed=100 + s), LOGISTIC, seed=s).at(1000) for s in range(12)]
    held = [one.low <= accuracy <= one.high for one in forecasts]
    assert sum(held) >= 9, held  # a right 90 % interval holds fewer than nine of twelve once in 200 times
    assert max(one.high - one.low for one in forecasts) < 0.15


def test_without_a_mistake_the_forecast_is_still_an_interval() -> None:
    one = learning_curve(draw(80, apart=12), LOGISTIC, seed=0)
    assert one.measured[-1].value == 1.0
    assert 0.93 < one.at(160).low < 0.995
    assert one.at(160).high <= 1.0


def test_nothing_to_learn_is_not_promised_away() -> None:
    pictures = draw(160, apart=0.0)
    one = learning_curve(pictures, LOGISTIC, seed=0)
    assert one.at(320).low < 0.5 < one.at(320).high + 0.1
    assert one.gain(320)[0] < 0.05
    assert not any(need.stands_out for need in one.needs)


def test_the_class_with_few_pictures_needs_more_of_them() -> None:
    one = learning_curve(draw(0, counts=(150, 24, 150)), LOGISTIC, seed=0)
    assert one.needs[0].pictures == 24
    assert one.needs[0].name == "bees"
    assert one.needs[0].stands_out
    assert one.needs[0].per_hundred > 3 * one.needs[1].per_hundred
    assert one.needs[0].recall.value < min(need.recall.value for need in one.needs[1:])


def test_few_large_groups_of_an_easy_set_have_a_curve() -> None:
    pictures = draw(100, apart=9.0)
    few = Pictures(X=pictures.X, y=pictures.y, groups=np.arange(100) // 20, classes=pictures.classes)
    curve = learning_curve(few, LOGISTIC, seed=0)
    assert np.isfinite([part.value for part in curve.measured]).all()
    assert np.isfinite(curve.gain(200)).all()


def test_groups_are_learned_and_tested_as_a_whole() -> None:
    pictures = draw(40, seed=3)
    fivefold = Pictures(
        X=np.repeat(pictures.X, 5, axis=0),
        y=np.repeat(pictures.y, 5),
        groups=np.repeat(pictures.groups, 5),
        classes=pictures.classes,
    )
    leaking = Pictures(X=fivefold.X.copy(), y=fivefold.y, groups=np.arange(200), classes=pictures.classes)
    honest, torn = learning_curve(fivefold, LOGISTIC, seed=0), learning_curve(leaking, LOGISTIC, seed=0)
    assert torn.measured[-1].value > honest.measured[-1].value + 0.1
    assert honest.at(400).high - honest.at(400).low > 2 * (torn.at(400).high - torn.at(400).low)


def test_the_curve_of_a_sample_goes_on_to_all_pictures() -> None:
    sample, right = draw(200), np.eye(2)[np.arange(200) % 2]
    right[:10] = right[:10, ::-1]
    whole = Whole(n=2_000, fitted=1_800, heads=10, proba=right)
    one = learning_curve(sample, LOGISTIC, seed=0, whole=whole)
    assert (one.n, one.sample, one.sizes[-2:], one.draws[-2:]) == (2_000, 200, (160, 1_800), (5, 10))
    assert one.measured[-1].value == 0.95
    assert one.measured[-1].n == 200
    assert one.at(2_000).low < 0.95 < one.at(2_000).high


def test_how_many_more_pictures_may_be_out_of_reach(curve: LearningCurve) -> None:
    quarter, half = curve.more_for(0.25), curve.more_for(0.5)
    assert 0 < quarter[1] <= quarter[0] <= quarter[2]
    assert half[0] >= quarter[0]
    assert half[2] == math.inf


def test_several_views_of_a_picture_are_rows_to_learn_from_and_not_pictures() -> None:
    pictures = draw(100)
    twice = Pictures(X=np.tile(pictures.X, (2, 1)), y=pictures.y, groups=pictures.groups, classes=pictures.classes)
    assert learning_curve(twice, LOGISTIC, seed=0).n == 100


def test_the_same_seed_gives_the_same_curve_and_plain_json() -> None:
    one, other = (learning_curve(draw(60), LOGISTIC, seed=4).to_dict() for _ in range(2))
    assert one == other
    assert json.loads(json.dumps(one, allow_nan=False)) == one
    assert [point["pictures"] for point in one["forecasts"]] == [60, 120, 240]


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
    assert u.mean() == pytest.approx(MOST_STRETCH / 2)
