"""Wheels of packages that are next to empty, for what only carries them."""

from __future__ import annotations

import zipfile
from pathlib import Path


def write_wheel(path: Path, name: str, version: str, *said: str) -> None:
    """A wheel of an empty package that says this of itself."""
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}/__init__.py", "")
        archive.writestr(
            f"{info}/METADATA", "\n".join(["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *said, ""])
        )
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
