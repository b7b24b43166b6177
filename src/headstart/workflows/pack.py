"""A model with all that a machine without a network needs to answer pictures with it: a kit."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from headstart.deploy import export as formats
from headstart.deploy.directory import find_model
from headstart.deploy.kit import Target, Wheel
from headstart.deploy.model import Model
from headstart.errors import OptionError
from headstart.exchange import exchange
from headstart.files import plain, replacing, sha256, write_bytes, write_json, write_text
from headstart.output_folder import check_files, claim, refuse_unsafe
from headstart.report.kit_readme import readme
from headstart.versions import version
from headstart.workflows.export import run_name
from headstart.workflows.pack_installed import installed_extras, own_wheel
from headstart.workflows.pack_wheels import fetch, lock

KIND = "kit"
FORMAT = 1
PROGRAM, CLIENT, MODEL, DIRECTORY = "__main__.py", "classify.py", "model.onnx", "model"
README, LOCK, MANIFEST, WHEELS = "README.md", "requirements.txt", "manifest.json", "wheels"
ZIP = ".zip"
MARK = '"kind": "headstart kit"'
"""Near the beginning of the manifest, which is the first file of a zip and not compressed."""
_BEGINNING = (1980, 1, 1, 0, 0, 0)
"""The date of every file of a zip, so that the same files give the same bytes."""
NEEDS = ("onnxruntime", "numpy", "pillow")
"""What the client imports."""


@dataclass(frozen=True, kw_only=True)
class PackOptions:
    """What a kit holds, and for which machine."""

    platform: str | None = None
    """A name of `headstart.deploy.kit.PLATFORMS`; that of this machine by default."""
    python: str | None = None
    """Of the machine, such as 3.12; the one that runs by default."""
    wheels: Path | None = None
    """A folder of wheels to take them from, in place of pip's index."""
    full: bool = False
    """Headstart itself with all that it needs and the optional parts that are installed here, and the model folder, in
    place of one ONNX file and a small client."""


DEFAULTS = PackOptions()


@dataclass(frozen=True, kw_only=True)
class Packed:
    """What was packed."""

    path: Path
    bytes: int
    """Of all parts."""
    target: Target
    full: bool
    wheels: tuple[Wheel, ...] = field(repr=False)
    fingerprint: str
    """The first 16 digits of the SHA-256 of the manifest, which holds the hashes of all parts."""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        target = {"platform": self.target.platform.name, "python": self.target.python}
        return plain(self, "path", "bytes", "full", "wheels", "fingerprint", target=target)


def pack(run: Path, out: Path | None = None, options: PackOptions = DEFAULTS) -> Packed:
    """Write the kit of the model of ``run``. Wheels are asked of pip's index, which is the one thing that is asked.

    Args:
        run: a run or model folder.
        out: a folder, or a file that ends in .zip, to write; by default a zip with the name of the run.
        options: what is packed.

    Raises:
        OptionError: ``out`` cannot be written, or is there and is no kit; no such machine; no wheels for it.
        ModelError, MissingPackageError: as `headstart.deploy.export.to_onnx`, and no pip.
    """
    name = run_name(run)
    path = out or Path(f"{name}-kit{ZIP}")
    target = Target.named(options.platform, options.python)
    _refuse(path, options, target)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as scratch:
        kit = Path(scratch) / "kit"
        kit.mkdir()
        _write_model(run, kit, full=options.full)
        needs = _all_of_it(Path(scratch)) if options.full else NEEDS
        wheels = fetch(needs, target, kit / WHEELS, options.wheels)
        write_text(kit / LOCK, lock(wheels))
        write_text(kit / README, readme(name, target, wheels, full=options.full))
        write_json(kit / MANIFEST, _manifest(name, kit, target, wheels, full=options.full))
        packed = Packed(
            path=path,
            bytes=sum(part.stat().st_size for part in _parts(kit)),
            target=target,
            full=options.full,
            wheels=wheels,
            fingerprint=sha256(kit / MANIFEST)[:16],
        )
        (_write_zip if path.suffix == ZIP else _write_folder)(kit, path)
    return packed


