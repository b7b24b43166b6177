from __future__ import annotations

import pytest

from headstart.errors import OptionError
from headstart.recipes import records
from headstart.recipes.tables import TABLES, get


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_rows_are_recipes_and_claims_are_rows_that_the_figures_bear_out(table) -> None:  # type: ignore[no-untyped-def]
    accuracy = {row.name: row.accuracy for row in table.rows}
    assert len(accuracy) == len(table.rows)
    for row in table.rows:
        assert records.get(row.recipe).plan.phases[0].optimiser.name == "sgd"
        pictures = row.accuracy * table.n
        assert abs(pictures - round(pictures)) < 0.02  # four digits of a whole number of pictures
    for claim in table.claims:
        others = [claim.worse] if claim.worse else [name for name in accuracy if name != claim.better]
        assert all(accuracy[claim.better] > accuracy[name] for name in others)


def test_an_unknown_table_gets_the_names() -> None:
    assert get("resnet18").n == 153
    with pytest.raises(OptionError, match="expected: one of resnet18"):
        get("resnet50")
