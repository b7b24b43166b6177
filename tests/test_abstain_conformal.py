from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest

from headstart.abstain.conformal import PredictionSets, TooFewPictures, learn_prediction_sets
from headstart.errors import OptionError
from headstart.evaluation.calibration import softmax

CLASSES = ("ants", "bees", "flies")


def judged(n: int, seed: int, *, weights: tuple[float, ...] = (0.5, 0.3, 0.2)) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (n, 3) that are right about three times out of four, and the truth (n,)."""
    rng = np.random.default_rng(seed)
    y = rng.choice(3, n, p=weights)
    return softmax(rng.normal(0, 1.0, (n, 3)) + 1.5 * np.eye(3)[y]), y


def learned(n: int, seed: int) -> PredictionSets:
    proba, y = judged(n, seed)
    sets = learn_prediction_sets(proba, y, CLASSES)
    assert isinstance(sets, PredictionSets)
    return sets


@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
def test_every_class_is_covered_as_often_as_was_asked_for(coverage: float) -> None:
    new, truth = judged(20_000, 1)
    hits: list[list[float]] = [[], [], []]
    for seed in range(100):
        inside = learned(400, 100 + seed).sets(new, coverage)
        for c in range(3):
            hits[c].append(inside[truth == c, c].mean())
    for of_class in hits:
        assert coverage - 0.01 <= np.mean(of_class) <= coverage + 0.05


def test_the_correction_for_small_samples_is_exact() -> None:
    """With 20 pictures of a class and coverage 0.9 the second lowest is the threshold: 19 of 21 new ones pass."""
    sets = PredictionSets(scores=(np.linspace(0.05, 1, 20, dtype=np.float32),) * 2)
    np.testing.assert_allclose(sets.thresholds(0.9), 0.1)
    np.testing.assert_allclose(sets.thresholds(20 / 21), 0.05)


def test_a_set_holds_the_most_probable_class_and_grows_with_the_coverage() -> None:
    sets, (proba, _) = learned(600, 2), judged(500, 3)
    sizes = []
    for coverage in (0.5, 0.8, 0.9, 0.95):
        inside = sets.sets(proba, coverage)
        assert inside[np.arange(500), proba.argmax(axis=1)].all()
        sizes.append(inside.sum(axis=1).mean())
    assert sizes == sorted(sizes)
    assert sizes[0] < 1.1
    assert sizes[-1] > 1.5


def test_what_is_realised_lies_in_the_range_that_is_told() -> None:
    new, truth = judged(20_000, 5)
    realised, told = [], []
    for seed in range(200):
        sets = learned(300, 500 + seed)
        smallest = min(range(3), key=lambda c: len(sets.scores[c]))
        told.append(sets.realised(0.9))
        realised.append((new[truth == smallest, smallest].astype(np.float32) >= sets.thresholds(0.9)[smallest]).mean())
    inside = [low <= share <= high for (low, high), share in zip(told, realised, strict=True)]
    assert 0.83 < np.mean(inside) < 0.96


def test_few_pictures_of_a_class_are_refused_with_the_reason() -> None:
    proba, y = judged(200, 4)
    y[:] = np.arange(200) % 2
    y[:19] = 2
    reason = learn_prediction_sets(proba, y, CLASSES)
    assert reason == TooFewPictures(counts={"flies": 19}, needed=20)
    groups = np.arange(200)
    groups[y == 1] = np.arange((y == 1).sum()) % 7
    reason = learn_prediction_sets(proba, y, CLASSES, groups)
    assert reason == TooFewPictures(counts={"bees": 7, "flies": 19}, needed=20)
    assert TooFewPictures(**json.loads(json.dumps(asdict(reason)))) == reason


@pytest.mark.parametrize("coverage", [0.3, 0.99, 1.0, float("nan")])
def test_a_coverage_that_cannot_be_had_is_an_error_with_what_can(coverage: float) -> None:
    sets = PredictionSets(scores=(np.linspace(0, 1, 30, dtype=np.float32), np.linspace(0, 1, 50, dtype=np.float32)))
    assert sets.most_coverage == pytest.approx(30 / 31)
    with pytest.raises(OptionError, match=r"from 0.5 to 0.967: the smallest class has 30 pictures"):
        sets.sets(np.array([[0.5, 0.5]]), coverage)


def test_what_is_kept_gives_the_same_sets() -> None:
    sets, (proba, _) = learned(300, 6), judged(200, 7)
    again = PredictionSets.from_tensors(sets.tensors(), len(CLASSES))
    np.testing.assert_array_equal(again.sets(proba), sets.sets(proba))
