"""What runs in a process of its own: bytes become pixels there, and a hostile file can take nothing else down.

Its imports are few, because it is started again whenever a file brought it down. It answers with plain bytes: the
server reads nothing from it that could be more than pixels or text.
"""

from __future__ import annotations

import pickle
import signal
import struct
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from socket import socket

from headstart.errors import UnreadableImageError
from headstart.images.recognise import readable_formats
from headstart.images.transforms import Geometry, load

ASKED = struct.Struct("!II")
"""Before what is asked: bytes of the pickled geometry, and of the file; both follow."""
ANSWERED = struct.Struct("!cI")
"""Before an answer: what it is, and its bytes, which follow."""
READY, PIXELS, REASON = b"R", b"P", b"X"
"""What an answer is: the process has started; pixels (size, size, 3); why there are none, as text."""
_STATUS = Path("/proc/self/statm")


def decode_all(connection: socket, memory: int) -> None:
    """Answer each file and geometry that comes through ``connection``, until its other end is closed.

    ``memory``: bytes that this process may take beyond what it has when it has started, where the system limits them.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all processes of a terminal; the server ends this one
    readable_formats()
    _limit(memory)
    with suppress(OSError), connection, connection.makefile("rb") as asked:  # OSError: the server has gone
        connection.sendall(ANSWERED.pack(READY, 0))
        while head := asked.read(ASKED.size):
            geometry, data = (asked.read(size) for size in ASKED.unpack(head))
            kind, content = _decoded(data, _unpickled(geometry))
            connection.sendall(ANSWERED.pack(kind, len(content)) + content)


@lru_cache(2)
def _unpickled(geometry: bytes) -> Geometry:
    read: Geometry = pickle.loads(geometry)
    return read


def _decoded(data: bytes, geometry: Geometry) -> tuple[bytes, bytes]:
    try:
        return PIXELS, load(data, geometry).tobytes()
    except UnreadableImageError as error:
        return REASON, error.reason.encode()
    except MemoryError:
        return REASON, b"no memory left to read it: make it smaller"


def _limit(memory: int) -> None:
    """Take no more than ``memory`` bytes of address space from now on; on Linux alone, others do not enforce it."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        now = int(_STATUS.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + memory, now + memory))
