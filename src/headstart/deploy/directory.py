"""A model directory: where it is, what is in it, whether it is whole; written whole or not at all."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.errors import ModelError, OptionError, Problem
from headstart.files import replacing, sha256, write_json
from headstart.images.transforms import Geometry

SCHEMA = 3
DOCUMENT, HEAD, ABSTENTION = "model.json", "head.safetensors", "abstention.safetensors"
DERIVED = ("graph.json", "graph.xml", "graph.bin")
"""Made from the network: a directory that has none of them is whole."""

Tensors = dict[str, NDArray[Any]]

_COPY = "copy the whole directory again, or train again"
_FIELDS: Mapping[str, tuple[type, ...]] = {
    "classes": (list,),
    "backbone": (dict,),
    "geometry": (dict,),
    "output": (str,),
    "temperature": (float, int),
    "abstention": (dict,),
    "runtime": (str,),
    "training": (dict,),
    "golden": (dict,),
    "golden_f32": (dict,),
    "files": (dict,),
}


@dataclass(frozen=True, kw_only=True)
class Document:
    """What model.json says; every field is of the type it should be."""

    classes: tuple[str, ...]
    backbone: Mapping[str, Any]
    geometry: Geometry
    output: str
    temperature: float
    abstention: Mapping[str, Any]
    runtime: str
    """What ran the network when the model was saved."""
    training: Mapping[str, Any]
    golden: Mapping[str, list[float]]
    """By name of a picture the probabilities (k,) that ``runtime`` gave."""
    golden_f32: Mapping[str, list[float]]
    """The same in float32."""
    files: Mapping[str, str]
    """SHA-256 of every other file, by path below the directory."""


def find_model(folder: Path) -> Path:
    """The model directory in ``folder``: itself, or ``folder/model`` of a run."""
    for candidate in (folder, folder / "model"):
        if (candidate / DOCUMENT).is_file():
            return candidate
    problem = Problem(
        expected="a model directory, or a run directory that holds one in model/",
        found="no such folder" if not folder.exists() else f"no {DOCUMENT} in {folder} or {folder / 'model'}",
        todo="give the folder that `headstart train … -o RUN` wrote",
    )
    raise ModelError(f"{folder} is not a model", [problem])


@contextmanager
def replacing_model(folder: Path) -> Iterator[Path]:
    """A new directory to write in place of ``folder``, which is there whole or not at all.

    Raises:
        ModelError: ``folder`` is a file, or holds other things than a model.
    """
    _check_replaceable(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
        new = Path(scratch) / "new"
        new.mkdir()
        yield new
        if folder.exists():
            folder.rename(Path(scratch) / "old")
        new.rename(folder)


def _check_replaceable(folder: Path) -> None:
    """Raises ModelError unless ``folder`` is new, empty but for hidden files, or a model, whole or damaged."""
    if not folder.exists() or (folder.is_dir() and all(entry.name.startswith(".") for entry in folder.iterdir())):
        return
    if not all((folder / name).is_file() for name in (DOCUMENT, HEAD)):
        todo = "choose another name: it would be replaced"
        problem = Problem(expected="a new folder, or that of a model", found=f"{folder}, which is neither", todo=todo)
        raise ModelError("where to save the model", [problem])


def write_tensors(path: Path, tensors: Tensors) -> None:
    """Write a safetensors file, readable by everybody whom the umask lets."""
    from safetensors.numpy import save_file

    with replacing(path) as file:
        save_file(tensors, file)


def read_tensors(path: Path) -> Tensors:
    """The arrays of a safetensors file by name; raises ModelError if it is none."""
    from safetensors.numpy import load_file

    try:
        return load_file(path)
    except Exception as error:  # the file's library raises its own kind
        problem = Problem(expected=f"tensors in {path.name}", found=f"{type(error).__name__}: {error}", todo=_COPY)
        raise ModelError(f"{path.parent} is damaged", [problem]) from error


def write_document(folder: Path, fields: Mapping[str, Any]) -> None:
    """Write model.json, with the schema and the hashes of all the files that are there, which makes a model of them."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    files = {path.relative_to(folder).as_posix(): sha256(path) for path in paths}
    write_json(folder / DOCUMENT, {"schema": SCHEMA, **fields, "files": files})


