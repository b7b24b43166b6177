from __future__ import annotations

from headstart.claims.by_group import by_group
from headstart.report.by_group import by_group_section
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
