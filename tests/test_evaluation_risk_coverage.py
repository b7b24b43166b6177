from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score

from headstart.evaluation.risk_coverage import answered_above, risk_coverage, sure_enough


def calibrated(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two classes; an answer given probability p is right with probability p."""
    rng = np.random.default_rng(seed)
    p = rng.uniform(0.5, 1, n)
    y = (rng.random(n) >= p).astype(int)
    return np.stack([p, 1 - p], axis=1), y


def proba_of(confidence: list[float]) -> np.ndarray:
    return np.stack([np.array(confidence), 1 - np.array(confidence)], axis=1)


def test_the_curve_is_the_error_rate_of_the_most_confident() -> None:
    curve = risk_coverage(proba_of([0.9, 0.6, 0.8, 0.7]), np.array([0, 1, 1, 0]))
    np.testing.assert_allclose(curve.risk, [0, 1 / 2, 1 / 3, 2 / 4])
    assert curve.area.value == pytest.approx(np.mean([0, 1 / 2, 1 / 3, 1 / 2]))
    assert curve.best_area == pytest.approx(np.mean([0, 0, 1 / 3, 1 / 2]))
    assert [one.accuracy.value for one in curve.at if one.share.value == 0.5] == [0.5]


def test_equally_sure_answers_come_in_random_order() -> None:
    one, other = (risk_coverage(proba_of([0.7] * 4), np.array(y)) for y in ([0, 0, 0, 1], [1, 0, 0, 0]))
    np.testing.assert_allclose(one.risk, [0.25] * 4)
    np.testing.assert_allclose(other.risk, one.risk)


def test_confidence_that_says_nothing_has_the_error_rate_as_its_area() -> None:
    rng = np.random.default_rng(0)
    proba, _ = calibrated(4000, 1)
    y = (rng.random(4000) < 0.2).astype(int)
    assert risk_coverage(proba, y).area.value == pytest.approx(0.2, abs=0.03)


def test_the_influence_of_a_picture_is_the_derivative_of_the_area() -> None:
    """Leaving pictures out, in turn, gives the same variance (the jackknife)."""
    proba, y = calibrated(300, 2)
    everyone = risk_coverage(proba, y).area
    without = [risk_coverage(np.delete(proba, i, 0), np.delete(y, i)).area.value for i in range(300)]
    variance = np.sum((np.array(without) - np.mean(without)) ** 2) * 299 / 300
    spread = everyone.value * (1 - everyone.value)
    effective = int(everyone.method.rsplit(" ", 1)[1]) if "effective" in everyone.method else 300
    assert effective == pytest.approx(min(spread / variance, 300), rel=0.03)


def test_intervals_of_area_and_accuracy_cover_the_truth() -> None:
    proba, y = calibrated(400_000, 3)
    truth = risk_coverage(proba, y)
    half = next(one.accuracy.value for one in truth.at if one.share.value == 0.5)
    found = [risk_coverage(*calibrated(120, 50 + seed)) for seed in range(300)]
    assert np.mean([one.area.low <= truth.area.value <= one.area.high for one in found]) > 0.92
    halves = [next(at.accuracy for at in one.at if at.share.value == 0.5) for one in found]
    assert 0.92 <= np.mean([one.low <= half <= one.high for one in halves]) <= 0.99


def test_repeats_are_averaged_and_are_no_more_pictures() -> None:
    proba, y = calibrated(200, 4)
    one, three = risk_coverage(proba, y), risk_coverage(np.stack([proba] * 3), y)
    assert three.area.high == pytest.approx(one.area.high)
    np.testing.assert_allclose(three.risk, one.risk)
    assert three.at[2].accuracy.low == pytest.approx(one.at[2].accuracy.low)
    assert three.at[2].accuracy.n == 180


def test_pictures_that_belong_together_widen_the_interval() -> None:
    proba, y = calibrated(100, 5)
    alone = risk_coverage(proba, y)
    together = risk_coverage(np.repeat(proba, 4, axis=0), np.repeat(y, 4), np.repeat(np.arange(100), 4))
    for one, other in ((alone.area, together.area), (alone.at[1].accuracy, together.at[1].accuracy)):
        assert other.value == pytest.approx(one.value, abs=0.02)
        assert other.high - other.low > 0.95 * (one.high - one.low)


def test_sure_answers_are_wrong_half_as_often() -> None:
    proba, y = calibrated(20_000, 6)
    threshold = sure_enough(proba, y)
    new, truth = calibrated(20_000, 7)
    sure = answered_above(threshold, new, truth)
    everything = answered_above(0, new, truth)
    assert everything.accuracy.value == accuracy_score(truth, new.argmax(axis=1))
    assert 1 - sure.accuracy.value == pytest.approx((1 - everything.accuracy.value) / 2, abs=0.01)
    assert 0.4 < sure.share.value < 0.7


def test_the_threshold_at_its_limits() -> None:
    assert sure_enough(proba_of([0.9, 0.7, 0.8]), np.zeros(3, int)) == 0.7  # no mistake: as sure as it ever was
    assert sure_enough(proba_of([1.0] * 8), np.zeros(8, int)) == 0.9  # 8 pictures show no chance of error below 1/10
    assert sure_enough(proba_of([0.8] * 6), np.array([0, 1] * 3)) == 1.0  # confidence says nothing
    nothing = answered_above(1.1, proba_of([0.8, 0.9]), np.zeros(2, int))
    assert nothing.share.value == 0
    assert not nothing.accuracy.defined


def test_the_document_has_the_curve_in_at_most_100_points() -> None:
    document = risk_coverage(*calibrated(5000, 8)).to_dict()
    assert len(document["curve"]) == 100
    assert document["curve"][-1][0] == 1.0
    assert len(risk_coverage(*calibrated(7, 8)).to_dict()["curve"]) == 7
