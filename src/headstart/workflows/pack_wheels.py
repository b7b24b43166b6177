"""The wheels of a kit, fetched by pip for a named machine: from its index, or from a folder."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path

from headstart.deploy.kit import Target, Wheel
from headstart.errors import MissingPackageError, OptionError
from headstart.files import display

PIP = "pip"
"""Installs the others; a kit brings it, for not every Python has it."""
_UNREACHABLE = re.compile("NewConnection|Timeout|NameResolution|ProxyError|ConnectionReset|unreachable")
"""In what pip says where no index answers."""


def fetch(needs: Sequence[str], target: Target, folder: Path, source: Path | None) -> tuple[Wheel, ...]:
    """Put ``needs``, and what they need, into ``folder`` as wheels; they are those of pip's index, and none is built.

    For a machine as this one, versions are those that are installed here.

    Args:
        needs: requirements as pip takes them, and paths of wheels.
        target: the machine.
        folder: where the wheels are put.
        source: a folder of wheels to take them from; then nobody is asked. None for the index that pip knows.

    Raises:
        MissingPackageError: no pip.
        OptionError: pip finds no such wheels, or no index answers.
    """
    if importlib.util.find_spec(PIP) is None:
        raise MissingPackageError(PIP, "headstart pack", "python -m ensurepip, or: uv pip install pip")
    folder.mkdir(exist_ok=True)
    words = ["download", "--quiet", "--disable-pip-version-check", "--dest", str(folder), "--only-binary", ":all:"]
    words += ["--implementation", "cp", "--python-version", target.python]
    words += [word for tag in target.platform.tags for word in ("--platform", tag)]
    words += ["--retries", "1"] if source is None else ["--no-index", "--find-links", str(source)]
    with tempfile.TemporaryDirectory() as scratch:
        if target.is_here:
            constraints = Path(scratch) / "constraints.txt"
            constraints.write_text("\n".join(_installed()), encoding="utf-8")
            words += ["--constraint", str(constraints)]
        command = [sys.executable, "-m", PIP, *words, PIP, *needs]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        raise _refused(done.stderr, needs, target, source)
    return tuple(Wheel.of(path) for path in sorted(folder.glob("*.whl")))


def _installed() -> Iterable[str]:
    """What is installed here, as constraints, but headstart itself and pip."""
    versions = {d.name.lower(): d.version for d in metadata.distributions() if d.name}
    return (f"{name}=={version}" for name, version in sorted(versions.items()) if name not in ("headstart", PIP))


def _refused(said: str, needs: Sequence[str], target: Target, source: Path | None) -> OptionError:
    lines = [line.removeprefix("ERROR: ") for line in said.splitlines() if line.startswith("ERROR: ")] or [said.strip()]
    names = " ".join(need for need in needs if ".whl" not in need)
    fill = f"`pip download --only-binary :all: {PIP} {names}` on a machine like that of the kit fills a folder"
    if source is not None:
        expected, found = f"wheels for Python {target.python} on {target.platform.name} in {display(source)}", lines[-1]
        return OptionError.of("wheels of the kit", expected=expected, found=found, todo=fill)
    if _UNREACHABLE.search(said):
        expected, found = "a package index that pip reaches", "none that answers"
        todo = f"pack where there is a network, or give --wheels FOLDER: {fill}"
        return OptionError.of("wheels of the kit", expected=expected, found=found, todo=todo)
    expected, found = f"wheels for Python {target.python} on {target.platform.name}", lines[-1]
    return OptionError.of(
        "wheels of the kit", expected=expected, found=found, todo=f"name another, or --wheels: {fill}"
    )


def lock(wheels: Iterable[Wheel]) -> str:
    """What is installed, as requirements with hashes; pip itself is only used."""
    return "".join(f"{w.name}=={w.version} --hash=sha256:{w.sha256}\n" for w in wheels if w.name != PIP)
