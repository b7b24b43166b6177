"""Work on one matrix that falls into parts, shared out among threads, or among the workers of a Ray cluster.

Whoever does a part, it comes out the same, byte for byte: a worker whose sums are others than those of this process is
given none, and a part that is lost with its worker is done here.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from threading import Lock
from typing import Any, Protocol, TypeVar

from headstart.arrays import Rows
from headstart.device import sums
from headstart.errors import OptionError
from headstart.features.pool import STARTING_S, Pool, PooledWorker
from headstart.images.threads import in_order

Item = TypeVar("Item")
Result = TypeVar("Result")
SHARE = 4
"""Part of the memory for objects of the smallest machine that a matrix may take. Chosen: several may be in use."""
OTHERS_S = 2.0
"""Seconds in which workers must answer that are to be of use at once; later ones are from the next call on."""
AT_ONCE = 2
"""Parts that a worker does at a time, which has as many processors; each takes one."""


class Spread(Protocol):
    """Who does the parts."""

    def __call__(self, work: Callable[[Item, Rows], Result], items: Sequence[Item], X: Rows) -> Iterable[Result]:
        """What ``work`` gives for each of the ``items`` and ``X``, in order. ``X`` is not to be changed."""
        ...


def in_threads(work: Callable[[Item, Rows], Result], items: Sequence[Item], X: Rows) -> Iterable[Result]:
    """The parts are done by threads of this process: the `Spread` of one machine."""
    return in_order(partial(_with, work, X), items)


def _with(work: Callable[[Item, Rows], Result], X: Rows, item: Item) -> Result:
    return work(item, X)


class AmongWorkers:
    """The `Spread` of a Ray cluster; threads may call it at the same time.

    A matrix is sent once, and stays with the machines as long as it is in use here. One that is too large for them is
    not sent, and where no worker comes all is done here.

    Args:
        ray: that is connected.
        pool: gives the workers; called anew each time, for they may have been replaced.
    """

    def __init__(self, ray: Any, pool: Callable[[], Pool]) -> None:
        self._ray, self._pool = ray, pool
        self._lock = Lock()
        self._sent: dict[int, tuple[Any, Any]] = {}  # by id of a matrix, as long as there is the matrix
        self._proofs: dict[PooledWorker, Any] = {}  # what a worker's sums are, or the task that will say so
        self._turns = itertools.count()
        self._none_came = False

    def __call__(self, work: Callable[[Item, Rows], Result], items: Sequence[Item], X: Rows) -> Iterable[Result]:
        """See `Spread`."""
        with self._lock:
            workers = self._alike() if X.nbytes <= self._room() and not self._none_came else []
            if not workers:
                return in_threads(work, items, X)
            sent = self._send(X)
            slots = [worker for slot in range(AT_ONCE) for worker in workers if slot < max(worker.place.cpus, 1)]
            chosen = [slots[next(self._turns) % len(slots)] for _ in items]
        tasks = [worker.actor.work.remote(work, item, sent) for worker, item in zip(chosen, items, strict=True)]
        return self._results(work, items, X, chosen, tasks)

    def _results(
        self,
        work: Callable[[Item, Rows], Result],
        items: Sequence[Item],
        X: Rows,
        chosen: Sequence[PooledWorker],
        tasks: Sequence[Any],
    ) -> Iterator[Result]:
        for item, worker, task in zip(items, chosen, tasks, strict=True):
            try:
                result: Result = self._ray.get(task)
            except self._ray.exceptions.RayTaskError:
                raise
            except self._ray.exceptions.RayError as error:
                with self._lock:
                    if self._proofs.pop(worker, None) is not None:
                        self._pool().lost(worker, error)
                result = work(item, X)
            yield result

    def _room(self) -> int:
        alive = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        return int(min((has.get("object_store_memory", 0) for has in alive), default=0)) // SHARE

    def _send(self, X: Rows) -> Any:
        """The matrix as the cluster knows it."""
        key = id(X)
        if key not in self._sent:
            self._sent[key] = weakref.ref(X, lambda gone: self._sent.pop(key, None)), self._ray.put(X)
        return self._sent[key][1]

    def _alike(self) -> list[PooledWorker]:
        """The workers that have started and whose sums are those of this process; waited for at first."""
        try:
            workers = self._pool().workers()
        except OptionError:  # there is no machine to start one on
            workers = []
        known = {worker: self._proofs[worker] for worker in workers if worker in self._proofs}
        new = {worker: worker.actor.sums.remote() for worker in workers if worker not in known}
        self._proofs = known | new
        asked = {proof: worker for worker, proof in self._proofs.items() if not isinstance(proof, str)}
        if not known:
            self._none_came = not asked or not self._ray.wait([*asked], num_returns=1, timeout=STARTING_S)[0]
        if asked:
            for proof in self._ray.wait([*asked], num_returns=len(asked), timeout=OTHERS_S if new else 0)[0]:
                self._proofs[asked[proof]] = self._said(proof)
        return [worker for worker, said in self._proofs.items() if isinstance(said, str) and said == sums()]

    def _said(self, proof: Any) -> str:
        try:
            return str(self._ray.get(proof))
        except self._ray.exceptions.RayError:  # it has ended, which whoever asks it for rows finds out
            return ""
