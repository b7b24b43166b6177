from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn

from headstart.web import protocol


async def nothing(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@contextmanager
def server() -> Iterator[socket.socket]:
    """A connection to a server that answers nothing, with headers limited as in ours."""
    config = uvicorn.Config(nothing, http=protocol.Protocol, ws="none", lifespan="off", log_config=None)
    running = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as opened:
        thread = threading.Thread(target=running.run, args=([opened],))
        thread.start()
        try:
            with socket.create_connection(opened.getsockname(), timeout=20) as client:
                yield client
        finally:
            running.should_exit = True
            thread.join()


def received(client: socket.socket) -> bytes:
    """All that comes until the other end closes."""
    with client.makefile("rb") as stream:
        return stream.read()


@pytest.mark.parametrize("line", [b"X: a\r\n", b"X: " + b"a" * 1000])
def test_headers_without_an_end_are_refused(line: bytes) -> None:
    with server() as client:
        client.sendall(b"GET / HTTP/1.1\r\n" + (line * protocol.MOST_HEADERS)[: protocol.MOST_HEADERS])
        assert received(client).startswith(b"HTTP/1.1 400 ")


def test_several_requests_of_one_connection_each_may_have_long_headers_and_bodies() -> None:
    many = b"X: " + b"a" * (protocol.MOST_HEADERS // 2) + b"\r\n"
    with server() as client:
        for body in (b"", b"b" * 2 * protocol.MOST_HEADERS, b""):
            client.sendall(b"POST / HTTP/1.1\r\nContent-Length: %d\r\n%s\r\n%s" % (len(body), many, body))
            assert client.recv(1000).startswith(b"HTTP/1.1 204 ")


def test_who_sends_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEADERS_S", 0.2)
    with server() as client:
        client.sendall(b"GET / HTTP/1.1\r\nX: ")
        assert received(client) == b""
