"""A small decision tree for a few numbers an image, every class counting the same.

It grows as scikit-learn's ``DecisionTreeClassifier(class_weight="balanced")`` does (CART: Breiman, Friedman, Olshen and
Stone, "Classification and regression trees", 1984; Gini impurity). That one gives the same answers, but takes a second
to load, twenty times as long as all trees of a check take to grow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headstart.arrays import Floats, Index, Labels


def answers_of_tree(X: Floats, y: Labels, new: Floats, *, depth: int, least: int) -> Labels:
    """The classes (m,) of rows ``new`` (m, d), by a tree grown on rows X (n, d) with classes y (n,).

    ``depth`` questions lead to an answer at most, and ``least`` rows to each.
    """
    counts = np.bincount(y)
    weights = np.eye(len(counts))[y] / np.maximum(counts, 1)[y, None]
    answers = np.empty(len(new), np.int64)
    todo = [(np.arange(len(X)), np.arange(len(new)), depth)]
    while todo:
        rows, asked, left = todo.pop()
        cut = _best_cut(X[rows], weights[rows], least) if left else None
        if cut is None:
            answers[asked] = weights[rows].sum(axis=0).argmax()
            continue
        for below in (True, False):
            part, of_new = ((X[i, cut.column] <= cut.at) == below for X, i in ((X, rows), (new, asked)))
            todo.append((rows[part], asked[of_new], left - 1))
    return answers


@dataclass(frozen=True)
class _Cut:
    column: int
    at: float


def _best_cut(X: Floats, weights: Floats, least: int) -> _Cut | None:
    """The question that leaves the least impurity of rows (n, d) with weights (n, k); None if none lessens it."""
    total = weights.sum(axis=0)
    best, most = None, float((total**2).sum() / total.sum()) + 1e-12
    for column in range(X.shape[1]):
        order = np.argsort(X[:, column], kind="stable")
        values = X[order, column]
        ends: Index = np.flatnonzero(values[:-1] < values[1:])  # the last row of those that stay below
        ends = ends[(ends + 1 >= least) & (len(X) - ends - 1 >= least)]
        if not len(ends):
            continue
        below = weights[order].cumsum(axis=0)[ends]
        purity = sum((side**2).sum(axis=1) / side.sum(axis=1) for side in (below, total - below))
        at = int(np.argmax(purity))
        if purity[at] > most:
            most, end = float(purity[at]), ends[at]
            best = _Cut(column, float((values[end] + values[end + 1]) / 2))
    return best
