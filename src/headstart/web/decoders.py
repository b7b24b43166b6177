"""Processes that decode pictures for the server, within limits of memory and time, and started again when they end."""

from __future__ import annotations

import asyncio
import multiprocessing
import pickle
from functools import lru_cache
from multiprocessing.process import BaseProcess
from socket import socketpair
from typing import cast

import anyio
import numpy as np

from headstart.arrays import Pixels
from headstart.errors import UnreadableImageError
from headstart.images.processes import ENDED
from headstart.images.transforms import Geometry
from headstart.web.decoder import ANSWERED, ASKED, PIXELS, decode_all

STARTING_S = 60.0
"""Seconds within which a decoder must have started. It takes one or less; a machine that swaps may take this long."""
_MOST_ANSWERED = 3 * 4096**2
"""Bytes: pixels of the largest side that a network may have, twice over. What says that it has more is not believed."""
_SPAWN = multiprocessing.get_context("spawn")  # a fork would copy the threads' locks of a running server


@lru_cache(2)  # of the model in use, and of the one before while requests end with it
def _pickled(geometry: Geometry) -> bytes:
    return pickle.dumps(geometry)


class _Answers(asyncio.BufferedProtocol):
    """What a decoder answers, received where it stays: pixels are not copied on their way."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self._kind, self._content = b"", bytearray(ANSWERED.size)
        self._received = 0
        self._ready: asyncio.Queue[tuple[bytes, bytearray] | None] = asyncio.Queue()

    async def next(self) -> tuple[bytes, bytearray]:
        """The next answer: what it is, and its bytes. Raises EOFError where none will come."""
        if (answer := await self._ready.get()) is None:
            raise EOFError
        return answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop, as are the next three."""
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._ready.put_nowait(None)

    def get_buffer(self, sizehint: int) -> memoryview:
        return memoryview(self._content)[self._received :]

    def buffer_updated(self, count: int) -> None:
        self._received += count
        if self._received < len(self._content):
            return
        content = self._content
        if not self._kind:  # what was received is what comes before an answer
            self._kind, size = ANSWERED.unpack(content)
            content = bytearray()
            if size:
                self._content, self._received = bytearray(min(size, _MOST_ANSWERED)), 0
                if size > _MOST_ANSWERED:
                    self.transport.abort()
                return
        self._ready.put_nowait((self._kind, content))
        self._kind, self._content, self._received = b"", bytearray(ANSWERED.size), 0


class Decoder:
    """One process that decodes one picture at a time; started when it is first needed, and again when it has ended."""

    def __init__(self, *, memory: int, seconds: float) -> None:
        self._memory, self._seconds = memory, seconds
        self._process: BaseProcess | None = None
        self._answers: _Answers

    async def decode(self, data: bytes, geometry: Geometry) -> Pixels:
        """As `headstart.images.transforms.load` of one view: (size, size, 3).

        Raises:
            UnreadableImageError: with the reason in plain words, among them that it took too long, or that the process
                ended over it.
        """
        if self._process is None or not self._process.is_alive():
            await self.start()
        sound, deadline = False, asyncio.get_running_loop().call_later(self._seconds, self.close)
        try:
            kind, content = await self._ask(data, geometry)
            sound = True
        except (EOFError, OSError):
            late = f"took longer than {self._seconds:g} s to decode: make it smaller"
            raise UnreadableImageError(ENDED if self._process else late) from None
        finally:
            deadline.cancel()
            if not sound:
                self.close()
        if kind != PIXELS:
            raise UnreadableImageError(content.decode(errors="replace"))
        return np.frombuffer(content, np.uint8).reshape(geometry.size, geometry.size, 3)

    async def start(self) -> None:
        """Start the process, and wait until it is ready."""
        self.close()
        here, there = socketpair()
        self._process = _SPAWN.Process(target=decode_all, args=(there, self._memory), daemon=True)
        with there:
            await asyncio.to_thread(self._process.start)
        _, self._answers = await asyncio.get_running_loop().create_connection(_Answers, sock=here)
        with anyio.fail_after(STARTING_S):
            await self._answers.next()

    async def _ask(self, data: bytes, geometry: Geometry) -> tuple[bytes, bytearray]:
        pickled = _pickled(geometry)
        self._answers.transport.writelines([ASKED.pack(len(pickled), len(data)), pickled, data])
        return await self._answers.next()

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._answers.transport.close()
            self._process = None


class Decoders:
    """Several decoders, for as many pictures at a time; further pictures wait. To be used from one event loop."""

    def __init__(self, count: int, *, memory: int, seconds: float) -> None:
        self._all = [Decoder(memory=memory, seconds=seconds) for _ in range(count)]
        self._idle: asyncio.Queue[Decoder] = asyncio.Queue()

    async def start(self) -> None:
        """Start all of them."""
        await asyncio.gather(*(decoder.start() for decoder in self._all))
        for decoder in self._all:
            self._idle.put_nowait(decoder)

    async def decode(self, data: bytes, geometry: Geometry) -> Pixels:
        """As `Decoder.decode`, as soon as one is free."""
        decoder = await self._idle.get()
        try:
            return await decoder.decode(data, geometry)
        finally:
            self._idle.put_nowait(decoder)

    def close(self) -> None:
        """End all of them."""
        for decoder in self._all:
            decoder.close()
