from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from headstart.monitor.drift import Drift, compare_rows


def rows(n: int, seed: int, *, label: NDArray[np.int64] | None = None, shift: float = 0.0) -> NDArray[np.float32]:
    """Rows of length 1 of two classes in 40 dimensions; ``shift`` moves both."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2 if label is None else label
    X = rng.normal(size=(n, 40)) + 3.0 * np.eye(40)[y] + shift * np.eye(40)[7]
    return np.asarray(X / np.linalg.norm(X, axis=1, keepdims=True), np.float32)


def held(new: NDArray[np.float32], answers: NDArray[np.int64] | None = None, *, seed: int = 0) -> Drift:
    y = np.arange(len(new)) % 2 if answers is None else answers
    return compare_rows(new, rows(400, 1), answers=y, answers_before=np.arange(400) % 2, num_classes=2, seed=seed)


def test_more_of_the_same_is_no_drift() -> None:
    found = [held(rows(100, 50 + seed)) for seed in range(8)]
    assert sum(one.level == "none" for one in found) >= 7
    assert np.mean([one.auc for one in found]) == pytest.approx(0.5, abs=0.06)


def test_other_pictures_are_drift() -> None:
    found = held(rows(100, 2, shift=20.0))
    assert found.level == "drift"
    assert (found.p, found.auc) == (0.001, pytest.approx(1.0, abs=0.01))
    assert found.to_dict()["level"] == "drift"


def test_what_the_model_finds_unfamiliar_is_passed_on() -> None:
    y = np.arange(60) % 2
    unfamiliar = np.arange(60) < 15
    found = compare_rows(
        rows(60, 6), rows(400, 1), answers=y, answers_before=np.arange(400) % 2, num_classes=2, unfamiliar=unfamiliar,
        unfamiliar_before=0.03,
    )  # fmt: skip
    assert found.unfamiliar is unfamiliar
    assert found.to_dict()["unfamiliar"] == 0.25
    assert held(rows(60, 6)).to_dict()["unfamiliar"] is None
    assert held(rows(60, 6)).p == found.p


def test_another_mix_of_classes_is_told_from_drift() -> None:
    only = np.zeros(120, np.int64)
    found = held(rows(120, 3, label=only), only)
    assert found.p < 0.01
    assert found.only_mix
    assert found.level == "slight"
    assert found.mix.tolist() == [1.0, 0.0]


def test_a_small_difference_in_many_pictures_is_called_slight() -> None:
    found = held(rows(1000, 4, shift=0.6))
    assert found.p < 0.01
    assert 0.5 < found.auc < 0.65
    assert found.level == "slight"
    assert not found.only_mix


def test_a_few_pictures_say_nothing_and_the_same_seed_the_same() -> None:
    assert held(rows(5, 5)).level == "too few"
    assert held(rows(60, 6)).p == held(rows(60, 6)).p
