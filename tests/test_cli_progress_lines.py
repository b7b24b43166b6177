from __future__ import annotations

import json
import time

import pytest

from headstart.cli.progress_lines import ProgressLines


def told(capsys: pytest.CaptureFixture[str], *, events: bool) -> list[str]:
    with ProgressLines(events=events, every=0.02) as lines:
        with lines.stage("choosing the head", None), lines.stage("features at 224", 2_000) as advance:
            advance(500)
            time.sleep(0.1)
        with lines.stage("looking for copies", None):
            time.sleep(0.1)
        time.sleep(0.1)
    return capsys.readouterr().err.splitlines()


def test_the_latest_stage_is_told_from_time_to_time(capsys: pytest.CaptureFixture[str]) -> None:
    lines = told(capsys, events=False)
    features = [line for line in lines if line.startswith("features at 224: 500 of 2,000, about ")]
    copies = [line for line in lines if line.startswith("looking for copies: ")]
    assert features
    assert copies
    assert lines == features + copies
    assert all(line.endswith(" s left") for line in features)
    assert all(line.endswith(" s so far") for line in copies)


def test_events_are_objects_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    events = [json.loads(line) for line in told(capsys, events=True)]
    first, last = events[0], events[-1]
    assert (first["event"], first["stage"], first["done"], first["total"]) == ("progress", "features at 224", 500, 2000)
    assert first["seconds_left"] == pytest.approx(3 * first["seconds"], abs=0.2)
    assert (last["stage"], last["total"], last["seconds_left"]) == ("looking for copies", None, None)


def test_short_work_is_not_told(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressLines() as lines, lines.stage("reading", None):
        assert not lines.event({"event": "state"})
    assert capsys.readouterr().err == ""
