from __future__ import annotations

from headstart.progress import Silent


def test_silence_takes_every_report() -> None:
    with Silent().stage("anything", 3) as advance:
        assert advance(2) is None  # type: ignore[func-returns-value]