def read(folder: Path) -> Document:
    """What model.json says, after a look at every file it names.

    Raises:
        ModelError: damaged, of another schema, or of files that are missing, changed or elsewhere; all are listed.
    """
    try:
        document = json.loads((folder / DOCUMENT).read_text(encoding="utf-8"))
        schema = document["schema"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        problem = Problem(expected="a JSON document", found=str(error), todo=f"restore {DOCUMENT} or train again")
        raise ModelError(f"{folder / DOCUMENT} is damaged", [problem]) from error
    if schema != SCHEMA:
        newer = isinstance(schema, int) and schema > SCHEMA
        todo = "upgrade headstart" if newer else "train again with this version"
        problem = Problem(expected=f"schema {SCHEMA}", found=f"schema {schema}", todo=todo)
        raise ModelError(f"{folder} was written by another version of headstart", [problem])
    if problems := _problems(document):
        raise ModelError(f"{folder / DOCUMENT} is damaged", problems)
    if problems := _problems_of_files(folder, document["files"]):
        raise ModelError(f"{folder} is damaged or incomplete", problems)
    try:
        geometry = Geometry(**document["geometry"])
    except (OptionError, TypeError) as error:
        problem = Problem(expected="a geometry of pictures", found=str(error), todo=_COPY)
        raise ModelError(f"{folder / DOCUMENT} is damaged", [problem]) from error
    fields = {name: document[name] for name in _FIELDS}
    return Document(**{**fields, "classes": tuple(document["classes"]), "geometry": geometry})


def _problems(document: Mapping[str, Any]) -> list[Problem]:
    """Fields of model.json that are missing, of another type, or that do not fit each other."""
    problems = [
        Problem(expected=f"{name}: {kinds[0].__name__}", found=repr(document.get(name))[:100], todo=_COPY)
        for name, kinds in _FIELDS.items()
        if type(document.get(name)) not in kinds
    ]
    if problems:
        return problems
    classes = document["classes"]
    if len(classes) < 2 or not all(isinstance(name, str) for name in classes) or len(set(classes)) < len(classes):
        problems.append(Problem(expected="classes: different names", found=repr(classes)[:100], todo=_COPY))
    if not document["temperature"] > 0:
        found = str(document["temperature"])
        problems.append(Problem(expected="a temperature above 0", found=found, todo=_COPY))
    if not document["golden"] or document["golden"].keys() != document["golden_f32"].keys():
        problems.append(Problem(expected="golden, golden_f32: the same pictures", found="others", todo=_COPY))
    for field in ("golden", "golden_f32"):
        for name, proba in document[field].items():
            numbers = isinstance(proba, list) and all(isinstance(p, float | int) for p in proba)
            if f"golden/{name}" not in document["files"] or not numbers or len(proba) != len(classes):
                expected = f"{field}: a picture of the model and {len(classes)} probabilities"
                problems.append(Problem(expected=expected, found=f"{name}: {proba!r}"[:100], todo=_COPY))
    return problems


def _problems_of_files(folder: Path, files: Mapping[str, Any]) -> list[Problem]:
    """Files that are missing, changed or outside ``folder``. A graph may be missing whole: it is derived."""
    derived = any((folder / name).is_file() for name in DERIVED)
    problems = []
    for name in sorted({HEAD, *files}):
        expected, place = files.get(name), PurePosixPath(name)
        if place.is_absolute() or ".." in place.parts:
            problems.append(Problem(expected="files inside the directory", found=name, todo=_COPY))
        elif name not in DERIVED or derived:
            found = sha256(folder / name) if (folder / name).is_file() else "no such file"
            if found != expected:
                problems.append(Problem(expected=f"{name} with SHA-256 {expected}", found=found, todo=_COPY))
    return problems


def check_head(weight: Any, bias: Any, *, num_classes: int, width: int | None, folder: Path) -> None:
    """Raises ModelError unless ``weight`` (width, num_classes) and ``bias`` (num_classes,) are float32 arrays."""
    shapes = (getattr(weight, "shape", None), getattr(bias, "shape", None))
    floats = all(getattr(tensor, "dtype", None) == np.float32 for tensor in (weight, bias))
    if shapes != ((width, num_classes), (num_classes,)) or not floats:
        expected = f"a weight ({width}, {num_classes}) and a bias ({num_classes},) in float32"
        raise ModelError(f"{folder / HEAD} does not fit", [Problem(expected=expected, found=str(shapes), todo=_COPY)])
