"""A real server on loopback: in a thread of the test, or as the process that a user starts."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from headstart.web.server import Server, configured, listening
from headstart.web.service import Service
from headstart.workflows.serve import LiveModel, ServeOptions


@contextmanager
def in_thread(run: Path, options: ServeOptions) -> Iterator[tuple[str, Service]]:
    """The address of a server of ``run``, and what answers there."""
    service = Service(LiveModel(run), options)
    server = Server(configured(service), service)
    with listening("127.0.0.1", 0) as opened:
        thread = threading.Thread(target=server.run, args=([opened],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{opened.getsockname()[1]}", service
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def as_process(run: Path, *words: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The address of ``headstart serve run`` at a free port, and its process, which is ended if it has not ended."""
    command = [sys.executable, "-m", "headstart", "serve", str(run), "--port", "0", *words]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ})
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
