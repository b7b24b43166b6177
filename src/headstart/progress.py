"""How far a stage is, told to whoever shows it; how long each stage took, and when a budget of time is used up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol


class Progress(Protocol):
    """Shows how far a stage is. ``stage`` gives a context in which the number of finished items is called in."""

    def stage(self, name: str, total: int | None) -> AbstractContextManager[Callable[[int], None]]:
        """Begin a stage of ``total`` items; None where they are not counted."""
        ...


class Silent:
    """A Progress that shows nothing."""

    def stage(self, name: str, total: int | None) -> AbstractContextManager[Callable[[int], None]]:
        """Begin a stage of ``total`` items."""
        return nullcontext(lambda done: None)


class Clock:
    """Starts when it is made. ``budget`` in seconds; None for no limit."""

    def __init__(self, budget: float | None = None) -> None:
        self._began = time.monotonic()
        self.deadline = None if budget is None else self._began + budget
        """In seconds of `time.monotonic`; None for no limit."""
        self.seconds: dict[str, float] = {}
        """By stage, in the order in which they began."""

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the seconds that the block takes to those of ``stage``."""
        start = time.monotonic()
        self.seconds.setdefault(stage, 0.0)
        try:
            yield
        finally:
            self.seconds[stage] += time.monotonic() - start

    def reaches(self, seconds: float) -> bool:
        """Whether the budget lasts for so many seconds more."""
        return self.deadline is None or time.monotonic() + seconds <= self.deadline

    @property
    def elapsed(self) -> float:
        """Seconds since it was made."""
        return time.monotonic() - self._began
