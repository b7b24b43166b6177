"""Progress bars on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich import progress
from rich.console import Console
from rich.text import Text


class Rate(progress.ProgressColumn):
    """Items per second."""

    def render(self, task: progress.Task) -> Text:
        """Blank until it can be known."""
        return Text(f"{task.speed:.0f}/s" if task.speed else "", style="progress.data.speed")


class ProgressBars(progress.Progress):
    """A :class:`headstart.progress.Progress` drawn with Rich on stderr; bars go away when they are done."""

    def __init__(self, console: Console | None = None) -> None:
        console = console or Console(stderr=True)
        super().__init__(
            progress.SpinnerColumn("line" if console.options.ascii_only else "dots"),
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            Rate(),
            progress.TimeRemainingColumn(),
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
    def stage(self, name: str, total: int) -> Iterator[Callable[[int], None]]:
        """Draw a bar; stages may be nested."""
        task = self.add_task(name, total=total)
        try:
            yield lambda done: self.update(task, completed=done)
        finally:
            self.remove_task(task)
