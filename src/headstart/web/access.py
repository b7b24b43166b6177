"""Whom the server answers: everyone, or whoever shows its token."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from headstart.web.refusals import Refusal

_BEARER = HTTPBearer(auto_error=False, description="The token of --token-file.")
Shown = Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]


def requires(token: str | None) -> Callable[[Shown], Awaitable[None]]:
    """A dependency of routes that raises Refusal (401) for a request without this token."""

    async def check(shown: Shown) -> None:
        given = shown.credentials if shown else ""
        if token is not None and not hmac.compare_digest(given.encode(), token.encode()):
            raise Refusal.of(
                401,
                "not allowed",
                expected="the header Authorization: Bearer TOKEN with the token of this server",
                found="another token" if given else "none",
                todo="ask whoever runs the server",
                headers={"WWW-Authenticate": "Bearer"},
            )

    return check
