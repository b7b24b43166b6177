"""How far a stage is, told to whoever shows it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol


class Progress(Protocol):
    """Shows how far a stage is. ``stage`` gives a context in which the number of finished items is called in."""

    def stage(self, name: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        """Begin a stage of ``total`` items."""
        ...


class Silent:
    """A Progress that shows nothing."""

    def stage(self, name: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        """Begin a stage of ``total`` items."""
        return nullcontext(lambda done: None)
