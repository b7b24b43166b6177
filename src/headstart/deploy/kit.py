"""What a kit is for, and what it carries: a kind of machine with a Python, and wheels."""

from __future__ import annotations

import email
import platform
import re
import sys
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from headstart.errors import OptionError, Problem
from headstart.files import display, sha256

_GLIBC = range(5, 32)
"""Minor versions of glibc 2 that Linux wheels may need: 2.5 of 2006 to 2.31, which Debian 11 and Ubuntu 20.04 have."""
_OF_OLD = {5: "manylinux1", 12: "manylinux2010", 17: "manylinux2014"}
"""Names that these had before they were called after the version (PEP 600)."""


@dataclass(frozen=True, kw_only=True)
class Platform:
    """A kind of machine."""

    name: str
    sys_platform: str
    """What ``sys.platform`` is there."""
    machines: tuple[str, ...]
    """What ``platform.machine()`` may be there, in lower case."""
    tags: tuple[str, ...]
    """Of wheels that run there (PEP 425), the one to take first in front."""


def _linux(machine: str) -> tuple[str, ...]:
    tags = [name for minor in _GLIBC for name in (f"manylinux_2_{minor}", _OF_OLD.get(minor)) if name]
    return tuple(f"{tag}_{machine}" for tag in tags)


_INTEL, _ARM = ("x86_64", "amd64"), ("arm64", "aarch64")
PLATFORMS: Mapping[str, Platform] = {
    each.name: each
    for each in (
        Platform(name="linux-x86_64", sys_platform="linux", machines=_INTEL, tags=_linux("x86_64")),
        Platform(name="linux-arm64", sys_platform="linux", machines=_ARM, tags=_linux("aarch64")),
        Platform(name="macos-arm64", sys_platform="darwin", machines=_ARM, tags=("macosx_14_0_arm64",)),
        Platform(name="windows-x86_64", sys_platform="win32", machines=_INTEL, tags=("win_amd64",)),
        Platform(name="windows-arm64", sys_platform="win32", machines=_ARM, tags=("win_arm64",)),
    )
}
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
"""The Python that runs."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """The machine that a kit is for."""

    platform: Platform
    python: str
    """Such as 3.12."""

    @classmethod
    def named(cls, platform_name: str | None, python: str | None) -> Target:
        """Of the names given; this machine's where they are None. Raises OptionError with all that is wrong."""
        chosen = PLATFORMS.get(platform_name or "") if platform_name else this_platform()
        problems = []
        if chosen is None:
            found = platform_name or f"{sys.platform} {platform.machine()}, of which there is none"
            expected, todo = f"one of {', '.join(PLATFORMS)}", "name one with --platform"
            problems.append(Problem(expected=expected, found=found, todo=todo))
        if not re.fullmatch(r"3\.\d+", python or HERE):
            todo = "name the one that `python3 --version` says there"
            problems.append(Problem(expected="--python such as 3.12", found=str(python), todo=todo))
        if chosen is None or problems:
            raise OptionError("the machine of the kit", problems)
        return cls(platform=chosen, python=python or HERE)

    @property
    def is_here(self) -> bool:
        """Whether it is as this machine."""
        return self.platform == this_platform() and self.python == HERE


def this_platform() -> Platform | None:
    """That of this machine; None for one without a name."""
    machine = platform.machine().lower()
    return next((p for p in PLATFORMS.values() if p.sys_platform == sys.platform and machine in p.machines), None)


@dataclass(frozen=True, kw_only=True)
class Wheel:
    """A package as it is carried."""

    name: str
    version: str
    file: str
    licence: str
    """As it says itself; empty where it does not."""
    sha256: str
    bytes: int

    @classmethod
    def of(cls, path: Path) -> Wheel:
        """Of a file. Raises OptionError for one that is no wheel."""
        try:
            with zipfile.ZipFile(path) as archive:
                name = next(n for n in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", n))
                said = email.message_from_bytes(archive.read(name))
        except (OSError, zipfile.BadZipFile, StopIteration) as error:
            expected, found = "a wheel", f"{display(path)}, which is none ({error or type(error).__name__})"
            raise OptionError.of("wheels of the kit", expected=expected, found=found, todo="fetch it again") from error
        classified = [c.rpartition("::")[2].strip() for c in said.get_all("Classifier", []) if c.startswith("License")]
        licence = said["License-Expression"] or ", ".join(classified) or (said["License"] or "").split("\n")[0]
        return cls(
            name=str(said["Name"]).lower().replace("_", "-"),
            version=str(said["Version"]),
            file=path.name,
            licence=str(licence),
            sha256=sha256(path),
            bytes=path.stat().st_size,
        )


MOST_RUN = 2_000_000_000
"""Bytes of wheels in a zip that Python runs as it is: before 3.13 it runs none in ZIP64, which begins at 2 GiB; what is
left is for the model."""


def runs_zipped(wheels: Iterable[Wheel]) -> bool:
    """Whether Python runs a zip of these wheels as it is; else it must be unpacked first."""
    return sum(wheel.bytes for wheel in wheels) <= MOST_RUN


def least_glibc(wheels: Iterable[Wheel]) -> int:
    """The oldest glibc, as the minor version of 2, that all these wheels run with; 0 where none needs any."""
    return max((min(minors) for wheel in wheels if (minors := _minors(wheel.file))), default=0)


def _minors(file: str) -> list[int]:
    named = [minor for minor, name in _OF_OLD.items() if f"{name}_" in file]
    return named + [int(minor) for minor in re.findall(r"manylinux_2_(\d+)_", file)]
