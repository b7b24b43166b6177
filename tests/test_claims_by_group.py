from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from headstart.claims.by_group import by_group, group_names
from headstart.evaluation.intervals import wilson
from headstart.files import below, plain
from headstart.images.folder import scan
from pictures import write_folder


def answers(*right: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Predictions of groups a, b, …: so many right of so many."""
    y = np.zeros(sum(n for _, n in right), dtype=int)
    predicted = np.concatenate([np.r_[np.zeros(hits), np.ones(n - hits)] for hits, n in right]).astype(int)
    return predicted, y, [name for name, (_, n) in zip("abcdefgh", right, strict=False) for _ in range(n)]


def test_the_weakest_group_is_named_and_told_from_the_rest() -> None:
    found = by_group(*answers((29, 30), (28, 30), (18, 30), (2, 3)))
    assert found is not None
    assert found.weakest.name == "c"
    assert (found.weakest.accuracy.low, found.weakest.accuracy.high) == wilson(18, 30)
    assert [one.weaker for one in found.groups] == [True, False, False]
    assert found.small == 1
    assert found.rest.value == 59 / 63


def test_a_lowest_group_is_not_always_a_weak_one() -> None:
    found = by_group(*answers((19, 20), (17, 20), (20, 20), (18, 20)))
    assert found is not None
    assert found.weakest.name == "b"
    assert not found.weakest.weaker


def test_several_weak_groups_are_all_named() -> None:
    found = by_group(*answers((40, 40), (40, 40), (20, 40), (22, 40)))
    assert found is not None
    assert [group.name for group in found.groups if group.weaker] == ["c", "d"]


def test_equal_groups_are_seldom_called_weak() -> None:
    rng, false = np.random.default_rng(0), 0
    for _ in range(200):
        found = by_group((rng.random(120) < 0.1).astype(int), np.zeros(120), np.repeat(np.arange(8), 15).tolist())
        assert found is not None
        false += any(one.weaker for one in found.groups)
    assert false <= 18  # 5 % of 200, and what chance adds in one of a hundred seeds


def test_without_two_groups_there_is_nothing_to_compare() -> None:
    assert by_group(*answers((9, 10))) is None
    assert by_group([0] * 20, [0] * 20, list(range(20))) is None


def test_groups_are_called_what_they_were_given_as_and_others_by_their_first_file(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, {"rings": 8, "stripes": 8}, side=32)
    images = scan(folder)
    assert len(set(group_names(images))) == 16  # both classes have a 000.jpeg
    assert group_names(images)[0] == below(folder, images.paths[0])
    by_patient = replace(images, group_names=("p1", "p2", "p1", *[""] * 13)).grouped(["a", "b", "a", *[None] * 13])
    assert group_names(by_patient)[:4] == ["p1", "p2", "p1", below(folder, images.paths[3])]
    copies = by_patient.grouped(["copy", "copy", None, "copy", *[None] * 12])  # found in both patients, and elsewhere
    assert group_names(copies)[:4] == ["p1 + p2"] * 4
    assert group_names(copies.subset(np.array([3, 1]))) == ["p2", "p2"]


def test_plain_json() -> None:
    found = by_group(*answers((9, 10), (5, 10)))
    assert found is not None
    assert json.loads(json.dumps(plain(found), allow_nan=False)) == plain(found)
