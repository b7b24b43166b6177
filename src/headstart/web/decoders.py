"""Processes that decode pictures for the server, within limits of memory and time, and started again when they end."""

from __future__ import annotations

import asyncio
import multiprocessing
import pickle
from multiprocessing.process import BaseProcess
from socket import socketpair

import anyio
import numpy as np

from headstart.arrays import Pixels
from headstart.errors import UnreadableImageError
from headstart.images.transforms import Geometry
from headstart.web.decoder import ANSWERED, ASKED, PIXELS, decode_all

STARTING_S = 60.0
"""Seconds within which a decoder must have started. It takes one or less; a machine that swaps may take this long."""
_MOST_ANSWERED = 3 * 4096**2
"""Bytes: pixels of the largest side that a network may have, twice over. What says that it has more is not believed."""
_AT_ONCE = 1 << 20
"""Bytes of an answer that are received without a pause: the pixels of most networks."""
_ENDED = "ended the process that decoded it: save it in another format"
_SPAWN = multiprocessing.get_context("spawn")  # a fork would copy the threads' locks of a running server


class Decoder:
    """One process that decodes one picture at a time; started when it is first needed, and again when it has ended."""

    def __init__(self, *, memory: int, seconds: float) -> None:
        self._memory, self._seconds = memory, seconds
        self._process: BaseProcess | None = None
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

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
            raise UnreadableImageError(_ENDED if self._process else late) from None
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
        self._reader, self._writer = await asyncio.open_connection(sock=here, limit=_AT_ONCE)
        with anyio.fail_after(STARTING_S):
            await self._answer()

    async def _ask(self, data: bytes, geometry: Geometry) -> tuple[bytes, bytes]:
        pickled = pickle.dumps(geometry)
        self._writer.writelines([ASKED.pack(len(pickled), len(data)), pickled, data])
        await self._writer.drain()
        return await self._answer()

    async def _answer(self) -> tuple[bytes, bytes]:
        kind, size = ANSWERED.unpack(await self._reader.readexactly(ANSWERED.size))
        if size > _MOST_ANSWERED:
            raise EOFError
        return kind, await self._reader.readexactly(size)

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._writer.close()
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
