"""Near neighbours by cosine: of every row among all rows those that are near enough.

Of few rows all cosines are computed. Of many, a bound that takes an eighth of the work rules out most pairs: with P the
projection on the axes along which the rows spread most, and r(x) the length of what it leaves of a unit row x,

    x·y = Px·Py + (x − Px)·(y − Py) ≤ Px·Py + r(x) r(y)

by Cauchy and Schwarz. With r as one more column, that is one product of narrow matrices. Only for pairs whose bound is
high enough is the cosine computed, so that the same pairs are found, whatever the axes are.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import numpy as np

from headstart.arrays import Index, Rows, Singles
from headstart.images.threads import in_order
from headstart.progress import Progress

NEIGHBOURS = 8
"""Pictures nearest to each that are looked at: its copies are among them."""
ALL_UP_TO = 5_000
"""Rows up to which all cosines are computed: 1.5 s of one core with 1,280 columns."""
MOST_AXES = 128
"""Columns that a bound is computed from, at most; a quarter of what there is, if that is less. Chosen: of features of
photographs they hold nine tenths of the spread."""

_SAMPLE = 5_000  # rows that axes are found from: any axes give a bound, good ones a low one
_BLOCK = 256  # rows whose cosines to others are in memory at a time
_FEW = 32  # of them where several blocks are under way
_TILE = 8_192  # of how many others, where most are ruled out
_SLACK = 1e-4  # more than what rounding in float32 takes from a bound
_PAIRS = 1_024  # whose cosines are computed at a time
_MOST_LEFT = 0.03  # share of the pairs of a block above which all its cosines are computed, which is then faster


class Near(NamedTuple):
    """Pairs (p, 2) of rows, the smaller first; how many neighbours are nearer (p,); their cosines (p,)."""

    pairs: Index
    ranks: Index
    cosines: Singles


def near(queries: Rows, X: Rows, least: float, progress: Progress, *, prune: bool | None = None) -> Near:
    """Each of the unit rows (n, d) ``queries`` and its nearest among ``X`` (n, d), but for the one in its own place.

    `NEIGHBOURS` of each at most, those with a cosine of ``least`` or more. ``prune``: whether to rule out pairs by a
    bound; by default where there are more than `ALL_UP_TO` rows.
    """
    n = len(X)
    count = min(NEIGHBOURS, n - 1)
    if prune is None:
        prune = n > ALL_UP_TO
    work = partial(_bounded, queries, X, least, count, *_narrow(queries, X)) if prune else None
    work = work or partial(_all, queries, X, least, count)
    parts = [Near(np.empty((0, 2), np.int64), np.empty(0, np.int64), np.empty(0, np.float32))]
    with progress.stage("searching for copies", n) as advance:
        starts = range(0, n if count else 0, _BLOCK)
        for start, part in zip(starts, in_order(work, starts) if prune else map(work, starts), strict=True):
            parts.append(part)
            advance(min(start + _BLOCK, n))
    return Near(*map(np.concatenate, zip(*parts, strict=True)))


def _all(queries: Rows, X: Rows, least: float, count: int, start: int) -> Near:
    """The pairs of one block of rows, from all cosines."""
    return _nearest(queries, X, least, count, np.arange(start, min(start + _BLOCK, len(X))))


def _nearest(queries: Rows, X: Rows, least: float, count: int, rows: Index) -> Near:
    cosine = queries[rows] @ X.T
    cosine[np.arange(len(rows)), rows] = -np.inf
    nearest = np.argpartition(-cosine, count - 1, axis=1)[:, :count]
    order = np.argsort(-np.take_along_axis(cosine, nearest, axis=1), axis=1, kind="stable")
    nearest = np.take_along_axis(nearest, order, axis=1)
    reached = np.take_along_axis(cosine, nearest, axis=1)
    row, rank = np.nonzero(reached >= least)
    return Near(np.sort(np.stack([rows[row], nearest[row, rank]], axis=1), axis=1), rank, reached[row, rank])


def _bounded(queries: Rows, X: Rows, least: float, count: int, asked: Rows, among: Rows, start: int) -> Near:
    """The same from the cosines of those pairs alone that the bound does not rule out."""
    rows = np.arange(start, min(start + _BLOCK, len(X)))
    first, second = (np.concatenate(part) for part in zip(*_left(asked, among, rows, least), strict=True))
    if len(first) > _MOST_LEFT * len(rows) * len(X):
        parts = np.array_split(rows, max(1, len(rows) // _FEW))  # few at a time, for several threads may come here
        return Near(
            *map(np.concatenate, zip(*(_nearest(queries, X, least, count, part) for part in parts), strict=True))
        )
    cosine = np.empty(len(first), np.float32)
    for at in range(0, len(first), _PAIRS):
        some = slice(at, at + _PAIRS)
        cosine[some] = np.einsum("pd,pd->p", queries[first[some]], X[second[some]])
    order = np.lexsort((second, -cosine, first))
    order = order[cosine[order] >= least]
    first, second, cosine = first[order], second[order], cosine[order]
    rank = np.arange(len(first)) - np.searchsorted(first, first)
    kept = rank < count
    pairs = np.sort(np.stack([first, second], axis=1)[kept], axis=1)
    return Near(pairs, rank[kept], cosine[kept])


def _left(asked: Rows, among: Rows, rows: Index, least: float) -> Iterator[tuple[Index, Index]]:
    """Rows and the others that may be near enough to each, as positions."""
    for start in range(0, len(among), _TILE):
        bound = asked[rows] @ among[start : start + _TILE].T
        row, column = np.divmod(np.flatnonzero(bound >= least - _SLACK), bound.shape[1])
        apart = rows[row] != column + start
        yield rows[row[apart]], column[apart] + start


def _narrow(queries: Rows, X: Rows) -> tuple[Rows, Rows]:
    """Both on the axes along which X spreads most, with the length of what is left of each row as one more column."""
    from scipy.linalg import eigh

    d = X.shape[1]
    some = X[:: max(1, len(X) // _SAMPLE)]
    axes = eigh(some.T @ some, check_finite=False, driver="evd")[1][:, -min(MOST_AXES, max(1, d // 4)) :]

    def narrowed(rows: Rows) -> Rows:
        kept = rows @ axes
        left = np.sqrt(np.maximum(np.einsum("nd,nd->n", rows, rows) - np.einsum("nd,nd->n", kept, kept), 0))
        return np.ascontiguousarray(np.column_stack([kept, left]), np.float32)

    return narrowed(queries), narrowed(X)
