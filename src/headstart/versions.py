"""Versions of the packages that are installed."""

from __future__ import annotations

from importlib import metadata

NOT_INSTALLED = "not installed"


def version(package: str) -> str:
    """Of an installed package; `NOT_INSTALLED` for one that is not, as headstart itself in a source checkout may be."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return NOT_INSTALLED
