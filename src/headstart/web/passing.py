"""What happens to every request on its way in and out: it is counted, and told when to leave."""

from __future__ import annotations

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from headstart.web.service import Service


class Passing:
    """Counts requests by route and status; once the server stops, asks every client to connect anew, elsewhere."""

    def __init__(self, app: ASGIApp, *, service: Service) -> None:
        self._app, self._service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status = time.perf_counter(), 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if self._service.stopping:
                    message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            path = getattr(
                scope.get("route"), "path", "other"
            )  # of the route, lest names that clients make up are kept
            self._service.metrics.requests.labels(path, status).inc()
            self._service.metrics.seconds.labels(path).observe(time.perf_counter() - begun)
