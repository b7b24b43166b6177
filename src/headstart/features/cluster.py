"""Rows computed by workers on many machines, or by those of this one, through Ray.

Paths and a spec of the network go out; rows, or the reason why there are none, come back, and are handed on in order,
so that one process writes the store as if it had computed them itself. A worker is a process that keeps the compiled
network; there is one for every few processors of a machine, or for each GPU. No pixel leaves the machine that read it.

A machine or process that is lost costs what it was at, which others do again. A file over which a process ends is
found by asking for it alone, and is left out with that reason.
"""

from __future__ import annotations

import os
import pickle
import socket
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headstart.backbones.space import Space, opened
from headstart.errors import DiskError, HeadstartError, MissingPackageError, OptionError, UserInputError
from headstart.features.calls import as_they_come
from headstart.features.extract import NO_SUCH_FILE, VANISHED, Found, Misses, here
from headstart.features.part import Part
from headstart.features.pool import Answer, Pool, PooledWorker, last_line, places
from headstart.features.spread import AmongWorkers, Spread
from headstart.files import display
from headstart.images.transforms import View

INSTALL = 'pip install "headstart[ray]"'
TOGETHER = 64
"""Images that are sent to a worker at a time: some batches, so that little is done again where a worker is lost."""
AT_ONCE = 2
"""Such parts that a worker has at a time: it decodes the next while the network is at the last."""
AHEAD = 8
"""Parts for each worker, by which the last that is handed out may be ahead of the first that is not done."""
STORE_BYTES = 256 * 1024**2
"""Of shared memory for answers on their way, where Ray is started for one command."""
ENDED = "ended the process that decoded it, each time: save it in another format"
"""The reason for a file over which workers end."""


@contextmanager
def connected(address: str | None) -> Iterator[Cluster | None]:
    """The `Engine` at ``address``, which is given back when the block is left; None for None.

    ``ray`` starts Ray on this machine for this process alone, unless ``RAY_ADDRESS`` names a cluster;
    ``ray://HOST:PORT`` is a cluster. No use is reported to anybody.

    Raises:
        OptionError: another address, or a cluster that does not answer.
        MissingPackageError: Ray is not installed.
    """
    if address is None:
        yield None
        return
    if address != "ray" and not address.startswith("ray://"):
        todo = "leave it out to compute in this process"
        raise OptionError.of("engine", expected="ray, or ray://HOST:PORT of a cluster", found=repr(address), todo=todo)
    ray = _imported()
    ours = not ray.is_initialized()
    if ours:
        _join(ray, os.environ.get("RAY_ADDRESS") or None if address == "ray" else address)
    try:
        cluster = Cluster(ray)
        try:
            yield cluster
        except BrokenPipeError:  # nobody reads what is printed any more
            raise
        except ConnectionError as error:  # Ray's, of a cluster that was joined from elsewhere
            expected, todo = "a cluster that answers until the end", "give the same command again: it goes on"
            raise OptionError.of("engine", expected=expected, found=last_line(error), todo=todo) from error
        finally:
            with suppress(ConnectionError):
                cluster.close()
    finally:
        if ours:
            ray.shutdown()


def _imported() -> Any:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # read where a cluster is started
    try:
        import ray
    except ImportError:
        raise MissingPackageError("ray", "--engine ray", INSTALL) from None
    return ray


def _join(ray: Any, address: str | None) -> None:
    """Join the cluster at ``address``; start one on this machine if None. Raises OptionError."""
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    if address is None:
        ray.init(
            address="local",
            num_cpus=os.cpu_count(),
            include_dashboard=False,
            object_store_memory=STORE_BYTES,
            **quiet,
        )
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the error says it
            ray.init(address=address, **quiet)
    except (OSError, RuntimeError, ValueError) as error:
        todo = (
            "start it with `ray start --head`, with the same versions of Python and Ray; where it has a token, "
            "put that into ~/.ray/auth_token here and set RAY_AUTH_MODE=token; docs/cluster.md says how"
        )
        found = last_line(error)
        raise OptionError.of("engine", expected=f"a Ray cluster at {address}", found=found, todo=todo) from error


