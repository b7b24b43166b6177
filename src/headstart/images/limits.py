"""How large a picture may be, and how much memory all threads that decode may hold together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

from headstart.errors import UnreadableImageError

MAX_SIDE = 65_535
"""Longest side of a picture that is decoded, in pixels: the longest that a JPEG can have."""
MAX_PIXELS = 178_956_970
"""Largest picture that is decoded, in pixels, as in Pillow: beyond it a small file may be a bomb."""
MAX_BYTES = 512 << 20
"""Largest file that is read, in bytes: MAX_PIXELS without compression, at three bytes a pixel."""
MAX_MEMORY = 800_000_000
"""Bytes that decoding may take, of one picture or of all that threads decode at a time. With the two or three times as
much that a network takes while it is trained, a machine of 4 GB is enough."""


class Budget:
    """A number of bytes that threads may hold at a time, all together."""

    def __init__(self, limit: int) -> None:
        self._free = limit
        self._changed = Condition()

    @contextmanager
    def share(self, amount: int) -> Iterator[None]:
        """Hold ``amount`` bytes, no more than the limit, until the block is left; waits until they are free.

        A thread that holds a share must not ask for another of the same budget.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._free >= amount)
            self._free -= amount
        try:
            yield
        finally:
            with self._changed:
                self._free += amount
                self._changed.notify_all()


FILES = Budget(MAX_BYTES)
"""Of files that are in memory. Whoever holds a share of it may ask for one of `PIXELS`, never the other way round."""
PIXELS = Budget(MAX_MEMORY)
"""Of pictures that are decoded."""


def check_file(size: int) -> None:
    """Raise UnreadableImageError for a file of more than `MAX_BYTES`."""
    if size > MAX_BYTES:
        found, most = (f"{bytes_ / 1e9:.2f} GB" for bytes_ in (size, MAX_BYTES))
        raise UnreadableImageError(f"too large: a file of {found}; at most {most}: save it smaller")


def check_size(width: int, height: int) -> None:
    """Raise UnreadableImageError for a picture of too many pixels, or too long a side."""
    if width * height > MAX_PIXELS:
        raise UnreadableImageError(f"too large: {width}×{height} pixels; at most {MAX_PIXELS}: make it smaller")
    if max(width, height) > MAX_SIDE:
        raise UnreadableImageError(f"too large: {width}×{height} pixels; at most {MAX_SIDE} a side: make it smaller")


def check_memory(width: int, height: int, amount: int) -> None:
    """Raise UnreadableImageError for a picture that takes ``amount`` bytes to decode, more than `MAX_MEMORY`."""
    if amount > MAX_MEMORY:
        found, most = (f"{bytes_ / 1e9:.1f} GB" for bytes_ in (amount, MAX_MEMORY))
        size = f"{width}×{height} pixels"
        raise UnreadableImageError(f"too large: {size} take {found} to decode; at most {most}: make it smaller")
