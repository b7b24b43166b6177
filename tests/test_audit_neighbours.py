from __future__ import annotations

import numpy as np
import pytest

from headstart.arrays import Rows
from headstart.audit import neighbours
from headstart.audit.neighbours import NEIGHBOURS, Near, near
from headstart.features.rows import unit
from headstart.progress import Silent


def rows(n: int, d: int, *, seed: int = 0, fall: float = 1.0) -> Rows:
    """Unit rows, the spread along axis i falling as i to the power of -``fall``."""
    spread = np.arange(1, d + 1) ** -fall
    return unit((np.random.default_rng(seed).normal(size=(n, d)) * spread).astype(np.float32))


def same(first: Near, second: Near) -> None:
    np.testing.assert_array_equal(first.pairs, second.pairs)
    np.testing.assert_array_equal(first.ranks, second.ranks)
    np.testing.assert_allclose(first.cosines, second.cosines, atol=1e-6)


def test_near_rows_are_found_in_blocks_as_in_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    X = rows(150, 6, fall=0)
    whole = near(X, X, 0.4, Silent())
    monkeypatch.setattr(neighbours, "_BLOCK", 16)
    same(near(X, X, 0.4, Silent()), whole)
    cosine, pairs = X @ X.T, whole.pairs
    assert (pairs[:, 0] < pairs[:, 1]).all()
    np.testing.assert_allclose(cosine[pairs[:, 0], pairs[:, 1]], whole.cosines, rtol=1e-5)
    assert whole.cosines.min() >= 0.4
    nearest = {tuple(sorted((i, j))) for i, j in enumerate((cosine - 2 * np.eye(150)).argmax(axis=1).tolist())}
    assert set(map(tuple, pairs[whole.ranks == 0].tolist())) == nearest


def test_a_row_alone_has_no_neighbour() -> None:
    one = np.ones((1, 3), np.float32)
    assert near(one, one, 0.4, Silent()).pairs.shape == (0, 2)


@pytest.mark.parametrize("least", [0.4, 0.6, -1.0])
@pytest.mark.parametrize("fall", [0.0, 0.5, 1.5])
def test_all_cells_together_hold_all_neighbours(least: float, fall: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "PROBED", 1_000)
    monkeypatch.setattr(neighbours, "_TOGETHER", 300)
    X = rows(1_000, 64, fall=fall)
    X[700:710] = unit(X[:10] + 0.01 * rows(10, 64, seed=1))
    mirrored = unit(X[:, ::-1] + X)
    for queries in (X, mirrored):
        same(near(queries, X, least, Silent(), cells=True), near(queries, X, least, Silent(), cells=False))


def test_some_cells_hold_nearly_all_that_are_near() -> None:
    X = rows(6_000, 64, fall=0.5)
    X[3_000:] = unit(X[:3_000] + 0.5 * rows(3_000, 64, seed=1, fall=0.5))
    found, everything = (near(X, X, 0.5, Silent(), cells=cells) for cells in (True, False))
    planted = {(i, i + 3_000) for i in range(3_000)}
    assert everything.cosines[everything.ranks == 0].mean() < 0.9
    of_all, of_some = (set(map(tuple, some.pairs.tolist())) for some in (everything, found))
    assert len(of_some & planted) > 0.99 * len(of_all & planted) > 2_000
    assert found.ranks.max() < NEIGHBOURS


def test_rows_that_are_all_the_same_are_each_others_neighbours() -> None:
    X = np.tile(rows(1, 16), (300, 1))
    found = near(X, X, 0.9, Silent(), cells=True)
    assert (np.bincount(found.pairs.ravel(), minlength=300) >= NEIGHBOURS).all()
