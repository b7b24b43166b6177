"""The command line. Each module holds a family of commands; importing it adds them to the app."""

from __future__ import annotations

from typing import NoReturn

from headstart.cli import backbones, check, classify, compare, explain, machine, recipes, replay, watch
from headstart.cli.app import app

__all__ = [
    "app",
    "backbones",
    "check",
    "classify",
    "compare",
    "explain",
    "machine",
    "main",
    "recipes",
    "replay",
    "watch",
]


def main() -> NoReturn:
    """Entry point of the ``headstart`` command."""
    app()
    raise SystemExit(0)
