from __future__ import annotations

import numpy as np
import pytest

from headstart.evaluation.calibration import softmax
from headstart.finetune.verdict import Mix, better, gain, joined, settle, tempered


def proba(y: np.ndarray, right: float, sure: float, seed: int = 0) -> np.ndarray:
    """Two classes, ``right`` of the answers correct, each with probability about ``sure``."""
    rng = np.random.default_rng(seed)
    answer = np.where(rng.permutation(len(y)) < right * len(y), y, 1 - y)
    p = np.clip(sure + rng.normal(0, 0.02, len(y)), 0.5, 0.999)
    return np.where(np.arange(2) == answer[:, None], p[:, None], 1 - p[:, None])


def test_better_means_surely_lower_loss_and_no_more_mistakes() -> None:
    y = np.arange(400) % 2
    groups = np.arange(400)
    low, high = proba(y, 0.9, 0.9), proba(y, 0.97, 0.95, seed=1)
    assert better(low, high, y, groups)
    assert not better(high, low, y, groups)
    assert not better(high, high, y, groups)
    surer_but_wrong_more_often = proba(y, 0.89, 0.9, seed=2)
    timid = 0.5 + (low - 0.5) * 0.05
    assert not better(timid, surer_but_wrong_more_often, y, groups)
    # The same difference, all of it in pictures of one group, is a single observation.
    one_group = np.where(low.argmax(axis=1) != high.argmax(axis=1), 0, groups + 1)
    alike = np.where((one_group == 0)[:, None], high, low)
    assert better(low, alike, y, groups)
    assert not better(low, alike, y, one_group)


def test_share_and_temperature_are_those_with_the_lowest_loss() -> None:
    y = np.arange(200) % 2
    half, whole = (Mix(share=share, joined=False) for share in (0.5, 1.0))
    answers = {half: proba(y, 0.8, 0.99), whole: proba(y, 0.95, 0.99)}
    settled = settle(answers, y)
    assert settled.mix == whole
    assert settled.temperature > 1.0  # 99 % sure and right in 95 %
    np.testing.assert_array_equal(settled.proba, tempered(answers[whole], settled.temperature))
    assert settled.proba.max(axis=1).mean() == pytest.approx(0.95, abs=0.02)


def test_of_equal_shares_the_one_nearer_to_the_pretrained_weights_is_taken() -> None:
    y = np.arange(200) % 2
    same = proba(y, 0.9, 0.9)
    mixes = [Mix(share=share, joined=joined) for share in (1.0, 0.5, 0.75) for joined in (True, False)]
    assert settle(dict.fromkeys(mixes, same), y).mix == Mix(share=0.5, joined=False)


def test_two_networks_are_joined_by_the_mean_of_their_logits() -> None:
    logits, other = np.random.default_rng(0).normal(size=(2, 5, 3))
    np.testing.assert_allclose(joined(softmax(logits), softmax(other)), softmax((logits + other) / 2))
    sure, unsure = np.array([[1.0, 0.0]]), np.array([[0.5, 0.5]])  # a probability of 0 stays one of next to nothing
    assert joined(sure, unsure)[0, 1] == pytest.approx(0, abs=1e-14)


def test_gain_is_how_much_lower_the_loss_is() -> None:
    y, groups = np.arange(2), np.arange(2)
    sure, unsure = np.array([[0.9, 0.1], [0.1, 0.9]]), np.array([[0.8, 0.2], [0.2, 0.8]])
    assert gain(unsure, sure, y, groups) == pytest.approx((np.log(0.9 / 0.8), 0))
    assert gain(sure, unsure, y, groups)[0] == pytest.approx(-np.log(0.9 / 0.8))
