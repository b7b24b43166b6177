"""Near neighbours by cosine: of every row among all rows those that are near enough.

Of few rows all cosines are computed. Of many, rows are put into cells around centres, and each is held against those in
the `PROBED` cells alone whose centres are nearest to it: an inverted file (Sivic and Zisserman, "Video Google", 2003;
Jégou, Douze and Schmid, "Product quantization for nearest neighbor search", 2011). With 2 √n cells that takes n^1.5
cosines, and misses few of the neighbours that n² find. Of 10,000 crops of photographs these were missed, in features
and in coarse pixels: none with a cosine of 0.8 or more, 1 in 1,000 from 0.7 on, 1 and 7 in 1,000 from 0.6 on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np

from headstart.arrays import Index, Rows, Singles
from headstart.images.threads import in_order
from headstart.progress import Progress

NEIGHBOURS = 8
"""Pictures nearest to each that are looked at: its copies are among them."""
ALL_UP_TO = 5_000
"""Rows up to which all cosines are computed: 1.5 s of one core with 1,280 columns."""
PROBED = 16
"""Cells that each row looks for its neighbours in."""
MOST_AXES = 128
"""Columns that a cell is chosen by, at most. Chosen: of features of photographs they hold nine tenths of the spread."""

_CELLS = 2.0  # for each √n
_ROUNDS = 4  # in which centres move to the middle of what is around them
_OF_A_CELL = 40  # rows of the sample that centres are found from, for each
_SAMPLE = 5_000  # rows that axes are found from
_BLOCK = 256  # rows whose cosines to all others are in memory at a time
_ASKING = 8_192  # rows whose neighbours in cells are looked for at a time
_TOGETHER = 1_024  # rows that are held against all centres at a time

Found = tuple[Index, Index, Singles]
"""Rows (p,), the other of each pair (p,), and their cosines (p,)."""


class Near(NamedTuple):
    """Pairs (p, 2) of rows, the smaller first; how many neighbours are nearer (p,); their cosines (p,)."""

    pairs: Index
    ranks: Index
    cosines: Singles


def near(queries: Rows, X: Rows, least: float, progress: Progress, *, cells: bool | None = None) -> Near:
    """Each of the unit rows (n, d) ``queries`` and its nearest among ``X`` (n, d), but for the one in its own place.

    `NEIGHBOURS` of each at most, those with a cosine of ``least`` or more. ``cells``: whether to look for them in some
    cells alone, see above; by default where there are more than `ALL_UP_TO` rows.
    """
    n = len(X)
    count = min(NEIGHBOURS, n - 1)
    parts = [Near(np.empty((0, 2), np.int64), np.empty(0, np.int64), np.empty(0, np.float32))]
    with progress.stage("searching for copies", n) as advance:
        if count > 0:
            look = _in_cells if (n > ALL_UP_TO if cells is None else cells) else _in_all
            parts.extend(_ranked(found, count) for found in look(queries, X, least, count, advance))
    return Near(*map(np.concatenate, zip(*parts, strict=True)))


def _ranked(found: Found, count: int) -> Near:
    """The ``count`` nearest of each row, of all that was found of it."""
    first, second, cosine = found
    order = np.lexsort((second, -cosine, first))
    first, second, cosine = first[order], second[order], cosine[order]
    rank = np.arange(len(first)) - np.searchsorted(first, first)
    kept = rank < count
    return Near(np.sort(np.stack([first, second], axis=1)[kept], axis=1), rank[kept], cosine[kept])


def _in_all(queries: Rows, X: Rows, least: float, count: int, advance: Callable[[int], None]) -> Iterator[Found]:
    everything = np.arange(len(X))
    for start in range(0, len(X), _BLOCK):
        rows = everything[start : start + _BLOCK]
        yield _nearest(queries[rows], X, rows, everything, least, count)
        advance(start + len(rows))


def _in_cells(queries: Rows, X: Rows, least: float, count: int, advance: Callable[[int], None]) -> Iterator[Found]:
    asked, among = _narrow(queries, X)
    centres = _centres(among)
    probed = min(PROBED, len(centres))
    members = _by_cell(_home(among, centres), len(centres))
    for start in range(0, len(X), _ASKING):
        rows = np.arange(start, min(start + _ASKING, len(X)))
        near_to = [
            np.argpartition(-(part @ centres.T), probed - 1, axis=1)[:, :probed] for part in _blocks(asked[rows])
        ]
        askers = [rows[at // probed] for at in _by_cell(np.concatenate(near_to).ravel(), len(centres))]

        def of_cell(cell: int, askers: list[Index] = askers) -> Found:
            return _nearest(queries[askers[cell]], X[members[cell]], askers[cell], members[cell], least, count)

        yield _joined(in_order(of_cell, range(len(centres))))
        advance(start + len(rows))


def _joined(found: Iterable[Found]) -> Found:
    first, second, cosine = (np.concatenate(part) for part in zip(*found, strict=True))
    return first, second, cosine


def _nearest(queries: Rows, X: Rows, rows: Index, others: Index, least: float, count: int) -> Found:
    """Pairs of ``rows`` and ``others``, whose rows are ``queries`` and X; of each row the ``count`` nearest at most."""
    cosine = queries @ X.T
    cosine[rows[:, None] == others] = -np.inf
    if len(others) > count:
        least_kept = np.maximum(np.partition(cosine, -count, axis=1)[:, -count], least)[:, None]
    else:
        least_kept = np.array(least)
    row, column = np.nonzero(cosine >= least_kept)
    return rows[row], others[column], cosine[row, column]


def _centres(X: Rows) -> Rows:
    """Unit rows around which the rows X lie, by k-means on the sphere (Dhillon and Modha 2001) of some of them."""
    count = max(1, round(_CELLS * np.sqrt(len(X))))
    some = X[:: max(1, len(X) // (_OF_A_CELL * count))]
    centres = some[np.linspace(0, len(some) - 1, count).astype(np.int64)]
    for _ in range(_ROUNDS):
        around = _by_cell(_home(some, centres), count)
        sums = np.stack([some[rows].sum(axis=0) for rows in around])
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        centres = np.where(lengths > 0, sums / np.maximum(lengths, 1e-12), centres)
    return np.asarray(centres, np.float32)


def _home(X: Rows, centres: Rows) -> Index:
    """(n,) the cell that each row is in."""
    return np.concatenate([(part @ centres.T).argmax(axis=1) for part in _blocks(X)])


def _by_cell(cell_of: Index, count: int) -> list[Index]:
    """The positions in each cell, in order."""
    order = np.argsort(cell_of, kind="stable")
    return np.split(order, np.searchsorted(cell_of[order], np.arange(1, count)))


def _blocks(X: Rows) -> Iterator[Rows]:
    return (X[start : start + _TOGETHER] for start in range(0, len(X), _TOGETHER))


def _narrow(queries: Rows, X: Rows) -> tuple[Rows, Rows]:
    """Both on the axes along which X spreads most."""
    from scipy.linalg import eigh

    some = X[:: max(1, len(X) // _SAMPLE)]
    axes = eigh(some.T @ some, check_finite=False, driver="evd")[1][:, -MOST_AXES:]
    return queries @ axes, X @ axes
