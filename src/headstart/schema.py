"""Records from JSON documents that may come from anywhere: the dataclass says what must be there, and of which type."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from types import NoneType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from headstart.errors import Problem, UserInputError

LARGEST_INTEGER = 2**53
"""Up to this size whole numbers are the same in JSON everywhere (RFC 8259, section 6)."""

T = TypeVar("T")


def read_record(kind: type[T], document: Any, what: str, *, todo: str, error: type[UserInputError]) -> T:
    """The dataclass ``kind`` from plain JSON types: the inverse of `headstart.files.plain`.

    Every field without a default must be there, and nothing but fields. Their types may be text, booleans, whole
    numbers up to `LARGEST_INTEGER`, finite numbers, paths, literals, tuples and lists, mappings by text, one of these
    or None, and other such dataclasses. A dataclass may refuse its values with a UserInputError.

    Raises:
        error: about ``what``, with everything that is wrong, and ``todo`` after each.
    """
    wrong = _Wrong()
    value: T = _record(kind, document, "", wrong)
    if wrong:
        raise error(what, [Problem(expected=expected, found=found, todo=todo) for expected, found in wrong])
    return value


class _Wrong(list[tuple[str, str]]):
    """What was expected and what was found, of everything that does not fit."""

    def unless(self, fits: bool, place: str, expected: str, found: object) -> bool:
        """Note what was found in ``place`` unless it ``fits``, which is given back."""
        if not fits:
            self.append((f"{place}: {expected}" if place else expected, reprlib.repr(found)))
        return fits


def _value(kind: Any, given: Any, place: str, wrong: _Wrong) -> Any:
    """``given`` as a ``kind``; None where it does not fit."""
    origin, args = get_origin(kind), get_args(kind)
    if kind is Any:
        return given
    if NoneType in args:
        other = next(each for each in args if each is not NoneType)
        return None if given is None else _value(other, given, place, wrong)
    if origin in (tuple, list):
        return _items(args, given, place, wrong)
    if origin in (dict, Mapping):
        if wrong.unless(isinstance(given, dict), place, "values by name", given):
            return {name: _value(args[1], item, f"{place}.{name}", wrong) for name, item in given.items()}
    elif origin is Literal:
        if wrong.unless(given in args, place, " or ".join(map(repr, args)), given):
            return given
    elif is_dataclass(kind):
        return _record(kind, given, place, wrong)
    elif wrong.unless(_is(kind, given), place, _WORDS[kind], given):
        return kind(given)
    return None


def _items(args: tuple[Any, ...], given: Any, place: str, wrong: _Wrong) -> tuple[Any, ...] | None:
    """A list of as many items as ``args`` has types, or of any number of one type."""
    several = len(args) > 1 and args[-1] is not Ellipsis
    fits = isinstance(given, list) and (not several or len(given) == len(args))
    if not wrong.unless(fits, place, f"a list of {len(args)}" if several else "a list", given):
        return None
    kinds = args if several else args[:1] * len(given)
    return tuple(
        _value(kind, item, f"{place}[{i}]", wrong) for i, (kind, item) in enumerate(zip(kinds, given, strict=True))
    )


def _record(kind: Any, given: Any, place: str, wrong: _Wrong) -> Any:
    if not wrong.unless(isinstance(given, dict), place, "values by name", given):
        return None
    before, prefix, kinds, values = len(wrong), f"{place}." if place else "", get_type_hints(kind), {}
    for each in fields(kind):
        if each.name in given:
            values[each.name] = _value(kinds[each.name], given[each.name], prefix + each.name, wrong)
        else:
            has_default = each.default is not MISSING or each.default_factory is not MISSING
            wrong.unless(has_default, prefix + each.name, "a value", None)
    strangers = [name for name in given if name not in kinds]
    wrong.unless(not strangers, place, f"nothing but {', '.join(kinds)}", strangers)
    if len(wrong) > before:
        return None
    try:
        return kind(**values)
    except UserInputError as error:
        wrong += [(prefix + problem.expected, problem.found) for problem in error.problems]
        return None


_WORDS = {str: "text", bool: "true or false", int: "a whole number", float: "a number", Path: "text"}


def _is(kind: type, given: Any) -> bool:
    """Whether a JSON value is of a plain type; a whole number is a number too."""
    if kind in (int, float):
        whole = type(given) is int and abs(given) <= LARGEST_INTEGER
        return whole or (kind is float and type(given) is float and math.isfinite(given))
    return type(given) is (str if kind is Path else kind)
