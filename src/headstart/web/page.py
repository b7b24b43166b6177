"""The page at ``/``: drop a picture on it. One document that loads nothing and runs no script but its own."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import lru_cache

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from headstart.files import display, some
from headstart.web.service import Service

NAMED = 8
"""Classes that its first sentence names; how many more there are follows."""


def routes(service: Service) -> APIRouter:
    """``/``."""
    router = APIRouter()

    @router.get("/", include_in_schema=False)
    async def page() -> HTMLResponse:
        html = render(service.live.name, service.live.current.model.classes, token=service.options.token is not None)
        return HTMLResponse(html, headers={"Content-Security-Policy": policy(html), **_HEADERS})

    return router


_HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-cache"}


@lru_cache(maxsize=2)
def render(name: str, classes: tuple[str, ...], *, token: bool) -> str:
    """The page of a model, as HTML in which every name is text; ``token``: whether it asks for one."""
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    folders = [PackageLoader("headstart", folder) for folder in ("web", "report")]
    pages = Environment(loader=ChoiceLoader(folders), autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    named = some([display(label) for label in classes], NAMED)
    return pages.get_template("page.html.j2").render(name=display(name), classes=named, token=token)


def policy(html: str) -> str:
    """A Content-Security-Policy that allows the page its own style, script and server, and nothing else."""
    allowed = {
        "default-src": "'none'",
        "script-src": _hash(html, "script"),
        "style-src": _hash(html, "style"),
        "img-src": "blob:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in allowed.items())


def _hash(html: str, element: str) -> str:
    (content,) = re.findall(f"<{element}>(.*?)</{element}>", html, re.DOTALL)
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
