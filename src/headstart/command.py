"""The command that does the same again, as it is typed in a shell."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from headstart.files import display
from headstart.options import DEFAULTS, FitOptions

PARAMETERS = tuple(field.name for field in fields(FitOptions) if field.name != "cache")
"""The options of training that the command line has. ``cache`` is not among them: it changes no result."""
_SPELLED = {"sizes": "--size", "random_state": "--seed"}
"""Those whose name there is another; the others are ``--`` and the name with dashes."""


def command(
    verb: str, *arguments: str | Path, options: Mapping[str, Any], defaults: Mapping[str, Any] | None = None
) -> str:
    """Words for a shell: ``headstart VERB ARGUMENTS OPTIONS``, quoted where needed, names of files printable.

    Args:
        verb: of the command line, such as ``"train"`` or ``"recipes run"``.
        arguments: in their order. If any begins with a dash, all come last, after ``--``.
        options: each with its dashes and its value. None, False and an empty sequence leave an option out, True
            is the option alone, a sequence repeats it, and anything else follows it as text.
        defaults: values at which an option is left out.
    """
    given = [display(argument) for argument in arguments]
    words = [
        word
        for option, value in options.items()
        if (words := _words(option, value)) != _words(option, (defaults or {}).get(option))
        for word in words
    ]
    if any(argument.startswith("-") for argument in given):
        return shlex.join(["headstart", *verb.split(), *words, "--", *given])
    return shlex.join(["headstart", *verb.split(), *given, *words])


def fit_options(options: FitOptions, *, only: Iterable[str] = PARAMETERS) -> dict[str, Any]:
    """The ``options`` of `command` for what is not at its default; ``only`` names those that the verb has."""
    return {
        _SPELLED.get(name, f"--{name.replace('_', '-')}"): getattr(options, name)
        for name in only
        if getattr(options, name) != getattr(DEFAULTS, name)
    }


def _words(option: str, value: Any) -> list[str]:
    if value is None or value is False:
        return []
    if value is True:
        return [option]
    values = value if isinstance(value, (list, tuple)) else [value]
    return [word for each in values for word in (option, display(str(each)))]
