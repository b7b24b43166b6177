from __future__ import annotations

import numpy as np
import pytest
from sklearn.tree import DecisionTreeClassifier

from headstart.audit.tree import answers_of_tree


@pytest.mark.parametrize(("n", "d", "k", "depth"), [(60, 1, 2, 3), (400, 3, 5, 5), (2_000, 4, 10, 6)])
def test_it_answers_as_that_of_scikit_learn(n: int, d: int, k: int, depth: int) -> None:
    rng = np.random.default_rng(n)
    y = rng.choice(k, n, p=rng.dirichlet(np.ones(k) * 5))
    X, new = rng.normal(size=(n, d)) + 0.8 * rng.normal(size=(k, d))[y], rng.normal(size=(500, d))
    least = max(2, n // 100)
    theirs = DecisionTreeClassifier(
        max_depth=depth, min_samples_leaf=least, class_weight="balanced", random_state=0
    ).fit(X, y)
    for rows in (X, new):
        ours = answers_of_tree(X, y, rows, depth=depth, least=least)
        assert (ours == theirs.predict(rows)).mean() > 0.98  # between two equally good questions it may ask another


def test_values_that_are_equal_stay_together_and_a_constant_tells_nothing() -> None:
    X = np.repeat([[0.0], [1.0]], 10, axis=0)
    y = np.repeat([1, 0], 10)
    assert answers_of_tree(X, y, np.array([[-5.0], [0.4], [0.6], [9.0]]), depth=2, least=2).tolist() == [1, 1, 0, 0]
    assert answers_of_tree(np.zeros((20, 1)), y, np.zeros((3, 1)), depth=3, least=2).tolist() == [0, 0, 0]
    assert answers_of_tree(X, y, X, depth=3, least=11).tolist() == [0] * 20  # no question leaves enough on both sides


def test_a_rare_class_counts_as_much_as_a_frequent_one() -> None:
    X = np.r_[np.linspace(0, 1, 100), np.linspace(0.8, 1.2, 10)][:, None]
    y = np.repeat([0, 1], [100, 10])
    assert answers_of_tree(X, y, np.array([[0.5], [1.0]]), depth=1, least=2).tolist() == [0, 1]
