"""A real server on loopback: in a thread of the test, or as the process that a user starts."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from headstart.images.decode import encode
from headstart.web.server import Server, configured, listening
from headstart.web.service import Service
from headstart.workflows.serve import LiveModel, ServeOptions
from pictures import draw

TOKEN = "token-of-the-tests"


@dataclass(frozen=True, kw_only=True)
class Served:
    """A server that runs in this process."""

    address: str
    service: Service

    def ask(self, method: str, path: str, *, token: str | None = TOKEN, **what: Any) -> requests.Response:
        """The answer to a request that shows the token."""
        headers = {**what.pop("headers", {}), **({"Authorization": f"Bearer {token}"} if token else {})}
        return requests.request(method, self.address + path, headers=headers, timeout=60, **what)


@contextmanager
def in_thread(run: Path, options: ServeOptions) -> Iterator[Served]:
    """A server of ``run`` until the block is left."""
    service = Service(LiveModel(run), options)
    server = Server(configured(service), service)
    with listening("127.0.0.1", 0) as opened:
        thread = threading.Thread(target=server.run, args=([opened],))
        thread.start()
        try:
            yield Served(address=f"http://127.0.0.1:{opened.getsockname()[1]}", service=service)
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def as_process(run: Path, *words: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The address of ``headstart serve run`` at a free port, and its process, which is ended if it has not ended."""
    command = [sys.executable, "-m", "headstart", "serve", str(run), "--port", "0", *words]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        said = process.stderr.readline()
        found = re.match(r"listening on (\S+);", said)
        assert found, said + process.stderr.read()
        yield found[1], process
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def drawn(seed: int, format: str = "JPEG", *, side: int = 300) -> bytes:
    """A picture of rings as a file."""
    return encode(draw("rings", 700 + seed, side=side), format=format)
