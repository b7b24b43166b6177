"""A model directory: where it is, what is in it, whether it is whole; written whole or not at all."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from numpy.typing import NDArray

from headstart.backbones.saved import changed_files, wrong_types
from headstart.errors import ModelError, OptionError, Problem
from headstart.files import replacing, sha256, write_json
from headstart.images.labels import restored
from headstart.images.transforms import Geometry

SCHEMA = 3
DOCUMENT, HEAD, ABSTENTION = "model.json", "head.safetensors", "abstention.safetensors"
DERIVED = ("graph.json", "graph.xml", "graph.bin")
"""Made from the network: a directory that has none of them is whole."""

Tensors = dict[str, NDArray[Any]]

COPY = "copy the whole directory again, or train again"
_FIELDS = {
    "classes": list, "label_dtype": str, "backbone": dict, "geometry": dict, "output": str, "temperature": float,
    "abstention": dict, "runtime": str, "training": dict, "golden": dict, "golden_f32": dict, "files": dict,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Document:
    """What model.json says; every field is of the type it should be."""

    classes: tuple[str, ...]
    label_dtype: str
    """NumPy's name for the type of the labels of which ``classes`` are the text."""
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
    raise ModelError.of(
        f"{folder} is not a model",
        expected="a model directory, or a run directory that holds one in model/",
        found="no such folder" if not folder.exists() else f"no {DOCUMENT} in {folder} or {folder / 'model'}",
        todo="give the folder that `headstart train … -o RUN` wrote",
    )


@contextmanager
def replacing_model(folder: Path) -> Iterator[Path]:
    """A new directory to write in place of ``folder``, which is there whole or not at all.

    Raises:
        ModelError: ``folder`` is a file, or holds other things than a model.
    """
    new_folder = not folder.exists() or (
        folder.is_dir() and all(path.name.startswith(".") for path in folder.iterdir())
    )
    if not new_folder and not all((folder / name).is_file() for name in (DOCUMENT, HEAD)):
        found, todo = f"{folder}, which is neither", "choose another name: it would be replaced"
        expected = "a new folder, or that of a model"
        raise ModelError.of("where to save the model", expected=expected, found=found, todo=todo)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
        new = Path(scratch) / "new"
        new.mkdir()
        yield new
        if folder.exists():
            folder.rename(Path(scratch) / "old")
        new.rename(folder)


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
        what, found = f"{path.parent} is damaged", f"{type(error).__name__}: {error}"
        raise ModelError.of(what, expected=f"tensors in {path.name}", found=found, todo=COPY) from error


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
    damaged = f"{folder / DOCUMENT} is damaged"
    try:
        document = json.loads((folder / DOCUMENT).read_text(encoding="utf-8"))
        schema = document["schema"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        todo = f"restore {DOCUMENT} or train again"
        raise ModelError.of(damaged, expected="a JSON document", found=str(error), todo=todo) from error
    if schema != SCHEMA:
        newer = isinstance(schema, int) and schema > SCHEMA
        what = f"{folder} was written by another version of headstart"
        todo = "upgrade headstart" if newer else "train again with this version"
        raise ModelError.of(what, expected=f"schema {SCHEMA}", found=f"schema {schema}", todo=todo)
    if problems := wrong_types(document, _FIELDS, todo=COPY) or _problems(document):
        raise ModelError(damaged, problems)
    if problems := _problems_of_files(folder, document["files"]):
        raise ModelError(f"{folder} is damaged or incomplete", problems)
    try:
        geometry = Geometry.from_document(document["geometry"])
    except (OptionError, TypeError, ValueError, AttributeError) as error:
        raise ModelError.of(damaged, expected="a geometry of pictures", found=str(error), todo=COPY) from error
    fields = {name: document[name] for name in _FIELDS}
    return Document(**{**fields, "classes": tuple(document["classes"]), "geometry": geometry})


def _problems(document: Mapping[str, Any]) -> list[Problem]:
    """Fields of model.json that do not fit each other."""
    classes, golden, golden_f32 = document["classes"], document["golden"], document["golden_f32"]
    names = len(classes) > 1 and all(isinstance(name, str) for name in classes) and len(set(classes)) == len(classes)
    same = bool(golden) and golden.keys() == golden_f32.keys()
    conditions = [
        (names, "classes: different names", repr(classes)),
        (
            names and _are_labels(classes, document["label_dtype"]),
            "label_dtype: the type of the classes",
            document["label_dtype"],
        ),
        (document["temperature"] > 0, "a temperature above 0", str(document["temperature"])),
        (same, "golden, golden_f32: the same pictures", "others"),
    ]
    for field in ("golden", "golden_f32"):
        for name, proba in document[field].items():
            numbers = isinstance(proba, list) and all(isinstance(p, float | int) for p in proba)
            fits = f"golden/{name}" in document["files"] and numbers and len(proba) == len(classes)
            expected = f"{field}: a picture of the model and {len(classes)} probabilities"
            conditions.append((fits, expected, f"{name}: {proba!r}"))
    return [
        Problem(expected=expected, found=found[:100], todo=COPY) for holds, expected, found in conditions if not holds
    ]


def _are_labels(names: list[str], dtype: str) -> bool:
    try:
        return [str(label) for label in restored(names, dtype).tolist()] == names
    except (TypeError, ValueError):
        return False


def _problems_of_files(folder: Path, files: Mapping[str, Any]) -> list[Problem]:
    """Files that are missing, changed or outside ``folder``. A graph may be missing whole: it is derived."""
    derived = any((folder / name).is_file() for name in DERIVED)
    paths = {name: PurePosixPath(name) for name in sorted({HEAD, *files})}
    outside = [name for name, path in paths.items() if path.is_absolute() or ".." in path.parts]
    inside = {name: files.get(name) for name in paths if name not in outside and (derived or name not in DERIVED)}
    elsewhere = [Problem(expected="files inside the directory", found=name, todo=COPY) for name in outside]
    return elsewhere + changed_files(folder, inside, todo=COPY)
