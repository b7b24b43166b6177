"""Why a request is not answered: a status of HTTP, and what was expected, was found and is to be done, as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from starlette.responses import JSONResponse

from headstart.errors import Problem, UserInputError
from headstart.files import plain

RETRY_AFTER_S = 1
"""Seconds after which a request for which there was no room may come again: some batches are through by then."""


class Refusal(Exception):  # noqa: N818  # named for what it is: an answer, not a failure
    """A request that is not answered."""

    def __init__(
        self, status: int, what: str, problems: Sequence[Problem], headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(what)
        self.status, self.what, self.problems, self.headers = status, what, tuple(problems), dict(headers or {})

    @classmethod
    def of(
        cls, status: int, what: str, *, expected: str, found: str, todo: str, headers: Mapping[str, str] | None = None
    ) -> Refusal:
        """The refusal for a single problem."""
        return cls(status, what, [Problem(expected=expected, found=found, todo=todo)], headers)

    @classmethod
    def of_input(cls, error: UserInputError) -> Refusal:
        """Of what the library says about values that a request gave."""
        return cls(400, error.what, error.problems)

    def response(self) -> JSONResponse:
        """What is sent."""
        content = {"error": self.what, "problems": [plain(problem) for problem in self.problems]}
        return JSONResponse(content, self.status, headers=self.headers)


def busy(expected: str, found: str) -> Refusal:
    """There is no room for this request now."""
    todo = f"send it again in {RETRY_AFTER_S} s"
    headers = {"Retry-After": str(RETRY_AFTER_S)}
    return Refusal.of(503, "the server is busy", expected=expected, found=found, todo=todo, headers=headers)
