"""The command line. Each module holds a family of commands; importing it adds them to the app."""

from __future__ import annotations

import io
import os
import sys
from typing import Any, NoReturn

# The help lists commands in this order.
# isort: off
from headstart.cli import classify, predict, compare, convert, machine, recipes, runs, serve, share  # noqa: F401

# isort: on
from headstart.cli.app import app, interrupted
from headstart.device import keep

_ESCAPED = "backslashreplace"
"""What becomes of characters that a terminal or a file in another encoding than UTF-8 does not have."""


def main() -> NoReturn:
    """Entry point of the ``headstart`` command."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed, as by `>&-`: else the next file that is opened takes its place
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115
    for stream, errors in ((sys.stdin, "surrogateescape"), (sys.stdout, _ESCAPED), (sys.stderr, _ESCAPED)):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=errors)
    try:
        app()
        code: Any = 0
    except KeyboardInterrupt:  # before or after a command's own work, such as while modules are still loaded
        code = interrupted(next(iter(sys.argv[1:]), None))
    except SystemExit as end:
        code = end.code
    if code == 130:
        # Python would die by the signal if it came while a string was being executed, as dataclasses do.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    keep()  # Python is not to look through all that is left once more, which takes 0.15 s
    raise SystemExit(code)
