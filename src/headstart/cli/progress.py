"""Progress bars on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text


class Rate(ProgressColumn):
    """Items per second."""

    def render(self, task: Task) -> Text:
        """Blank until it can be known."""
        return Text(f"{task.speed:.0f}/s" if task.speed else "", style="progress.data.speed")


class ProgressBars:
    """A :class:`headstart.progress.Progress` drawn with Rich on stderr; bars go away when they are done."""

    def __init__(self, console: Console | None = None) -> None:
        text = TextColumn("{task.description}")
        columns = (SpinnerColumn(), text, BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn())
        self._live = Progress(*columns, console=console or Console(stderr=True), transient=True)

    def __enter__(self) -> ProgressBars:
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._live.stop()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """The bars are taken down meanwhile, so that what is written stands on lines of its own."""
        self._live.stop()
        try:
            yield
        finally:
            self._live.start()

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Callable[[int], None]]:
        """Draw one bar; stages may be nested."""
        task = self._live.add_task(name, total=total)
        try:
            yield lambda done: self._live.update(task, completed=done)
        finally:
            self._live.remove_task(task)
