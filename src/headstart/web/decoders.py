"""Processes that decode pictures for the server, within limits of memory and time, and started again when they end."""

from __future__ import annotations

import asyncio
import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from queue import SimpleQueue
from threading import Lock

import numpy as np

from headstart.arrays import Pixels
from headstart.errors import UnreadableImageError
from headstart.images.transforms import Geometry
from headstart.web.decoder import PIXELS, decode_all

STARTING_S = 60.0
"""Seconds within which a decoder must have started. It takes one or less; a machine that swaps may take this long."""
_SPAWN = multiprocessing.get_context("spawn")  # a fork would copy the threads' locks of a running server


class Decoder:
    """One process that decodes one picture at a time."""

    def __init__(self, *, memory: int, seconds: float) -> None:
        self._memory, self._seconds = memory, seconds
        self._process: BaseProcess
        self._connection: Connection
        self._start()

    def decode(self, data: bytes, geometry: Geometry) -> Pixels:
        """As `headstart.images.transforms.load` of one view: (size, size, 3). Blocks.

        Raises:
            UnreadableImageError: with the reason in plain words, among them that it took too long, or that the process
                ended over it.
        """
        if not self._process.is_alive():
            self._start()
        try:
            self._connection.send((data, geometry))
            if not self._connection.poll(self._seconds):
                self._start()
                raise UnreadableImageError(f"took longer than {self._seconds:g} s to decode: make it smaller")
            reply = self._connection.recv_bytes()
        except (EOFError, OSError):
            self._start()
            raise UnreadableImageError("ended the process that decoded it: save it in another format") from None
        if reply[:1] != PIXELS:
            raise UnreadableImageError(reply[1:].decode(errors="replace"))
        return np.frombuffer(reply, np.uint8, offset=1).reshape(geometry.size, geometry.size, 3)

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()
        self._connection.close()

    def _start(self) -> None:
        if hasattr(self, "_process"):
            self.close()
        self._connection, other = _SPAWN.Pipe()
        self._process = _SPAWN.Process(target=decode_all, args=(other, self._memory), daemon=True)
        self._process.start()
        other.close()
        with suppress(EOFError, OSError):  # it ended at once: the next picture finds it so
            if self._connection.poll(STARTING_S):
                self._connection.recv_bytes()


class Decoders:
    """Several decoders, for as many pictures at a time; further pictures wait."""

    def __init__(self, count: int, *, memory: int, seconds: float) -> None:
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="decoder")
        self._idle: SimpleQueue[Decoder] = SimpleQueue()
        self._all: list[Decoder] = []
        self._lock = Lock()
        for made in self._threads.map(lambda _: Decoder(memory=memory, seconds=seconds), range(count)):
            self._all.append(made)
            self._idle.put(made)

    async def decode(self, data: bytes, geometry: Geometry) -> Pixels:
        """As `Decoder.decode`, as soon as one is free."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._decode, data, geometry)

    def _decode(self, data: bytes, geometry: Geometry) -> Pixels:
        decoder = self._idle.get()
        try:
            return decoder.decode(data, geometry)
        finally:
            self._idle.put(decoder)

    def close(self) -> None:
        """End all of them; pictures that wait are given up."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for decoder in self._all:
            decoder.close()
