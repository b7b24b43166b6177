from __future__ import annotations

from pathlib import Path

import numpy as np

from headstart.audit.clusters import Link, Measure, Move, copies
from headstart.audit.full_size import Difference, Limit

STAY = Move(np.ones(2), np.zeros(2))


def link(first: int, second: int, score: float = 0.9) -> Link:
    return Link(first=first, second=second, score=score, move=STAY, apart=1.0)


def test_moves_are_joined_and_undone() -> None:
    half = Move.placed(np.array([0.9, 0.1, 0.95, -0.05], np.float32), mirrored=True)
    placement, mirrored = half.placement()
    np.testing.assert_allclose(placement, [0.9, 0.1, 0.95, -0.05], rtol=1e-6)
    assert mirrored
    back = half.then(half.inverse())
    np.testing.assert_allclose(np.concatenate(back), [1, 1, 0, 0], atol=1e-12)
    twice = half.then(half)
    point = np.array([0.3, -0.2])
    np.testing.assert_allclose(
        twice.scale * point + twice.shift, half.scale * (half.scale * point + half.shift) + half.shift
    )
    assert not twice.placement()[1]  # mirrored twice is upright


class Given(Measure):
    """Differences that a test states, in levels, by pair; all others are of other pictures."""

    def __init__(self, levels: dict[tuple[int, int], float]) -> None:
        self.levels = levels

    def link(self, link: Link) -> tuple[Difference, Move]:
        levels = self.levels.get((link.first, link.second), 9.0)
        return Difference(typical=levels, largest=levels, grain=1.0), link.move

    def within(self, first: int, second: int, move: Move, limit: Limit) -> bool:
        return self.link(link(min(first, second), max(first, second)))[0].within(limit)


def kept(links: list[Link], levels: dict[tuple[int, int], float], *, refuted: bool) -> list[tuple[int, int]]:
    others = [link(98, 99)] if refuted else []
    return [(link.first, link.second) for link in copies(links, Given(levels), refuted=others)]


def test_a_chain_is_cut_where_its_ends_are_no_copies() -> None:
    chain = [link(i, i + 1) for i in range(6)]
    levels = {(i, i + far): 0.8 * far for i in range(6) for far in (1, 2, 3)}
    assert kept(chain, levels, refuted=True) == [(0, 1), (1, 2), (3, 4), (4, 5)]


def test_two_copies_of_one_picture_may_differ_by_the_compression_of_both() -> None:
    star, levels = [link(0, 1), link(0, 2)], {(0, 1): 1.1, (0, 2): 1.1}
    assert kept(star, {**levels, (1, 2): 1.1 * 2**0.5}, refuted=True) == [(0, 1), (0, 2)]
    assert kept(star, {**levels, (1, 2): 1.7}, refuted=True) == [(0, 1)]


def test_one_pair_that_is_alike_without_being_copies_makes_the_limit_strict() -> None:
    links, levels = [link(0, 1), link(2, 3)], {(0, 1): 0.9, (2, 3): 2.0}
    assert kept(links, levels, refuted=False) == [(0, 1), (2, 3)]
    assert kept(links, levels, refuted=True) == [(0, 1)]
    assert kept([*links, link(4, 5)], levels, refuted=False) == [(0, 1)]
    misplaced = [link(0, 1), link(1, 2), link(0, 2), link(3, 4)]  # 0 and 2 are laid on each other through 1
    measure = Given({(0, 1): 0.9, (1, 2): 0.9, (0, 2): 3.0, (3, 4): 2.0})
    measure.within = lambda first, second, move, limit: True  # type: ignore[method-assign]
    assert [(each.first, each.second) for each in copies(misplaced, measure)] == [(0, 1), (1, 2), (3, 4)]


def test_what_cannot_be_read_is_a_copy_of_nothing(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).write_bytes(b"")
    assert copies([link(0, 1)], Measure([tmp_path / "a", tmp_path / "b"])) == []
