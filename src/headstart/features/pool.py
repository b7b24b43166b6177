"""The workers of a Ray cluster: started on every machine, and again where one ends, as machines come and go."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from headstart.errors import OptionError
from headstart.features.worker import Worker

CPUS_EACH = 4
"""Processors of a worker at most. Chosen: one process decodes for so many without waiting for its own lock, and what
one that ends takes with it stays little."""
STARTING_S = 300.0
"""Seconds within which one worker at least must be ready. Chosen: a machine that is being started takes minutes."""
LOOK_S = 5.0
"""Seconds after which machines are counted again, while nobody answers."""
MOST_FAILS = 3
"""Times that a worker may end in one place without any answer in between, before that place is given up."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a worker runs."""

    node: str
    host: str
    number: int
    """Among those of the machine."""
    cpus: int
    gpus: int


Answer = tuple[Any, Any, BaseException | None]
"""A task, what it gave, and why its worker has ended, if it has."""


@dataclass(eq=False)
class PooledWorker:
    """One worker, and what it is at."""

    place: Place
    actor: Any
    fails: int = 0
    """Times that a worker ended in its place since there was an answer."""
    opened: set[str] = field(default_factory=set)
    running: dict[Any, Any] = field(default_factory=dict)
    """What was asked for, by task."""

    def has_room(self, most: int, *, alone: bool) -> bool:
        """Whether one more part may be given to it, ``most`` at a time; with nothing beside it if ``alone``."""
        if any(part.alone for part in self.running.values()):
            return False
        return not self.running if alone else len(self.running) < most


class Pool:
    """The workers of one kind, which compute on processors or on GPUs."""

    def __init__(self, ray: Any, *, gpu: bool) -> None:
        self._ray, self._gpu = ray, gpu
        self._workers: dict[Place, PooledWorker] = {}
        self._given_up: dict[Place, str] = {}
        self._looked = self._answered = time.monotonic()
        self._look()

    def workers(self) -> list[PooledWorker]:
        """The workers there are. Raises OptionError where there can be none."""
        if time.monotonic() - self._looked > LOOK_S:
            self._look()
        if not self._workers:
            raise none_start("; ".join(dict.fromkeys(self._given_up.values())) or "none", gpu=self._gpu)
        return list(self._workers.values())

    def next_answers(self, workers: Sequence[PooledWorker]) -> Iterator[tuple[PooledWorker, Answer]]:
        """Wait for the next answers, each with its worker."""
        by_task = {task: worker for worker in workers for task in worker.running}
        if not by_task:
            return
        errors = self._ray.exceptions
        ready, _ = self._ray.wait([*by_task], num_returns=1, timeout=LOOK_S)
        if (
            not ready
            and not any(worker.opened for worker in workers)
            and time.monotonic() - self._answered > STARTING_S
        ):
            found = f"no worker was ready after {STARTING_S:g} s: other work may hold the processors"
            raise none_start(found, gpu=self._gpu)
        for task in ready:
            worker = by_task[task]
            if task not in worker.running:  # it has ended, which another of its tasks has said
                continue
            try:
                value = self._ray.get(task)
            except errors.RayTaskError:
                raise
            except errors.RayError as error:
                yield worker, (task, None, error)
            else:
                self._answered = time.monotonic()
                yield worker, (task, value, None)

    def lost(self, worker: PooledWorker, error: BaseException) -> bool:
        """A worker has ended: start another in its place; returns whether its whole machine is lost."""
        place, fails = worker.place, worker.fails + 1
        worker.running.clear()
        self._end(worker)
        del self._workers[place]
        gone = place.node not in {node["NodeID"] for node in self._alive()}
        if not gone and fails < MOST_FAILS:
            self._start(place, fails)
        elif not gone:
            self._given_up[place] = f"{place.host}: {last_line(error)}"
        self._look()
        return gone

    def close(self) -> None:
        """End all workers."""
        for worker in self._workers.values():
            self._end(worker)
        self._workers.clear()

    def _look(self) -> None:
        """Start workers in places that have none."""
        self._looked = time.monotonic()
        for node in self._alive():
            for place in places(node, gpu=self._gpu):
                if place not in self._workers and place not in self._given_up:
                    self._start(place)

    def _alive(self) -> list[dict[str, Any]]:
        return [node for node in self._ray.nodes() if node["Alive"]]

    def _start(self, place: Place, fails: int = 0) -> None:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        actor = self._ray.remote(Worker).options(
            num_cpus=place.cpus,
            num_gpus=place.gpus,
            max_concurrency=2,
            scheduling_strategy=NodeAffinitySchedulingStrategy(place.node, soft=False),
        )
        self._workers[place] = PooledWorker(place, actor.remote(place.cpus), fails)

    def _end(self, worker: PooledWorker) -> None:
        self._ray.kill(worker.actor)


def places(node: Mapping[str, Any], *, gpu: bool) -> list[Place]:
    """Of a machine as Ray describes it: one for each GPU, or one for every few processors."""
    cpus, gpus = (int(node["Resources"].get(kind, 0)) for kind in ("CPU", "GPU"))
    count = min(gpus, cpus) if gpu else -(-cpus // CPUS_EACH)
    id_, host = node["NodeID"], node["NodeManagerHostname"]
    return [Place(node=id_, host=host, number=i, cpus=cpus // count, gpus=int(gpu)) for i in range(count)]


def none_start(found: str, *, gpu: bool) -> OptionError:
    """Where nobody can compute: ``found`` says who does."""
    kind = "GPUs" if gpu else "processors"
    todo = f"look at `ray status`: it needs free {kind}, and headstart of the same version on every machine"
    return OptionError.of("engine", expected="workers that start", found=found, todo=todo)


def last_line(error: BaseException) -> str:
    """Of what an error says, where Ray puts what it means."""
    lines = [line.strip() for line in str(error).splitlines() if any(map(str.isalnum, line))]
    return (lines or [type(error).__name__])[-1]
