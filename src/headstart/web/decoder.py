"""What runs in a process of its own: bytes become pixels there, and a hostile file can take nothing else down.

Its imports are few, because it is started again whenever a file brought it down. It answers with plain bytes: the
server reads nothing from it that could be more than pixels or text.
"""

from __future__ import annotations

import signal
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

from headstart.errors import UnreadableImageError
from headstart.images.recognise import readable_formats
from headstart.images.transforms import Geometry, load

READY, PIXELS, REASON = b"R", b"P", b"X"
"""First byte of what a decoder sends: it has started; pixels (size, size, 3) follow; why there are none follows."""
_STATUS = Path("/proc/self/statm")


def decode_all(connection: Connection, memory: int) -> None:
    """Answer each ``(bytes, Geometry)`` that comes through ``connection``, until its other end is closed.

    ``memory``: bytes that this process may take beyond what it has when it has started, where the system limits them.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all processes of a terminal; the server ends this one
    readable_formats()
    _limit(memory)
    connection.send_bytes(READY)
    with suppress(EOFError, OSError):  # the server has gone
        while True:
            data, geometry = connection.recv()
            connection.send_bytes(_decoded(data, geometry))


def _decoded(data: bytes, geometry: Geometry) -> bytes:
    try:
        return PIXELS + load(data, geometry).tobytes()
    except UnreadableImageError as error:
        reason = error.reason
    except MemoryError:
        reason = "no memory left to read it: make it smaller"
    return REASON + reason.encode()


def _limit(memory: int) -> None:
    """Take no more than ``memory`` bytes of address space from now on; on Linux alone, others do not enforce it."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        now = int(_STATUS.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + memory, now + memory))
