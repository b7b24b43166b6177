from __future__ import annotations

import pytest

from server import Served


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nothing", 404), ("GET", "/predict", 405)])
def test_what_is_not_there_is_refused_as_all_else(served: Served, method: str, path: str, status: int) -> None:
    wanted = {404: "a path and method of /openapi.json", 405: "the method POST"}
    answer = served.ask(method, path)
    assert answer.status_code == status
    (problem,) = answer.json()["problems"]
    assert problem["found"] == f"{method} {path}"
    assert problem["expected"] == wanted[status]


def test_nothing_is_loaded_from_elsewhere_to_read_about_the_api(served: Served) -> None:
    for path in ("/docs", "/redoc"):
        assert served.ask("GET", path).status_code == 404
    assert served.ask("GET", "/openapi.json").json()["info"]["title"] == "headstart"
