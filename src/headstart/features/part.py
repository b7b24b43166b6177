"""Some images that are sent to a worker together, and what is tried next where it ends over them."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class Part:
    """Images that are sent together: positions ``start`` to ``stop`` among the misses."""

    start: int
    stop: int
    alone: bool = False
    """Whether nothing else may be under way beside it: a worker ended that had it."""
    ends: int = 0
    """Workers that ended while this single image was all they had."""

    def after_an_end(self) -> list[Part]:
        """What is tried next after a worker ended over it; nothing if this image is at fault."""
        if not self.alone:
            return [replace(self, alone=True)]
        if self.stop - self.start > 1:
            return [Part(start=i, stop=i + 1, alone=True) for i in range(self.start, self.stop)]
        return [] if self.ends else [replace(self, ends=1)]
