from __future__ import annotations

import json

from headstart.errors import OptionError, Problem
from headstart.web.refusals import Refusal


def test_a_refusal_says_what_was_expected_was_found_and_is_to_be_done() -> None:
    problems = [Problem(expected="a", found="b", todo="c"), Problem(expected="d", found="e", todo="f")]
    response = Refusal.of_input(OptionError("options", problems)).response()
    assert response.status_code == 400
    assert json.loads(bytes(response.body)) == {
        "error": "options",
        "problems": [{"expected": "a", "found": "b", "todo": "c"}, {"expected": "d", "found": "e", "todo": "f"}],
    }
    response = Refusal.of(401, "no", expected="a", found="b", todo="c", headers={"X": "y"}).response()
    assert (response.status_code, response.headers["x"]) == (401, "y")
