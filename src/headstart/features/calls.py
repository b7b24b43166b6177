"""Calls of one function that depend on nothing of each other, carried out by the machines of a Ray cluster.

What is lost with a process or a machine is done again by others, which Ray sees to.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from headstart.features.pool import last_line, none_start

AGAIN = 2
"""Times that a call is made again whose process or machine was lost. Chosen: what ends its process each time is at
fault itself."""


@dataclass(frozen=True)
class Ended:
    """In place of an answer: why the process of a call ended, each time."""

    reason: str


def as_they_come(
    ray: Any, call: Callable[[Any], Any], items: Sequence[Any], *, cpus: int, gpu: bool
) -> Iterator[tuple[int, Any]]:
    """What ``call`` gives for each of the ``items``, or `Ended`, as they come, each with the item's position.

    Args:
        ray: that is connected.
        call: of a module that all machines have; what it raises ends the run.
        items: what they hold in common is sent once to each machine.
        cpus: processors of a call; all of a machine that has fewer.
        gpu: whether each needs a GPU.

    Raises:
        OptionError: no machine has what a call needs.
    """
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    most = max((int(has.get("CPU", 0)) for has in machines if has.get("GPU", 0) >= gpu), default=0)
    if not most:
        raise none_start("none", gpu=gpu)
    task = ray.remote(_called).options(num_cpus=min(cpus, most), num_gpus=int(gpu), max_retries=AGAIN)
    sent = ray.put(pickle.dumps(items))  # as bytes: nothing on the way is to open it
    running = {task.remote(call, sent, i): i for i in range(len(items))}
    try:
        while running:
            (done, *_), _ = ray.wait([*running], num_returns=1)
            i = running.pop(done)
            try:
                yield i, ray.get(done)
            except ray.exceptions.RayTaskError:
                raise
            except ray.exceptions.RayError as error:
                yield i, Ended(last_line(error))
    finally:
        for unfinished in running:
            ray.cancel(unfinished, force=True)


def _called(call: Callable[[Any], Any], pickled: bytes, i: int) -> Any:
    return call(pickle.loads(pickled)[i])
