"""Progress bars on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich import progress
from rich.console import Console
from rich.text import Text

SETTLED_S = 1.0
"""Seconds from which a rate says something. Chosen."""


class Rate(progress.ProgressColumn):
    """Items per second, or how long it has taken, where items are not counted."""

    def render(self, task: progress.Task) -> Text:
        """Blank until it can be known."""
        elapsed = task.elapsed or 0.0
        if task.total is None:
            return Text(f"{elapsed:.0f} s" if elapsed > SETTLED_S else "", style="progress.data.speed")
        known = elapsed > SETTLED_S and task.completed
        return Text(f"{task.completed / elapsed:.0f}/s" if known else "", style="progress.data.speed")


class Counted(progress.MofNCompleteColumn):
    """How many items of how many, where they are counted."""

    def render(self, task: progress.Task) -> Text:
        """Blank where they are not."""
        return Text("") if task.total is None else super().render(task)


class Left(progress.TimeRemainingColumn):
    """The time that is left, where items are counted."""

    def render(self, task: progress.Task) -> Text:
        """Blank where they are not."""
        return Text("") if task.total is None else super().render(task)


class ProgressBars(progress.Progress):
    """A :class:`headstart.progress.Progress` drawn with Rich on stderr; bars go away when they are done."""

    def __init__(self, console: Console | None = None) -> None:
        console = console or Console(stderr=True)
        super().__init__(
            progress.SpinnerColumn("line" if console.options.ascii_only else "dots"),
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            Counted(),
            Rate(),
            Left(),
            console=console,
            transient=True,
        )

    @contextmanager
    def paused(self) -> Iterator[None]:
        """The bars are taken down meanwhile, so that what is written stands on lines of its own."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    @contextmanager
    def stage(self, name: str, total: int | None) -> Iterator[Callable[[int], None]]:
        """Draw a bar; stages may be nested."""
        task = self.add_task(name, total=total)
        try:
            yield lambda done: self.update(task, completed=done)
        finally:
            self.remove_task(task)
