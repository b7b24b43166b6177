from __future__ import annotations

import time

from headstart.progress import Clock, Silent


def test_silence_takes_every_report() -> None:
    with Silent().stage("anything", 3) as advance:
        assert advance(2) is None  # type: ignore[func-returns-value]


def test_stages_add_up_in_the_order_in_which_they_began() -> None:
    clock = Clock()
    for stage in ("first", "second", "first"):
        with clock.timed(stage):
            time.sleep(0.01)
    assert list(clock.seconds) == ["first", "second"]
    assert clock.seconds["first"] > 0.019
    assert clock.elapsed >= sum(clock.seconds.values())
    assert clock.deadline is None


def test_a_budget_ends_so_many_seconds_after_the_start() -> None:
    before = time.monotonic()
    deadline = Clock(5.0).deadline
    assert deadline is not None
    assert before + 5.0 <= deadline <= time.monotonic() + 5.0
