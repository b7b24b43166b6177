from __future__ import annotations

import io

from rich.console import Console

from headstart.bars import Bars


def test_a_bar_shows_name_count_and_rate_and_goes_away() -> None:
    drawn = io.StringIO()
    console = Console(file=drawn, force_terminal=True, width=100)
    with Bars(console) as bars:
        with bars.stage("features at 224", 50) as advance, bars.stage("inner", 2) as advance_inner:
            advance(10)
            advance_inner(1)
            bars._live.refresh()
        shown = drawn.getvalue()
        assert not bars._live.tasks
    assert "features at 224" in shown
    assert "10/50" in shown
    assert "inner" in shown
