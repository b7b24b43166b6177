"""Pictures of many requests go through the network together.

A network that takes pictures one by one is given all that are there as soon as a thread is free. One that takes batches
is given full ones at once; fewer pictures when nothing computes and none is on its way that could join them, so that a
single picture waits for nobody; and after `MOST_WAIT_S` in any case.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from headstart.arrays import Pixels
from headstart.deploy.model import Model, Prediction

MOST_WAIT_S = 0.1
"""Seconds for which pictures wait for others that are being decoded, to fill a batch of torch's: on two cores 16 are
decoded in about 40 ms."""
TOGETHER = 16
"""Pictures that one thread is given at most, of a network that takes no more in a batch. Chosen: handing over one costs
as much as handing over all."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Waiting:
    model: Model
    coverage: float | None
    pixels: Pixels
    since: float
    """By the clock of the event loop."""
    answer: asyncio.Future[Prediction] = field(repr=False)

    def is_as(self, other: _Waiting) -> bool:
        """Whether both can be computed together."""
        return self.model is other.model and self.coverage == other.coverage


class Batches:
    """Answers pictures that were decoded for a model. To be used from one event loop."""

    def __init__(self, observe: Callable[[int], None] = lambda size: None) -> None:
        self._waiting: deque[_Waiting] = deque()
        self._most = (os.cpu_count() or 1) + 1  # one more than compute at a time, so that the next is at hand
        self._threads = ThreadPoolExecutor(self._most, thread_name_prefix="network")
        self._computing = 0
        self._expected = 0
        self._later: asyncio.TimerHandle | None = None
        self._observe = observe
        """Told how many pictures each computation has."""

    @contextmanager
    def expecting(self) -> Iterator[None]:
        """A picture is on its way, which others may wait for."""
        self._expected += 1
        try:
            yield
        finally:
            self._expected -= 1
            if not self._expected:
                self._begin()

    async def answer(self, model: Model, pixels: Pixels, *, coverage: float | None = None) -> Prediction:
        """What ``model`` answers for the pixels (size, size, 3) of a picture."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Prediction] = loop.create_future()
        self._waiting.append(_Waiting(model=model, coverage=coverage, pixels=pixels, since=loop.time(), answer=answer))
        self._begin()
        return await answer

    def _begin(self) -> None:
        while self._waiting and self._computing < self._most:
            first = self._waiting[0]
            same = [one for one in self._waiting if one.is_as(first)]
            batch = first.model.space.runtime.batch
            together = same[: max(batch, TOGETHER)]
            if len(together) < batch and (self._computing or self._waits(first.since)):
                return
            taken = {id(one) for one in together}
            self._waiting = deque(one for one in self._waiting if id(one) not in taken)
            self._computing += 1
            self._observe(len(together))
            loop = asyncio.get_running_loop()
            work = partial(first.model.answers_of_pixels, [one.pixels for one in together], coverage=first.coverage)
            loop.run_in_executor(self._threads, work).add_done_callback(partial(self._end, together))

    def _waits(self, since: float) -> bool:
        """Whether pictures, of which the first is there ``since``, wait for others; then they are looked at again."""
        loop = asyncio.get_running_loop()
        until = since + MOST_WAIT_S
        if not self._expected or loop.time() >= until:
            return False
        if self._later is not None:
            self._later.cancel()
        self._later = loop.call_at(until, self._begin)
        return True

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
        if self._later is not None:
            self._later.cancel()
        self._threads.shutdown(wait=True)
