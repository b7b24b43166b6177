from __future__ import annotations

import pytest

from headstart.errors import DataError
from headstart.images.faults import Faults

LABEL, FILE = "every row has a label", "every file exists"


def test_every_fault_is_told_at_once_by_rule() -> None:
    faults = Faults({LABEL: "fill it in", FILE: "correct the path"}, whole=(LABEL,))
    assert faults.none_in(1, {LABEL: (True, ""), FILE: (True, "")})
    for line in range(2, 14):
        assert not faults.none_in(line, {LABEL: (False, "no label"), FILE: (line != 5, "b.png")})
    with pytest.raises(DataError) as caught:
        faults.tell("table t.csv")
    assert [problem.found for problem in caught.value.problems] == ["lines 2-13: no label", "line 5: b.png"]


def test_nothing_is_told_where_nothing_is_wrong() -> None:
    faults = Faults({LABEL: "fill it in"}, unit="record")
    assert faults.none_in(1, {LABEL: (True, "")})
    faults.tell("document d.json")
