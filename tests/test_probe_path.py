from __future__ import annotations

import numpy as np

from headstart.images.splits import folds
from headstart.probe.heads import C_PATH, principal_axes
from headstart.probe.path import Path, calibrated, lower, simplest


def path(n: int = 120, *, views: int = 1) -> Path:
    rng = np.random.default_rng(0)
    y = (np.arange(n) % 3).astype(np.int64)
    X = rng.normal(0, 0.3, (3, 40))[y] + rng.normal(0, 1, (n, 40))
    rows = np.concatenate([X + 0.1 * view for view in range(views)]).astype(np.float32)
    rounds = [folds(y, np.arange(n), seed=seed) for seed in (0, 1)]
    return Path("logistic regression", principal_axes(rows), y, np.arange(n), rounds, num_classes=3)


def test_the_search_finds_what_looking_at_everything_finds() -> None:
    searched, everything = path(), path()
    searched.search()
    for strength in C_PATH:
        everything.look((strength,))
    assert len(searched.logits) < len(C_PATH)
    chosen, losses = [], []
    for one in (searched, everything):
        tried = sorted(one.logits)
        answers = [-np.log(calibrated(one.logits[C], one.y)[1][:, np.arange(120), one.y]).mean(axis=0) for C in tried]
        chosen.append(tried[simplest(answers, one.groups)])
        losses.append(answers[tried.index(chosen[-1])].mean())
    assert chosen[0] == chosen[1]
    assert abs(losses[0] - losses[1]) < 1e-3


def test_every_round_answers_each_picture_once_whatever_the_views() -> None:
    for views in (1, 2):
        one = path(60, views=views)
        one.look((1e-2,))
        assert one.logits[1e-2].shape == (2, 60, 3)
        assert np.isfinite(one.logits[1e-2]).all()
        assert not np.array_equal(*one.logits[1e-2])


def test_the_simplest_is_the_first_within_one_standard_error() -> None:
    rng = np.random.default_rng(0)
    base, groups = rng.exponential(1, 100), np.arange(100)
    clearly, barely = base + 0.5, base + rng.normal(0.001, 0.1, 100)
    assert simplest([clearly, barely, base], groups) == 1
    assert lower(base, clearly, groups)
    assert not lower(barely, base, groups)


def test_rounds_do_not_make_the_temperature_surer() -> None:
    logits = np.eye(2, dtype=np.float32)[np.arange(40) % 2][None] * 9
    once, thrice = (calibrated(np.repeat(logits, rounds, axis=0), np.arange(40) % 2) for rounds in (1, 3))
    np.testing.assert_allclose(once[0], thrice[0], rtol=1e-5)
