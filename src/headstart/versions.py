"""Versions of the packages that are installed."""

from __future__ import annotations

NOT_INSTALLED = "not installed"


def version(package: str) -> str:
    """Of an installed package; `NOT_INSTALLED` for one that is not, as headstart itself in a source checkout may be."""
    from importlib import metadata  # its parsers take as long to import as all that `headstart --help` needs

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return NOT_INSTALLED
