from __future__ import annotations

import pytest

from server import Served


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/predict"), ("GET", "/classes"), ("GET", "/metrics"), ("POST", "/reload"), ("GET", "/v2/models/photos")],
)
@pytest.mark.parametrize("token", [None, "another token of tests", "ä"])
def test_without_the_token_nothing_is_told(served: Served, method: str, path: str, token: str | None) -> None:
    headers = {} if token is None else {"Authorization": f"Bearer {token}".encode()}
    answer = served.ask(method, path, token=None, headers=headers)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    (problem,) = answer.json()["problems"]
    assert problem["found"] == ("another token" if token else "none")


@pytest.mark.parametrize("path", ["/", "/health", "/ready", "/openapi.json", "/v2/health/live", "/v2/health/ready"])
def test_who_looks_whether_it_lives_needs_none(served: Served, path: str) -> None:
    assert served.ask("GET", path, token=None).status_code == 200
