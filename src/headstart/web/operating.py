"""Routes for whoever runs the server, and its watch over the model: health, readiness, metrics, another model."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST

from headstart.errors import HeadstartError
from headstart.web.access import requires
from headstart.web.documents import Reloaded, State, refused
from headstart.web.refusals import Refusal
from headstart.web.service import Service

LOOK_EVERY_S = 2.0
"""Seconds between two looks at the files of the model. Chosen: a look costs a dozen calls to the file system."""
_log = logging.getLogger("headstart.web")


def routes(service: Service) -> APIRouter:
    """``/health``, ``/ready``, ``/metrics``, ``/reload``."""
    router = APIRouter(tags=["operation"])
    token = Depends(requires(service.options.token))

    @router.get("/health", summary="Whether the server lives", response_model=State)
    async def health() -> dict[str, Any]:
        """Always the same while there is an answer at all."""
        return {"state": "alive"}

    @router.get(
        "/ready",
        summary="Whether it wants requests",
        response_model=State,
        responses={503: {"model": State, "description": "It is about to stop."}},
    )
    async def ready() -> Response:
        """No longer, once it was told to stop; what still comes is answered for a moment."""
        stopping = service.stopping
        return JSONResponse({"state": "stopping" if stopping else "ready"}, 503 if stopping else 200)

    @router.get(
        "/metrics",
        summary="What was counted, for Prometheus",
        response_class=Response,
        responses={200: {"content": {CONTENT_TYPE_LATEST: {"schema": {"type": "string"}}}}, **refused(401)},
        dependencies=[token],
    )
    async def metrics() -> Response:
        """Requests, pictures, batches, the queue, the model in use."""
        return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)

    @router.post(
        "/reload",
        summary="Take the model that is there now",
        response_model=Reloaded,
        responses=refused(401, 403, 503),
        dependencies=[token],
    )
    async def reload() -> dict[str, Any]:
        """Requests under way end with the model that they began with. The server also looks by itself."""
        if service.options.token is None:
            todo = "start the server with --token-file, send it SIGHUP, or wait: it looks by itself"
            expected = "a server with a token"
            raise Refusal.of(403, "not without a token", expected=expected, found="one without", todo=todo)
        try:
            changed = await service.reload()
        except (HeadstartError, OSError) as error:
            expected, todo = "a model that can be loaded", "mend it; the one before stays in use"
            raise Refusal.of(
                503, "the model cannot be loaded", expected=expected, found=str(error), todo=todo
            ) from error
        return {"changed": changed, "fingerprint": service.live.current.fingerprint}

    return router


@asynccontextmanager
async def watching(service: Service) -> AsyncIterator[None]:
    """While the block runs, take every new model of the run: when its files change, or upon SIGHUP."""
    asked = asyncio.Event()
    with suppress(NotImplementedError, RuntimeError, AttributeError, ValueError):  # no SIGHUP, or not the main thread
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, asked.set)
    watch = asyncio.create_task(_watch(service, asked))
    try:
        yield
    finally:
        watch.cancel()
        with suppress(asyncio.CancelledError):
            await watch


async def _watch(service: Service, asked: asyncio.Event) -> None:
    while True:
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(asked.wait(), LOOK_EVERY_S)
        if asked.is_set() or await asyncio.to_thread(service.live.has_changed):
            asked.clear()
            try:
                if await service.reload():
                    _log.info("another model is in use: %s", service.live.current.fingerprint)
            except (HeadstartError, OSError) as error:
                _log.warning("the model before stays in use: %s", error)
