"""The application: its routes, and what holds for all of them."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from headstart.errors import Problem
from headstart.files import display
from headstart.versions import version
from headstart.web import kserve, operating, page, predicting
from headstart.web.passing import Passing
from headstart.web.refusals import Refusal
from headstart.web.service import Service

_SILENT: Any = {"auto_configure": False, "tracing": False, "metrics": False, "logs": False}
"""FastAPI reports to nobody, whatever the environment says."""
_GONE = 499  # nginx's status for a client that closed the connection before it had its answer; it is sent to nobody


def application(service: Service) -> FastAPI:
    """The application that answers with ``service``, which it watches over and closes when it ends."""

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        await service.start()
        try:
            async with operating.watching(service):
                yield
        finally:
            service.close()

    app = FastAPI(
        title="headstart",
        version=version("headstart"),
        summary="Classes and calibrated probabilities of pictures.",
        docs_url=None,
        redoc_url=None,
        lifespan=life,
        telemetry=_SILENT,
    )
    logging.getLogger("python_multipart").addHandler(logging.NullHandler())  # what is wrong with a form is answered
    app.add_middleware(Passing, service=service)
    app.include_router(predicting.routes(service))
    app.include_router(operating.routes(service))
    app.include_router(kserve.routes(service))
    app.include_router(page.routes(service))
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _not_here)
    app.add_exception_handler(ClientDisconnect, _gone)
    return app


async def _refused(request: Request, error: Any) -> Response:
    refusal: Refusal = error
    return refusal.response()


async def _invalid(request: Request, error: Any) -> Response:
    problems = [
        Problem(
            expected=f"{'.'.join(map(str, each['loc']))}: {each['msg']}",
            found=display(repr(each.get("input"))[:200]),
            todo="see /openapi.json",
        )
        for each in error.errors()
    ]
    return Refusal(400, "the request cannot be understood", problems).response()


async def _not_here(request: Request, error: Any) -> Response:
    found = display(f"{request.method} {request.url.path}"[:200])
    methods = (error.headers or {}).get("Allow", "")
    refusal = Refusal.of(
        error.status_code,
        "this path is asked in another way" if methods else "there is nothing here",
        expected=f"the method {methods}" if methods else "a path and method of /openapi.json",
        found=found,
        todo="see /openapi.json",
        headers=error.headers,
    )
    return refusal.response()


async def _gone(request: Request, error: Any) -> Response:
    return Response(status_code=_GONE)
