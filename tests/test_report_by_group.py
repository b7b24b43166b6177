from __future__ import annotations

import numpy as np
import pytest

from headstart.claims.by_group import by_group
from headstart.report.by_group import by_group_section, group_sentences
from headstart.report.page import PlainPage, render
from test_claims_by_group import answers


def test_groups_weakest_first_and_marked() -> None:
    found = by_group(*answers((29, 30), (28, 30), (18, 30), (2, 3)))
    assert found is not None
    section = by_group_section(found)
    assert section.table is not None
    assert [row[0] for row in section.table.rows] == ["c", "b", "a"]
    assert section.table.rows[0][2] == "60.0% [42.3%, 75.4%]"
    assert section.table.marked == (0,)
    assert "1 group has fewer than five pictures" in section.method
    assert "Weakest group: c" in render(PlainPage(title="t", lede=(), sections=(section,)))


def test_the_weakest_group_is_named_with_its_interval() -> None:
    found = by_group(*answers((29, 30), (28, 30), (18, 30), (2, 3)))
    assert found is not None
    (said,) = group_sentences(found)
    assert said.startswith("Weakest group: c, 60.0% (95 % interval 42.3% to 75.4%) on its 30 pictures, ")
    assert "That is more than chance explains (p = " in said


def test_a_lowest_group_is_not_always_a_weak_one_and_several_are_all_named() -> None:
    found = by_group(*answers((19, 20), (17, 20), (20, 20), (18, 20)))
    assert found is not None
    (said,) = group_sentences(found)
    assert said.startswith("No group can be told from the rest. The lowest accuracy is that of b: 85.0%")
    assert said.endswith("among 4 groups, that much is chance.")
    several = by_group(*answers((40, 40), (40, 40), (20, 40), (22, 40)))
    assert several is not None
    assert group_sentences(several)[1] == "Also weaker than the rest: d."


@pytest.mark.parametrize(
    ("small", "said"),
    [
        (0, "same group."),
        (1, "same group. 1 group has fewer than five pictures and is not listed."),
        (2, "same group. 2 groups have fewer than five pictures and are not listed."),
    ],
)
def test_groups_that_are_too_small_are_counted(small: int, said: str) -> None:
    found = by_group(*answers((9, 10), (5, 10), *[(1, 2)] * small))
    assert found is not None
    assert by_group_section(found).method.endswith(said)


def test_of_very_many_groups_the_weakest_are_listed() -> None:
    names = np.repeat([f"group {i:03d}" for i in range(250)], 5)
    hits = np.arange(1250) % 5 < np.repeat(np.arange(250) % 6, 5)
    found = by_group(hits.astype(int), np.ones(1250, int), names.tolist())
    assert found is not None
    assert len(found.groups) == 250
    table = by_group_section(found).table
    assert table is not None
    assert table.about == "Accuracy of the weakest 200 of 250 groups"
    assert len(table.rows) == 200
    assert table.rows[0][2].startswith("0.0%")
    assert len(group_sentences(found)[0]) < 300
