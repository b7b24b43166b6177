"""HTTP on a connection, as uvicorn speaks it with httptools, with what that leaves open: limits for headers."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_HEADERS = 64 << 10
"""Bytes of a request before its body, as h11 and nginx allow at most; browsers send one to eight thousand."""
HEADERS_S = 20.0
"""Seconds within which the headers of the first request of a connection must be there; 60 in nginx."""


class Protocol(HttpToolsProtocol):
    """A connection that is closed where headers have no end in size or time."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._before_body = 0
        self._in_headers = True
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client is there."""
        super().connection_made(transport)
        self._timer = self.loop.call_later(HEADERS_S, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on."""
        if self._in_headers:
            self._before_body += len(data)
        super().data_received(data)
        if self._in_headers and self._before_body > MOST_HEADERS and not self.transport.is_closing():
            self.send_400_response("The headers are too long.")

    def on_headers_complete(self) -> None:
        """Its body follows."""
        self._in_headers = False
        self._stop_timer()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """It has arrived."""
        super().on_message_complete()
        self._before_body, self._in_headers = 0, True

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
