"""Pictures of many requests go through the network together.

What waits is taken as soon as nothing computes, however little it is, so that a single picture never waits for others.
While something computes, only full batches are begun beside it; the rest collects.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from headstart.arrays import Pixels
from headstart.deploy.model import Model, Prediction


@dataclass(frozen=True, kw_only=True, eq=False)
class _Waiting:
    model: Model
    coverage: float | None
    pixels: Pixels
    answer: asyncio.Future[Prediction] = field(repr=False)

    def is_as(self, other: _Waiting) -> bool:
        """Whether both can be computed together."""
        return self.model is other.model and self.coverage == other.coverage


class Batches:
    """Answers pictures that were decoded for a model. To be used from one event loop."""

    def __init__(self, observe: Callable[[int], None] = lambda size: None) -> None:
        self._waiting: deque[_Waiting] = deque()
        self._most = os.cpu_count() or 1
        self._threads = ThreadPoolExecutor(self._most, thread_name_prefix="network")
        self._computing = 0
        self._observe = observe
        """Told how many pictures each computation has."""

    async def answer(self, model: Model, pixels: Pixels, *, coverage: float | None = None) -> Prediction:
        """What ``model`` answers for the pixels (size, size, 3) of a picture."""
        answer: asyncio.Future[Prediction] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(model=model, coverage=coverage, pixels=pixels, answer=answer))
        self._begin()
        return await answer

    def _begin(self) -> None:
        while self._waiting and self._computing < self._most:
            first = self._waiting[0]
            same = [one for one in self._waiting if one.is_as(first)]
            together = same[: first.model.space.runtime.batch]
            if self._computing and len(together) < first.model.space.runtime.batch:
                return
            taken = {id(one) for one in together}
            self._waiting = deque(one for one in self._waiting if id(one) not in taken)
            self._computing += 1
            self._observe(len(together))
            loop = asyncio.get_running_loop()
            work = partial(first.model.answers_of_pixels, [one.pixels for one in together], coverage=first.coverage)
            loop.run_in_executor(self._threads, work).add_done_callback(partial(self._end, together))

    def _end(self, together: list[_Waiting], done: asyncio.Future[list[Prediction]]) -> None:
        self._computing -= 1
        error = done.exception()
        for i, one in enumerate(together):
            if one.answer.done():  # whoever asked has gone
                continue
            if error is None:
                one.answer.set_result(done.result()[i])
            else:
                one.answer.set_exception(error)
        self._begin()

    def close(self) -> None:
        """Compute no more."""
        self._threads.shutdown(wait=True)
