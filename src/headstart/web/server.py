"""A server that listens until it is told to stop, and then loses nothing that it has taken on."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import uvicorn
from threadpoolctl import threadpool_limits

from headstart.device import keep
from headstart.errors import OptionError
from headstart.web.app import application
from headstart.web.protocol import Protocol
from headstart.web.service import Service
from headstart.workflows.serve import LiveModel, ServeOptions

KEEP_ALIVE_S = 75
"""Seconds that an idle connection is kept: longer than balancers keep theirs (60 in nginx and in cloud balancers), so
that it is never this end that closes one while a request is on its way."""
MOST_CONNECTIONS = 1000
"""At a time; more are told that the server is busy. Chosen: below the usual limit of 1024 open files."""
LINGER_S = 1.0
"""Seconds for requests on connections that were accepted last to arrive."""


class Server(uvicorn.Server):
    """Stops in three steps: it says so and still answers, it takes no new connections, it ends when all are through."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop, and end without an error: a signal is how a server is stopped. The second one ends it at once."""
        self.force_exit = self.should_exit
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop."""
        self._service.stopping = True  # from now on each answer closes its connection
        await self._wait(self._service.options.drain_seconds, while_=lambda: True)
        for listening in self.servers:
            listening.close()
        await self._wait(LINGER_S, while_=lambda: bool(self.server_state.connections))
        await super().shutdown(sockets)

    async def _wait(self, seconds: float, *, while_: Callable[[], bool]) -> None:
        end = asyncio.get_running_loop().time() + seconds
        while while_() and asyncio.get_running_loop().time() < end and not self.force_exit:
            await asyncio.sleep(0.05)


def listening(host: str, port: int) -> socket.socket:
    """A socket at this address. Raises OptionError where there can be none."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        expected, found = "an address of this machine and a free port", f"{host}:{port}: {error.strerror or error}"
        todo = "give another --port, or end what listens there"
        raise OptionError.of("--host and --port", expected=expected, found=found, todo=todo) from error


def configured(service: Service) -> uvicorn.Config:
    """How uvicorn runs the application."""
    return uvicorn.Config(
        application(service),
        http=Protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        limit_concurrency=MOST_CONNECTIONS,
    )


def serve(run: Path, options: ServeOptions, *, tell: Callable[[str], None] = lambda address: None) -> None:
    """Serve the model of ``run`` until SIGTERM or SIGINT; ``tell`` is told the address when all is ready.

    Raises:
        ModelError: as `Model.load`.
        OptionError: nothing can listen there.
    """
    with listening(options.host, options.port) as opened:
        service = Service(LiveModel(run), options)
        host, port = opened.getsockname()[:2]
        tell(f"http://{f'[{host}]' if ':' in host else host}:{port}")
        keep()  # what is there now stays: the collector would look through all of it again and again
        with threadpool_limits(1, "blas"):  # its own threads would spin on the processors that the network computes on
            Server(configured(service), service).run([opened])
