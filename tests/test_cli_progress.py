from __future__ import annotations

import io

from rich.console import Console

from headstart.cli.progress import ProgressBars


def test_lines_stand_alone_while_bars_step_aside() -> None:
    drawn = io.StringIO()
    with (
        ProgressBars(Console(file=drawn, force_terminal=True, width=100)) as bars,
        bars.stage("training", 10) as advance,
    ):
        advance(3)
        bars.refresh()
        with bars.paused():
            before = drawn.getvalue()
            drawn.write("epoch   1\n")
            advance(4)
            assert drawn.getvalue().endswith("epoch   1\n")
        advance(5)
        bars.refresh()
        after = drawn.getvalue()[len(before) :]
    assert before.endswith("\x1b[2K")  # the line of the bar is empty again
    assert "training" in after
    assert "5/10" in after


def test_a_bar_shows_name_count_and_rate_and_goes_away() -> None:
    drawn = io.StringIO()
    console = Console(file=drawn, force_terminal=True, width=100)
    with ProgressBars(console) as bars:
        with bars.stage("features at 224", 50) as advance, bars.stage("inner", 2) as advance_inner:
            advance(10)
            advance_inner(1)
            bars.refresh()
        shown = drawn.getvalue()
        assert not bars.tasks
    assert "features at 224" in shown
    assert "10/50" in shown
    assert "inner" in shown


def test_what_is_not_counted_shows_no_count() -> None:
    drawn = io.StringIO()
    with ProgressBars(Console(file=drawn, force_terminal=True, width=100)) as bars, bars.stage("choosing", None):
        bars.refresh()
    assert "choosing" in drawn.getvalue()
    assert "0/" not in drawn.getvalue()