def _refuse(path: Path, options: PackOptions, target: Target) -> None:
    """Raise OptionError, before any work, for what cannot be packed or written."""
    if path.suffix == ZIP:
        check_files({"-o": path}, {"-o": MARK})
    else:
        parts = [PROGRAM, CLIENT, MODEL, DIRECTORY, README, LOCK, MANIFEST, WHEELS]
        refuse_unsafe(None, path, what=KIND, writes=parts)
    if options.full and not target.is_here:
        expected = "a machine and a Python like these, for what all of headstart needs differs from system to system"
        found, todo = f"Python {target.python} on {target.platform.name}", "pack it there, or without --full"
        raise OptionError.of("--full", expected=expected, found=found, todo=todo)
    if options.wheels is not None and not options.wheels.is_dir():
        found, todo = f"no folder {options.wheels}", "check the path"
        raise OptionError.of("--wheels", expected="a folder of wheels", found=found, todo=todo)


def _write_model(run: Path, kit: Path, *, full: bool) -> None:
    """The model, and the programs that travel with it."""
    programs = resources.files("headstart.report") / "kit"
    write_bytes(kit / PROGRAM, (programs / PROGRAM).read_bytes())
    if full:
        Model.load(run)  # which holds it against its golden pictures
        shutil.copytree(find_model(run), kit / DIRECTORY)
    else:
        write_bytes(kit / CLIENT, (programs / CLIENT).read_bytes())
        write_bytes(kit / MODEL, formats.to_onnx(run).content)


def _all_of_it(scratch: Path) -> tuple[str]:
    """Headstart itself, with the optional parts that are installed here, as pip takes it."""
    wheel = own_wheel(scratch)
    return (f"{wheel}[{','.join(installed_extras(wheel))}]",)


def _manifest(name: str, kit: Path, target: Target, wheels: tuple[Wheel, ...], *, full: bool) -> dict[str, Any]:
    """What the program of the kit goes by."""
    files = {part.relative_to(kit).as_posix(): sha256(part) for part in _parts(kit)}
    carried = [each for each in files if each in (CLIENT, MODEL) or each.startswith(f"{DIRECTORY}/")]
    answers = ["-m", "headstart", "predict", DIRECTORY] if full else [CLIENT]
    return {
        "kind": "headstart kit",
        "format": FORMAT,
        "name": name,
        "headstart": version("headstart"),
        "target": {**plain(target.platform, "sys_platform", "machines"), "platform": target.platform.name}
        | {"python": target.python},
        "installed": carried,
        "classify": answers,
        "verify": ["-m", "headstart", "verify", DIRECTORY] if full else [CLIENT, "--verify"],
        "wheels": [plain(wheel, "name", "version", "file", "licence") for wheel in wheels],
        "files": files,
    }


def _parts(kit: Path) -> Iterator[Path]:
    return (path for path in sorted(kit.rglob("*")) if path.is_file())


def _write_folder(kit: Path, path: Path) -> None:
    """Put the finished kit in place of what is there, whole or not at all."""
    claim(kit, KIND)
    if path.exists():
        exchange(kit, path)
    else:
        kit.rename(path)


def _write_zip(kit: Path, path: Path) -> None:
    with replacing(path) as unfinished, zipfile.ZipFile(unfinished, "w") as archive:
        for part in (kit / MANIFEST, *(each for each in _parts(kit) if each.name != MANIFEST)):
            entry = zipfile.ZipInfo(part.relative_to(kit).as_posix(), _BEGINNING)
            entry.external_attr = 0o644 << 16
            with part.open("rb") as source, archive.open(entry, "w", force_zip64=True) as written:
                shutil.copyfileobj(source, written)
