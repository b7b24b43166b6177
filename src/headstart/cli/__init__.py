"""The command line. Each module holds a family of commands; importing it adds them to the app."""

from __future__ import annotations

from typing import NoReturn

from headstart.cli import backbones, classify, explain, machine, recipes, watch
from headstart.cli.app import app

__all__ = ["app", "backbones", "classify", "explain", "machine", "main", "recipes", "watch"]


def main() -> NoReturn:
    """Entry point of the ``headstart`` command."""
    app()
    raise SystemExit(0)
