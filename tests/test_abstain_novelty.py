from __future__ import annotations

import numpy as np
import pytest

from headstart.abstain import novelty as module
from headstart.abstain.novelty import Limits, Novelty, learn_novelty


def rows(n: int = 60, d: int = 30, k: int = 3, *, seed: int = 0, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Normal clouds with unequal spread around k means; ``shift`` moves all of them in a direction of its own."""
    rng = np.random.default_rng(seed)
    means = np.random.default_rng(99).normal(0, 2, (k, d))
    y = np.arange(n) % k
    X = means[y] + rng.normal(0, 1, (n, d)) * np.linspace(0.2, 1.5, d)
    X[:, 0] += shift
    return X.astype(np.float32), y


@pytest.mark.parametrize("d", [12, 80])  # more rows than columns, and fewer
def test_leaving_a_group_out_is_fitting_without_it(d: int) -> None:
    X, y = rows(40, d)
    groups = np.arange(40)
    groups[:6] = 0  # two of each class
    groups[6] = groups[9] = 6  # two of one class
    U = module._unit(X)
    model = module._fit(U, y)
    fast = model.squares_left_out(U, y, groups)
    for group in np.unique(groups):
        rest = groups != group
        means = np.stack([U[rest & (y == c)].mean(axis=0) for c in range(3)])
        R = U[rest] - means[y[rest]]
        inverse = np.linalg.inv(R.T @ R + model.ridge * np.eye(d))
        for i in np.flatnonzero(~rest):
            slow = [(U[i] - mean) @ inverse @ (U[i] - mean) for mean in means]
            np.testing.assert_allclose(fast[i], slow, rtol=1e-4)


def test_a_picture_it_has_seen_would_look_too_familiar() -> None:
    X, y = rows(60, 80)
    new, _ = rows(300, 80, seed=1)
    model, left_out = learn_novelty(X, y)
    seen, fresh = model.measure(X), model.measure(new)
    assert seen.max() < np.median(fresh)  # a limit from these would flag nearly every new picture
    assert np.median(left_out) == pytest.approx(np.median(fresh), rel=0.1)


def test_a_stated_share_of_familiar_pictures_is_above_the_limit() -> None:
    flagged = []
    for seed in range(20):
        X, y = rows(150, 60, seed=100 + seed)
        model, left_out = learn_novelty(X, y, share=0.05)
        assert (left_out > 1).sum() <= 0.05 * 150
        flagged.append((model.measure(rows(500, 60, seed=200 + seed)[0]) > 1).mean())
    assert 0.03 < np.mean(flagged) < 0.07


def test_strange_rows_are_unfamiliar_whatever_their_length() -> None:
    X, y = rows(90, 40)
    model, _ = learn_novelty(X, y)
    strange = model.measure(rows(90, 40, seed=3, shift=8.0)[0])
    assert (strange > 1).mean() > 0.95
    np.testing.assert_allclose(model.measure(X * 7), model.measure(X), rtol=1e-6)
    assert np.isfinite(model.measure(np.zeros((1, 40), np.float32))).all()


def test_few_pictures_promise_only_what_they_can() -> None:
    X, y = rows(12, 40)
    model, left_out = learn_novelty(X, y, share=0.03)
    assert model.share == pytest.approx(1 / 13)
    assert left_out.max() == pytest.approx(1)


def test_a_class_that_is_one_group_is_judged_by_the_other_classes() -> None:
    X, y = rows(30, 12, k=2)
    groups = np.where(y == 1, 0, 1 + np.arange(30))
    _, left_out = learn_novelty(X, y, groups)
    assert np.isfinite(left_out).all()
    assert left_out[y == 1].min() > left_out[y == 0].max()


def test_many_pictures_are_sampled_in_whole_groups_and_the_rest_measured_as_new(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST", 60)
    X, y = rows(200, 20, k=2)
    groups = np.arange(200) // 4
    used = module._sample(y, groups, seed=0)
    assert 60 <= used.sum() <= 64
    assert {frozenset(used[groups == group]) for group in np.unique(groups)} == {frozenset({True}), frozenset({False})}
    model, left_out = learn_novelty(X, y, groups)
    np.testing.assert_allclose(left_out[~used], model.measure(X)[~used])
    assert model.n == 200


def test_what_is_kept_gives_the_same_answers() -> None:
    X, y = rows()
    model, _ = learn_novelty(X, y)
    tensors = model.tensors()
    assert {array.dtype for array in tensors.values()} == {np.dtype(np.float32)}
    again = Novelty.from_parts(Limits(**model.to_dict()), tensors, model.means.shape)
    np.testing.assert_array_equal(again.measure(X), model.measure(X))


def test_rows_that_are_all_the_same_do_not_break_it() -> None:
    model, left_out = learn_novelty(np.ones((20, 5), np.float32), np.arange(20) % 2)
    assert np.isfinite(left_out).all()
    other = np.array([[1, -1, 1, -1, 1]], np.float32)
    assert model.measure(other)[0] > 1
