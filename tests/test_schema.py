"""A document becomes the record that its dataclass describes, or all that is wrong with it is said at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from headstart.errors import DataError, ModelError, OptionError
from headstart.files import plain
from headstart.schema import read_record


@dataclass(frozen=True, kw_only=True)
class Inner:
    size: int
    mode: Literal["crop", "squash"] = "crop"

    def __post_init__(self) -> None:
        if self.size < 1:
            raise OptionError.of("inner", expected="size: 1 or more", found=str(self.size), todo="change it")


@dataclass(frozen=True, kw_only=True)
class Outer:
    name: str
    right: bool
    share: float
    root: Path | None
    triple: tuple[float, float, float]
    names: tuple[str, ...]
    inner: Inner | None
    counts: Mapping[str, tuple[int, ...]]
    any: Any = None


GOOD: dict[str, Any] = {
    "name": "a", "right": True, "share": 1, "root": "/r", "triple": [1, 2.5, 3], "names": ["x"],
    "inner": {"size": 2}, "counts": {"b": [1, 2]},
}  # fmt: skip


def read(document: Any) -> Outer:
    return read_record(Outer, document, "the document", todo="copy it again", error=ModelError)


def test_a_record_is_read_with_the_types_of_its_fields() -> None:
    record = read(GOOD)
    assert record.inner == Inner(size=2)
    assert (record.root, record.triple, record.names) == (Path("/r"), (1.0, 2.5, 3.0), ("x",))
    assert isinstance(record.share, float)
    assert read(plain(record)) == record
    assert read({**GOOD, "root": None, "inner": None}).inner is None


@pytest.mark.parametrize(
    ("fields", "expected", "found"),
    [
        ({"name": 1}, "name: text", "1"),
        ({"right": 1}, "right: true or false", "1"),
        ({"share": True}, "share: a number", "True"),
        ({"share": float("inf")}, "share: a number", "inf"),
        ({"share": 10**400}, "share: a number", "1000"),
        ({"root": 1}, "root: text", "1"),
        ({"triple": [1, 2]}, "triple: a list of 3", "[1, 2]"),
        ({"triple": [1, 2, "3"]}, "triple[2]: a number", "'3'"),
        ({"names": "x"}, "names: a list", "'x'"),
        ({"names": ["x", None]}, "names[1]: text", "None"),
        ({"inner": []}, "inner: values by name", "[]"),
        ({"inner": {"size": 2.0}}, "inner.size: a whole number", "2.0"),
        ({"inner": {"size": 2**63}}, "inner.size: a whole number", str(2**63)),
        ({"inner": {"size": 0}}, "inner.size: 1 or more", "0"),
        ({"inner": {"size": 1, "mode": []}}, "inner.mode: 'crop' or 'squash'", "[]"),
        ({"inner": {"size": 1, "x": 2}}, "inner: nothing but size, mode", "['x']"),
        ({"counts": {"b": [True]}}, "counts.b[0]: a whole number", "True"),
    ],
)
def test_what_does_not_fit_is_named_by_its_place(fields: dict[str, Any], expected: str, found: str) -> None:
    with pytest.raises(ModelError) as caught:
        read({**GOOD, **fields})
    (problem,) = caught.value.problems
    assert (problem.expected, problem.todo) == (expected, "copy it again")
    assert problem.found.startswith(found)


@pytest.mark.parametrize("document", [None, 7, "x", [], [GOOD]])
def test_what_is_no_record_is_refused(document: Any) -> None:
    with pytest.raises(ModelError, match="expected: values by name"):
        read(document)


def test_everything_is_said_at_once_in_the_error_asked_for() -> None:
    document = {**GOOD, "name": None, "right": "yes", "more": 1}
    del document["share"]
    with pytest.raises(DataError) as caught:
        read_record(Outer, document, "the document", todo="-", error=DataError)
    assert [problem.expected.split(":")[0] for problem in caught.value.problems] == [
        "name",
        "right",
        "share",
        "nothing but name, right, share, root, triple, names, inner, counts, any",
    ]
