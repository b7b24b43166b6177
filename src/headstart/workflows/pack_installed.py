"""An installed package becomes again the wheel that it was installed from."""

from __future__ import annotations

import base64
import csv
import email
import hashlib
import io
import re
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

from headstart.errors import OptionError

_MADE_HERE = re.compile(r"\.\./.*|.*\.pyc|[^/]+\.dist-info/(INSTALLER|REQUESTED|RECORD|direct_url\.json|uv_.*)")
"""Files that installing adds: commands, which come from entry points, compiled files, and notes."""
_OPTIONAL = re.compile(r"(?P<name>(?!headstart\b)[\w.-]+)[^;]*; extra == ['\"](?P<extra>[\w-]+)['\"]")
"""A requirement of an optional part on any system."""
_SOURCES = Path(__file__).parents[3]
"""The checkout, where headstart runs from one."""
_BEGINNING = (1980, 1, 1, 0, 0, 0)
"""The date of every entry, so that the same files give the same bytes."""


def own_wheel(folder: Path) -> Path:
    """Headstart's own wheel in ``folder``: built from the checkout that it runs from, else from what is installed.

    Raises OptionError where it can be had neither way.
    """
    if not (_SOURCES / "pyproject.toml").is_file():
        return wheel_of("headstart", folder)
    words = ["wheel", "--quiet", "--disable-pip-version-check", "--no-deps", "--wheel-dir", str(folder), str(_SOURCES)]
    done = subprocess.run([sys.executable, "-m", "pip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        found = (done.stderr.strip() or "nothing").splitlines()[-1]
        todo = "pack where there is a network: building asks pip's index for hatchling"
        raise OptionError.of("headstart's own wheel", expected="one, built by pip", found=found, todo=todo)
    (path,) = folder.glob("headstart-*.whl")
    return path


def installed_extras(wheel: Path) -> list[str]:
    """The optional parts of headstart's ``wheel``, such as ``serve``, of which all that they need is installed here."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        said = email.message_from_bytes(archive.read(name))
    needs: dict[str, list[str]] = {}
    for line in said.get_all("Requires-Dist", []):
        if found := _OPTIONAL.fullmatch(line):
            needs.setdefault(found["extra"], []).append(found["name"])
    return sorted(extra for extra, names in needs.items() if all(map(_is_installed, names)))


def _is_installed(name: str) -> bool:
    try:
        return bool(metadata.distribution(name))
    except metadata.PackageNotFoundError:
        return False


def wheel_of(name: str, folder: Path) -> Path:
    """The wheel of an installed package, in ``folder``: its files, each held against its hash when it was installed.

    Raises OptionError where a file is missing or was changed, or where it was not installed from a wheel.
    """
    found = metadata.distribution(name)
    tags = re.findall(r"^Tag: (.+)-(.+)-(.+)$", found.read_text("WHEEL") or "", re.MULTILINE)
    kept = [file for file in found.files or () if not _MADE_HERE.fullmatch(file.as_posix())]
    changed = [
        file.as_posix() for file in kept if file.hash is None or _hash(Path(str(file.locate()))) != file.hash.value
    ]
    if not tags or not kept or changed:
        said = f"{len(changed)} changed files, such as {changed[0]}" if changed else "no record of its files"
        todo = f"install it again: pip install --force-reinstall --no-deps {name}"
        raise OptionError.of(f"the wheel of {name}", expected="it, as it was installed", found=said, todo=todo)
    info = next(file.parts[0] for file in kept if file.parts[0].endswith(".dist-info"))
    tag = "-".join(".".join(dict.fromkeys(parts)) for parts in zip(*tags, strict=True))
    path = folder / f"{info.removesuffix('.dist-info')}-{tag}.whl"
    record = io.StringIO()
    rows = csv.writer(record, lineterminator="\n")
    with zipfile.ZipFile(path, "w") as archive:
        for file in kept:
            data = Path(str(file.locate())).read_bytes()
            archive.writestr(zipfile.ZipInfo(file.as_posix(), _BEGINNING), data, zipfile.ZIP_DEFLATED, 1)
            rows.writerow([file.as_posix(), f"sha256={file.hash.value if file.hash else ''}", len(data)])
        rows.writerow([f"{info}/RECORD", "", ""])
        archive.writestr(zipfile.ZipInfo(f"{info}/RECORD", _BEGINNING), record.getvalue())
    return path


def _hash(path: Path) -> str:
    """SHA-256 as wheels write it: base64 without padding. Empty where there is no such file."""
    if not path.is_file():
        return ""
    return base64.urlsafe_b64encode(hashlib.sha256(path.read_bytes()).digest()).rstrip(b"=").decode("ascii")
