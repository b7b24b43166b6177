"""Work shared out among threads: Pillow and NumPy give the interpreter lock back while they compute."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from headstart.device import share

Item = TypeVar("Item")
Result = TypeVar("Result")


def cores() -> int:
    """How many this process may keep busy."""
    return share() or os.cpu_count() or 1


def in_order(work: Callable[[Item], Result], items: Iterable[Item], *, window: int | None = None) -> Generator[Result]:
    """Do ``work`` on each of ``items``, a thread per core, and give the results in the order of ``items``.

    At most ``window`` items, four per core unless given, are under way or wait to be used, so that memory is bounded.
    An error that ``work`` raises is raised here, in its turn; the threads end with the iterator.
    """
    window = window or 4 * cores()
    waiting: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(cores(), thread_name_prefix="headstart")
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) >= window:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
