"""The command that does the same again, as it is typed in a shell."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from headstart.files import display

PARAMETERS = {
    "backbone": "--backbone",
    "weights": "--weights",
    "sizes": "--size",
    "finetune": "--finetune",
    "budget": "--budget",
    "class_weight": "--class-weight",
    "device": "--device",
    "precision": "--precision",
    "group_by": "--group-by",
    "cost": "--cost",
    "random_state": "--seed",
}
"""How the command line calls the parameters of a classifier. ``cache`` is not among them: it changes no result."""


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


def classifier_options(
    values: Mapping[str, Any], defaults: Mapping[str, Any], *, only: Iterable[str] = tuple(PARAMETERS)
) -> dict[str, Any]:
    """The ``options`` of `command` for the parameters of a classifier that are not at their default.

    Args:
        values: by the names of `PARAMETERS`, among others.
        defaults: by the same names.
        only: names of the parameters that the verb has an option for.
    """
    return {PARAMETERS[name]: values[name] for name in only if name in values and values[name] != defaults.get(name)}


def _words(option: str, value: Any) -> list[str]:
    if value is None or value is False:
        return []
    if value is True:
        return [option]
    values = value if isinstance(value, (list, tuple)) else [value]
    return [word for each in values for word in (option, display(str(each)))]
