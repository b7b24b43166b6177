"""A model, and all that a machine without a network needs to answer pictures with it.

    python3 KIT check             are all parts as they were packed
    python3 KIT install FOLDER    install into a new folder, and answer the golden pictures there

KIT is this folder, or the .zip of it as it is. Python's own library is enough; no network is asked for anything.
Exit codes: 0 done, 1 the golden pictures are answered otherwise, 2 the kit or the machine cannot be used.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

HERE = Path(__file__).resolve().parent
MANIFEST = "manifest.json"
WHEELS, LOCK = "wheels", "requirements.txt"


class KitError(Exception):
    """Why nothing was installed."""


def opened(name: str) -> IO[bytes]:
    """A part of the kit, which is a folder or a zip, as an open file. Raises KitError."""
    try:
        if HERE.is_dir():
            return (HERE / name).open("rb")
        return zipfile.ZipFile(HERE).open(name)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise KitError(f"the kit is damaged: {name} cannot be read ({error})\n   to do: copy it again") from error


def sha256(name: str) -> str:
    """Of a part of the kit; a few words where it cannot be read."""
    found = hashlib.sha256()
    try:
        with opened(name) as stream:
            for block in iter(lambda: stream.read(1 << 20), b""):
                found.update(block)
    except (KitError, OSError, zipfile.BadZipFile):  # in a zip also a checksum that is wrong
        return "cannot be read"
    return found.hexdigest()


def manifest() -> dict[str, Any]:
    """What the kit says of itself. Raises KitError."""
    with opened(MANIFEST) as stream:
        try:
            found: dict[str, Any] = json.loads(stream.read().decode("utf-8"))
            return found
        except ValueError as error:
            raise KitError(f"the kit is damaged: {MANIFEST} is no JSON\n   to do: copy it again") from error


def check(kit: dict[str, Any]) -> None:
    """Hold every part against its hash. Raises KitError with the names of all that are missing or others."""
    wrong = [name for name, expected in sorted(kit["files"].items()) if sha256(name) != expected]
    if wrong:
        raise KitError(
            f"the kit is damaged: {len(wrong)} of {len(kit['files'])} parts are missing or have other contents\n"
            + "".join(f"   found: {name}\n" for name in wrong)
            + "   to do: copy it again"
        )
    print(f"{len(kit['files'])} parts are as they were packed; the fingerprint of the kit is {sha256(MANIFEST)[:16]}")


def require_machine(kit: dict[str, Any]) -> None:
    """Raise KitError on a machine that the kit was not packed for."""
    target, machine = kit["target"], platform.machine().lower()
    python = "{}.{}".format(*sys.version_info)
    if sys.platform != target["sys_platform"] or machine not in target["machines"] or python != target["python"]:
        raise KitError(
            f"this kit is of another machine\nexpected: Python {target['python']} on {target['platform']}\n"
            f"   found: Python {python} on {sys.platform} {machine}\n"
            f"   to do: start it with another Python, such as python{target['python']}, or pack it again with "
            "--platform and --python"
        )


def install(kit: dict[str, Any], folder: Path) -> int:
    """Install into ``folder``, which is new; returns the exit code. What fails leaves nothing behind."""
    require_machine(kit)
    if folder.exists() and any(folder.iterdir()):
        raise KitError(f"{folder} is there and is not empty\n   to do: give a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    done = False
    try:
        with unpacked(kit) as parts:
            for name in kit["installed"]:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(str(parts / name), str(folder / name))
            python = make_environment(folder / "env", parts)
        verified = subprocess.run([str(python), "-I", *in_folder(folder, kit["verify"])])
        if verified.returncode:
            return 1
        print(f"installed. To answer pictures: {launcher(folder, kit['classify'])} PICTURES -o answers.csv")
        done = True
        return 0
    finally:
        if not done:
            shutil.rmtree(str(folder), ignore_errors=True)


@contextmanager
def unpacked(kit: dict[str, Any]) -> Iterator[Path]:
    """The folder of the parts, which are as `check` saw them; of a zip it is there until the block is left."""
    if HERE.is_dir():
        yield HERE
        return
    with tempfile.TemporaryDirectory() as scratch:
        for name in kit["files"]:
            part = Path(scratch) / name
            part.parent.mkdir(parents=True, exist_ok=True)
            with opened(name) as source, part.open("wb") as target:
                shutil.copyfileobj(source, target)
        yield Path(scratch)


def make_environment(folder: Path, parts: Path) -> Path:
    """An environment with the wheels of the kit; its Python. Raises KitError."""
    venv.EnvBuilder(with_pip=False, symlinks=os.name != "nt").create(str(folder))
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    (pip,) = (parts / WHEELS).glob("pip-*.whl")
    words = [str(python), str(pip / "pip"), "--isolated", "--disable-pip-version-check", "--quiet", "install"]
    words += ["--no-index", "--find-links", str(parts / WHEELS), "--only-binary", ":all:", "--no-compile"]
    words += ["--require-hashes", "--requirement", str(parts / LOCK)]
    # no settings of this machine: they could name an index
    environment = {**os.environ, "PIP_CONFIG_FILE": os.devnull, "PYTHONNOUSERSITE": "1"}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        said = done.stdout.decode("utf-8", "replace").strip()
        raise KitError(f"pip could not install the wheels of the kit\n   found: {said}")
    return python


def in_folder(folder: Path, words: list[str]) -> list[str]:
    """Words of a command; those that name a part of ``folder`` with its path."""
    return [str(folder / word) if (folder / word).exists() else word for word in words]


def launcher(folder: Path, words: list[str]) -> Path:
    """Write a command that starts the environment's Python with ``words``; its path."""
    if os.name == "nt":
        path, here, line = folder / "classify.bat", "%~dp0", '@"%~dp0env\\Scripts\\python.exe" -I {} %*\r\n'
    else:
        path, here = folder / "classify", "$here/"
        line = '#!/bin/sh\nhere=$(cd "$(dirname "$0")" && pwd)\nexec "$here/env/bin/python" -I {} "$@"\n'
    quoted = " ".join(f'"{here}{word}"' if (folder / word).exists() else word for word in words)
    path.write_bytes(line.format(quoted).encode("utf-8"))
    path.chmod(0o755)
    return path


def main(words: list[str]) -> int:
    """Carry out a command."""
    try:
        if words == ["check"]:
            check(manifest())
            return 0
        if words[:1] == ["install"] and len(words) == 2:
            kit = manifest()
            check(kit)
            return install(kit, Path(words[1]).absolute())
    except (KitError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print((__doc__ or "").replace("KIT", sys.argv[0]), file=sys.stderr)
    return 2


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
