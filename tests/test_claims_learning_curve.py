from __future__ import annotations

import json
import math

import numpy as np
import pytest

from headstart.claims.learning_curve import LearningCurve, learning_curve
from headstart.claims.parts import FixedHead, Pictures

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
