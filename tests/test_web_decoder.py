from __future__ import annotations

import pickle
import subprocess
import sys
from multiprocessing import get_context
from socket import socket, socketpair

import numpy as np
import pytest

from headstart.images.decode import encode
from headstart.images.transforms import Geometry, load
from headstart.web.decoder import ANSWERED, ASKED, PIXELS, READY, REASON, decode_all
from pictures import draw

GEOMETRY = Geometry(size=64)


def asked(connection: socket, data: bytes) -> tuple[bytes, bytes]:
    """What a decoder answers."""
    geometry = pickle.dumps(GEOMETRY)
    connection.sendall(ASKED.pack(len(geometry), len(data)) + geometry + data)
    with connection.makefile("rb") as stream:
        kind, size = ANSWERED.unpack(stream.read(ANSWERED.size))
        return kind, stream.read(size)


def test_a_process_answers_pixels_or_a_reason_within_its_memory_and_ends_with_the_server() -> None:
    here, there = socketpair()
    process = get_context("spawn").Process(target=decode_all, args=(there, 60 << 20))
    process.start()
    there.close()
    with here:
        assert ANSWERED.unpack(here.recv(ANSWERED.size)) == (READY, 0)
        picture = encode(draw("rings", 1, side=300), format="JPEG")
        assert asked(here, picture) == (PIXELS, load(picture, GEOMETRY).tobytes())
        kind, reason = asked(here, picture[:500])
        assert kind == REASON
        assert reason.startswith(b"truncated or damaged: ")
        if sys.platform == "linux":
            large = encode(np.zeros((5000, 5000, 3), np.uint8), format="PNG")
            assert asked(here, large) == (REASON, "no memory left for 5000×5000 pixels: make it smaller".encode())
        assert asked(here, picture)[0] == PIXELS
    process.join(20)
    assert process.exitcode == 0


def test_it_imports_little() -> None:
    code = "import sys, headstart.web.decoder; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "openvino", "scipy", "sklearn", "fastapi", "uvicorn", "asyncio"} & {*loaded}


@pytest.mark.parametrize("kind", [PIXELS, REASON, READY])
def test_an_answer_begins_with_what_it_is(kind: bytes) -> None:
    assert ANSWERED.unpack(ANSWERED.pack(kind, 7)) == (kind, 7)
