"""Every error headstart raises on purpose, in one tree.

HeadstartError
├── UserInputError            what the user gave cannot be used (exit code 2)
│   ├── DataError             pictures, folders, labels, tables
│   ├── DiskError             a disk or share that does not answer any more
│   ├── OptionError           options and their values
│   ├── ModelError            a model directory that is damaged or of another kind
│   └── WeightsError          pretrained weights that are missing or do not fit
├── MissingPackageError       an optional package is not installed (exit code 2)
├── ForkedError               a network in a process that was forked from one that had opened it
└── UnreadableImageError      one picture that cannot be decoded; callers list it and go on
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import Self


@contextmanager
def interruptible() -> Iterator[None]:
    """An interruption stays one: a module in C that it meets while it is loaded makes an ImportError of it."""
    try:
        yield
    except ImportError as error:
        behind: BaseException | None = error
        while behind is not None:
            if isinstance(behind, KeyboardInterrupt):
                raise KeyboardInterrupt from error
            behind = behind.__cause__ or behind.__context__
        raise


class HeadstartError(Exception):
    """Base of every error headstart raises on purpose."""

    exit_code = 2


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong with an input: what was expected, what was found, what to do about it."""

    expected: str
    found: str
    todo: str

    def __str__(self) -> str:
        return f"expected: {self.expected}\n   found: {self.found}\n   to do: {self.todo}"


class UserInputError(HeadstartError):
    """What the user gave cannot be used. Holds **all** problems, never only the first."""

    def __init__(self, what: str, problems: Sequence[Problem]) -> None:
        self.what = what
        self.problems = tuple(problems)
        count = len(self.problems)
        head = f"{what}: {count} problem{'s' if count != 1 else ''}"
        super().__init__("\n".join([head, *(str(problem) for problem in self.problems)]))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled with what it was made of, for it may come from another process."""
        return type(self), (self.what, self.problems)

    @classmethod
    def of(cls, what: str, *, expected: str, found: str, todo: str) -> Self:
        """The error for a single problem."""
        return cls(what, [Problem(expected=expected, found=found, todo=todo)])


class DataError(UserInputError):
    """Pictures, folders, labels or tables that cannot be used as they are."""


class DiskError(UserInputError):
    """A disk or share that does not answer any more, or a folder that has vanished, while pictures are read."""


class OptionError(UserInputError):
    """An option, or a combination of options, that has no meaning."""


class ModelError(UserInputError):
    """A model directory that is damaged, incomplete, or written by something else."""


class WeightsError(UserInputError):
    """Pretrained weights that are missing, unreachable, or do not fit the network."""


class MissingPackageError(HeadstartError):
    """An optional package is not installed; the message gives the exact command."""

    def __init__(self, package: str, purpose: str, command: str) -> None:
        self.package, self._made_of = package, (package, purpose, command)
        super().__init__(f"{purpose} needs the package {package}, which is not installed.\n   to do: {command}")

    def __reduce__(self) -> tuple[Any, ...]:
        """As that of `UserInputError`."""
        return type(self), self._made_of


class ForkedError(HeadstartError):
    """A network is to compute in a process that was forked from one in which it had been opened."""

    def __init__(self) -> None:
        super().__init__(
            "a process forked from one that has opened a network cannot compute: the threads for it were not copied.\n"
            '   to do: start processes with multiprocessing.get_context("spawn"), or open models after the fork alone'
        )


class UnreadableImageError(HeadstartError):
    """One picture cannot be decoded. ``reason`` is a short plain sentence without the path."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)