class Cluster:
    """An `Engine`: workers stay, with the networks they have opened, until it is closed."""

    def __init__(self, ray: Any) -> None:
        self._ray = ray
        self._pools: dict[bool, Pool] = {}
        self._sent: dict[str, Any] = {}
        self.spread: Spread = AmongWorkers(ray, self._any_pool)
        """Who does the parts of other work on rows, see `spread`."""

    def __call__(self, misses: Misses) -> Iterator[Found | str]:
        """What workers find of the ``misses``, in order; one call at a time. What is no path is computed here."""
        if not all(isinstance(source, (str, Path)) for source in misses.sources):
            return here(misses)
        space = opened(misses.space)
        key, on_gpu = space.key(View.CENTRE, "last"), _on_gpu(space)
        if key not in self._sent:
            # as bytes: the server that Ray's client talks to is not to open it on the way
            self._sent[key] = self._ray.put(pickle.dumps(space.spec or space))
        if on_gpu not in self._pools:
            self.close()  # workers of the other kind hold the processors
            self._pools[on_gpu] = Pool(self._ray, gpu=on_gpu)
        paths = [Path(str(source)).absolute() for source in misses.sources]
        return _Job(self._pools[on_gpu], key, self._sent[key], space, misses, paths).answers()

    def enough(self, space: Space) -> int:
        """How many pictures keep all the workers at work that the machines of now have, for rows of ``space``."""
        alive = [node for node in self._ray.nodes() if node["Alive"]]
        return AHEAD * TOGETHER * sum(len(places(node, gpu=_on_gpu(space))) for node in alive)

    def each(
        self, call: Callable[[Any], Any], items: Sequence[Any], *, cpus: int, gpu: bool
    ) -> Iterator[tuple[int, Any]]:
        """What ``call`` gives for each of the ``items``, see `calls.as_they_come`."""
        self.close()  # workers hold the processors
        return as_they_come(self._ray, call, items, cpus=cpus, gpu=gpu)

    def _any_pool(self) -> Pool:
        """The workers there are, of either kind; those that compute on processors are started where there are none."""
        if not self._pools:
            self._pools[False] = Pool(self._ray, gpu=False)
        return next(iter(self._pools.values()))

    def close(self) -> None:
        """End the workers."""
        for pool in self._pools.values():
            pool.close()
        self._pools.clear()


def _on_gpu(space: Space) -> bool:
    return "cuda" in space.runtime.name.split()


@dataclass
class _Job:
    """The misses of one call, on their way."""

    pool: Pool
    key: str
    sent: Any
    space: Space
    misses: Misses
    paths: Sequence[Path]
    """(n,) of the sources of ``misses``."""
    found: dict[int, Found | str] = field(default_factory=dict)
    """What came back, and was not handed on yet."""

    def answers(self) -> Iterator[Found | str]:
        n, done = len(self.paths), 0
        todo = deque(Part(start=i, stop=min(i + TOGETHER, n)) for i in range(0, n, TOGETHER))
        workers: list[PooledWorker] = []
        try:
            while done < n:
                workers = self.pool.workers()
                self._hand_out(workers, todo, done)
                for worker, answer in self.pool.next_answers(workers):
                    todo.extendleft(reversed(self._received(worker, answer)))
                while done in self.found:
                    yield self.found.pop(done)
                    done += 1
        finally:
            for worker in workers:  # of a job that was given up nobody asks for the answers
                worker.running.clear()

    def _hand_out(self, workers: list[PooledWorker], todo: deque[Part], done: int) -> None:
        """Open the space on workers that have not, and give parts to those that have room."""
        last = done + AHEAD * TOGETHER * max(len(workers), 1)
        for worker in workers:
            if self.key not in worker.opened:
                if not worker.running:
                    task = worker.actor.open.remote(self.key, self.sent, self.space.runtime.name)
                    worker.running[task] = self.key
                continue
            while todo and todo[0].start < last and worker.has_room(AT_ONCE, alone=todo[0].alone):
                part = todo.popleft()
                digests = self.misses.digests and self.misses.digests[part.start : part.stop]
                paths = self.paths[part.start : part.stop]
                asked = paths, digests, self.misses.views, self.misses.notes
                worker.running[worker.actor.compute.remote(self.key, *asked)] = part

    def _received(self, worker: PooledWorker, answer: Answer) -> list[Part]:
        """Take in an answer of a worker; returns the parts that are to be done again."""
        task, value, ended = answer
        if ended is not None:
            lost = [part for part in worker.running.values() if isinstance(part, Part)]
            again = self.pool.lost(worker, ended)
            return [part for each in lost for part in ([each] if again else self._after_an_end(each))]
        given = worker.running.pop(task)
        worker.fails = 0
        if isinstance(value, HeadstartError):
            raise self._named(value, worker, given)
        if given == self.key:
            worker.opened.add(self.key)
            return []
        for i, each in zip(range(given.start, given.stop), value, strict=True):
            self._require_shared(i, each, worker)
            self.found[i] = each
        return []

    def _after_an_end(self, part: Part) -> list[Part]:
        if not (again := part.after_an_end()):
            self.found[part.start] = ENDED
        return again

    def _require_shared(self, i: int, found: Found | str, worker: PooledWorker) -> None:
        """Raise DiskError for a file that is here and not where the worker runs."""
        if isinstance(found, str) and found in (NO_SUCH_FILE, VANISHED) and os.path.lexists(self.paths[i]):
            raise not_shared(self.paths[i], worker.place.host)

    def _named(self, error: HeadstartError, worker: PooledWorker, given: Any) -> HeadstartError:
        """The error with the machine it came from."""
        if isinstance(error, DiskError) and isinstance(given, Part):
            for path in self.paths[given.start : given.stop]:
                if display(path.parent) in str(error) and path.exists():
                    return not_shared(path, worker.place.host)
        if isinstance(error, UserInputError):
            return type(error)(f"{error.what}, on {worker.place.host}", error.problems)
        return error


def not_shared(path: Path, there: str, *, here: str | None = None) -> DiskError:
    """Of a picture that is on the machine ``here``, this one if not given, and not on the machine ``there``."""
    return DiskError.of(
        "pictures that a worker cannot read",
        expected="pictures on storage that all machines share, at the same path",
        found=f"{display(path)} is here on {here or socket.gethostname()}, and not on {there}",
        todo="mount the storage there too, or leave out --engine",
    )
