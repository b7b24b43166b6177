"""What a command is doing and how far it is, where there is no terminal: lines in a log, or events for a program."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

EVERY_S = 10.0
"""Seconds between two lines of a log. Chosen: seldom enough for a log, often enough to see that it goes on."""


@dataclass
class _Stage:
    name: str
    total: int | None
    done: int = 0
    began: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    @property
    def left(self) -> float | None:
        """Seconds that are left, at the rate so far."""
        return self.seconds * (self.total - self.done) / self.done if self.total and self.done else None

    def line(self) -> str:
        """It in words."""
        if self.total is None:
            return f"{self.name}: {self.seconds:.0f} s so far"
        left = "" if self.left is None else f", about {self.left:.0f} s left"
        return f"{self.name}: {self.done:,} of {self.total:,}{left}"

    def event(self) -> dict[str, Any]:
        """It in plain JSON types."""
        left = None if self.left is None else round(self.left, 1)
        seconds = round(self.seconds, 1)
        return {"event": "progress", "stage": self.name, "done": self.done, "total": self.total, "seconds": seconds,
                "seconds_left": left}  # fmt: skip


class ProgressLines:
    """A :class:`headstart.progress.Progress` that tells the stage it is in every `EVERY_S` on stderr.

    ``events`` tells it as JSON objects, one a line.
    """

    def __init__(self, *, events: bool = False, every: float = EVERY_S) -> None:
        self._events, self._every = events, every
        self._stages: list[_Stage] = []
        self._over = threading.Event()
        self._teller = threading.Thread(target=self._tell, name="progress", daemon=True)

    def __enter__(self) -> ProgressLines:
        self._teller.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._teller.join()

    def event(self, document: dict[str, Any]) -> bool:
        """Tell an event of another kind, where events are told; says whether they are."""
        if self._events:
            print(json.dumps(document), file=sys.stderr, flush=True)
        return self._events

    @contextmanager
    def stage(self, name: str, total: int | None) -> Iterator[Callable[[int], None]]:
        """Begin a stage; stages may be nested, and of those that go on the latest is told."""
        stage = _Stage(name, total)
        self._stages.append(stage)
        try:
            yield lambda done: setattr(stage, "done", done)
        finally:
            self._stages.remove(stage)

    def _tell(self) -> None:
        while not self._over.wait(self._every):
            if stages := self._stages[-1:]:
                stage = stages[0]
                if not self.event(stage.event()):
                    print(stage.line(), file=sys.stderr, flush=True)
