from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from headstart.web.metrics import Metrics
from headstart.web.passing import Passing


async def send(message: Any) -> None:
    """To nobody."""


async def receive() -> Any:
    return {"type": "http.disconnect"}


def test_a_request_that_fails_counts_as_an_error() -> None:
    async def fails(scope: Any, receive: Any, send: Any) -> None:
        scope["route"] = SimpleNamespace(path="/a/{name}")
        raise ArithmeticError

    service: Any = SimpleNamespace(metrics=Metrics(), stopping=False)
    with pytest.raises(ArithmeticError):
        asyncio.run(Passing(fails, service=service)({"type": "http"}, receive, send))
    assert b'headstart_requests_total{path="/a/{name}",status="500"} 1.0' in service.metrics.text()


def test_what_is_no_request_passes_uncounted() -> None:
    seen = []

    async def life(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    service: Any = SimpleNamespace(metrics=Metrics(), stopping=False)
    asyncio.run(Passing(life, service=service)({"type": "lifespan"}, receive, send))
    assert seen == ["lifespan"]
    assert b"headstart_requests_total{" not in service.metrics.text()
