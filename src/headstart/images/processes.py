"""Work shared out among processes, where there are so many cores that threads would wait for the interpreter's lock.

What Python itself does for a picture holds that lock, which one thread has at a time. Two threads hardly notice.
Measured with 16 cores, decoding photographs and taking their notes: 284 a second in threads, 2,750 in processes.
"""

from __future__ import annotations

import os
import pickle
import signal
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from queue import SimpleQueue
from typing import IO, Any, TypeVar

from headstart.images.threads import cores, in_order

Item = TypeVar("Item")
Result = TypeVar("Result")

CORES = 6
"""Cores from which processes are started. Chosen: on fewer, threads get along."""
ITEMS = 1_000
"""Items from which processes are started: they take a second to start."""
TOGETHER = 8
"""Items that a process is asked for at a time."""
ENDED = "ended the process that decoded it: save it in another format"
"""Reason for a file that takes a decoder down."""

_HEAD = struct.Struct("!QI")  # bytes of what is pickled, and how many arrays follow, each after its `_SIZE`
_SIZE = struct.Struct("!Q")
_START = f"import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); import {__name__}; {__name__}.answer()"
_ALONE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def shared_out(
    work: Callable[[Item], Result], items: Sequence[Item], *, lost: Callable[[Item], Result], window: int | None = None
) -> Iterator[Result]:
    """As `headstart.images.threads.in_order`, in processes where there are `CORES` and `ITEMS`.

    There ``work``, the items and the results are pickled, ``window`` is at least twice what all processes are at, and
    an item over which a process ends twice, such as a file that brings a decoder down, has the result ``lost`` gives.
    Where no process can be started, as in a program that was packed into one file, threads do it. Each process has the
    limits of memory of `headstart.images.limits` to itself.
    """
    count = cores()
    first = _Process(work) if count >= CORES and len(items) >= ITEMS else None
    if first is None or not first.starts():
        yield from in_order(work, items, window=window)
        return
    processes: SimpleQueue[_Process] = SimpleQueue()
    for process in (first, *(_Process(work) for _ in range(count - 1))):
        processes.put(process)

    def answered(some: Sequence[Item]) -> list[Result]:
        process = processes.get()
        try:
            return process.ask(some)
        except _EndedError:
            return [process.ask_again(item, lost) for item in some]
        finally:
            processes.put(process)

    parts = [items[at : at + TOGETHER] for at in range(0, len(items), TOGETHER)]
    try:
        with closing(in_order(answered, parts, window=max((window or 0) // TOGETHER, 2 * count))) as done:
            for results in done:
                yield from results
    finally:
        for _ in range(count):
            processes.get().close()


def answer() -> None:
    """Do the work that comes through the standard input on the items that follow, until there are no more.

    This is what a process of its own runs.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all processes of a terminal; the first ends the rest
    asked, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    work = pickle.load(asked)
    with suppress(EOFError, BrokenPipeError):
        _write(answers, None)
        while True:
            items = pickle.load(asked)
            try:
                _write(answers, [work(item) for item in items])
            except Exception as error:  # which is the other side's to handle
                _write(answers, _Raised(error))


class _EndedError(Exception):
    """The process has ended without an answer."""


class _Raised:
    """An exception on its way between processes."""

    def __init__(self, error: Exception) -> None:
        self.error = error


class _Process:
    """A process that does ``work``; started when it is first asked, and again after it has ended."""

    def __init__(self, work: Callable[[Any], Any]) -> None:
        self._work = work
        self._running: subprocess.Popen[bytes] | None = None

    def starts(self) -> bool:
        """Start it; whether it can do the work."""
        try:
            self._running = self._started()
        except (EOFError, OSError):
            return False
        return True

    def ask(self, items: Sequence[Any]) -> list[Any]:
        """The results of the items. Raises what the work raises, and `_EndedError`."""
        try:
            running = self._running = self._running or self._started()
            assert running.stdin is not None
            assert running.stdout is not None
            pickle.dump(items, running.stdin, protocol=5)
            running.stdin.flush()
            results = _read(running.stdout)
        except (EOFError, OSError):
            self.close()
            raise _EndedError from None
        if isinstance(results, _Raised):
            raise results.error
        return list(results)

    def ask_again(self, item: Any, lost: Callable[[Any], Any]) -> Any:
        """The result of an item that was among those over which a process has ended."""
        try:
            return self.ask([item])[0]
        except _EndedError:
            return lost(item)

    def close(self) -> None:
        """End the process."""
        if self._running:
            _end(self._running)
            self._running = None

    def _started(self) -> subprocess.Popen[bytes]:
        pipe, environment = subprocess.PIPE, {**os.environ, **_ALONE}
        running = subprocess.Popen([sys.executable, "-c", _START], stdin=pipe, stdout=pipe, env=environment)
        assert running.stdin is not None
        assert running.stdout is not None
        try:
            pickle.dump(sys.path, running.stdin)
            pickle.dump(self._work, running.stdin)
            running.stdin.flush()
            _read(running.stdout)
        except (EOFError, OSError):
            _end(running)
            raise
        return running


def _end(running: subprocess.Popen[bytes]) -> None:
    running.kill()
    with suppress(OSError):  # what was not written any more
        running.communicate()


def _write(stream: IO[bytes], value: Any) -> None:
    """Pickle a value, its arrays behind it as they are in memory (PEP 574)."""
    arrays: list[pickle.PickleBuffer] = []
    pickled = pickle.dumps(value, protocol=5, buffer_callback=arrays.append)
    stream.write(_HEAD.pack(len(pickled), len(arrays)) + pickled)
    for array in arrays:
        with array.raw() as content:
            stream.write(_SIZE.pack(content.nbytes))
            stream.write(content)
    stream.flush()


def _read(stream: IO[bytes]) -> Any:
    """What `_write` wrote; the arrays stay where they are received."""
    size, count = _HEAD.unpack(_exactly(stream, _HEAD.size))
    pickled = _exactly(stream, size)
    return pickle.loads(
        pickled, buffers=[_exactly(stream, *_SIZE.unpack(_exactly(stream, _SIZE.size))) for _ in range(count)]
    )


def _exactly(stream: IO[bytes], size: int) -> bytearray:
    content = bytearray(size)
    if stream.readinto(content) != size:  # type: ignore[attr-defined]
        raise EOFError
    return content
