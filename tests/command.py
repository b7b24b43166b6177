"""Runs the command line as a user does: a real process, real files."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any


def headstart(*words: str | Path, stdin: str | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "headstart", *map(str, words)]
    return subprocess.run(
        command, input=stdin, capture_output=True, text=True, check=False, env={**os.environ, **env}, timeout=300
    )


def typed(*words: str | Path, stdin: str | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    """As `headstart`, in this process and in a fraction of the time: where another one would show nothing more."""
    from typer.testing import CliRunner

    from headstart.cli import app

    done = CliRunner().invoke(app, list(map(str, words)), input=stdin, env=env)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return subprocess.CompletedProcess(words, done.exit_code, done.stdout, done.stderr)


def parsed(command: str) -> Any:
    """The context in which the command line would carry out ``command``, which is parsed and not carried out."""
    from typer.main import get_command

    from headstart.cli import app

    program, *words = shlex.split(command)
    assert program == "headstart"
    context = get_command(app).make_context(program, words)
    while hasattr(context.command, "resolve_command"):
        name, inner, rest = context.command.resolve_command(context, [*context._protected_args, *context.args])
        context = inner.make_context(name, rest, parent=context)
    return context
