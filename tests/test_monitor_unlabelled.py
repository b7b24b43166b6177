from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from headstart.monitor.unlabelled import METHODS, estimate, labelling_queue, margins

Sample = tuple[NDArray[np.float64], NDArray[np.int64]]


def sample(n: int, seed: int, *, signal: float = 2.0) -> Sample:
    """Calibrated probabilities (n, 2) of a question with that much signal, and the labels."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    logit = signal * (signal * (2 * y - 1) + rng.normal(size=n)) * 2 / 2
    p = 1 / (1 + np.exp(-2 * logit))
    return np.stack([1 - p, p], axis=1), y.astype(np.int64)


@pytest.mark.parametrize("signal", [0.7, 1.4])
def test_the_interval_covers_the_truth_where_nothing_changed(signal: float) -> None:
    covered, errors = 0, []
    for seed in range(12):
        known, new = sample(400, seed, signal=signal), sample(200, 1000 + seed, signal=signal)
        found = estimate(new[0], *known, seed=seed)
        truth = (new[0].argmax(1) == new[1]).mean()
        covered += found.accuracy.low <= truth <= found.accuracy.high
        errors.append(found.accuracy.value - truth)
    assert covered >= 11
    assert abs(np.mean(errors)) < 0.03


def test_harder_pictures_are_estimated_to_be_harder() -> None:
    known = sample(2000, 0, signal=2.0)
    hard = sample(500, 1, signal=0.8)
    truth = (hard[0].argmax(1) == hard[1]).mean()
    found = estimate(hard[0], *known)
    assert found.known > 0.95
    assert found.accuracy.value == pytest.approx(truth, abs=0.06)
    assert set(found.by_method) == set(METHODS)
    assert found.accuracy.low <= min(one.low for one in found.by_method.values())


def test_no_known_mistake_still_leaves_doubt() -> None:
    sure = np.tile([[0.001, 0.999]], (60, 1))
    found = estimate(sure, sure, np.ones(60, np.int64))
    assert found.known == 1.0
    assert found.accuracy.low < 1.0
    assert found.to_dict()["known_n"] == 60


def test_a_change_of_meaning_goes_unnoticed_as_the_page_says() -> None:
    proba, y = sample(500, 3)
    swapped = 1 - y
    assert estimate(proba, *sample(2000, 4)).accuracy.low > (proba.argmax(1) == swapped).mean() + 0.5


def test_the_unsure_come_first_and_no_two_alike() -> None:
    rng = np.random.default_rng(0)
    rows = np.repeat(np.eye(6, 20), 10, axis=0) + rng.normal(0, 0.01, (60, 20))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    sure = np.full(60, 0.999)
    sure[:40] = 0.55  # the first four kinds are hard
    proba = np.stack([sure, 1 - sure], axis=1)
    first = labelling_queue(proba, rows, 4)
    assert sorted(first // 10) == [0, 1, 2, 3]


def test_every_picture_once_and_no_more_than_there_are() -> None:
    proba = np.full((5, 3), 1 / 3)
    rows = np.tile(np.eye(1, 4, dtype=np.float32), (5, 1))
    assert sorted(labelling_queue(proba, rows, 9)) == [0, 1, 2, 3, 4]
    assert len(labelling_queue(proba, rows, 0)) == 0


def test_the_margin_is_that_of_the_two_highest() -> None:
    np.testing.assert_allclose(margins(np.array([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]])), [0.2, 0.7])
