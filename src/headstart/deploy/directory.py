"""A model directory: where it is, what is in it, whether it is whole; written whole or not at all."""

from __future__ import annotations

import reprlib
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart import untrusted
from headstart.abstain.abstention import Kept
from headstart.backbones import saved
from headstart.backbones.saved import changed_files
from headstart.errors import ModelError, Problem
from headstart.files import digest, display, replacing, sha256, write_json
from headstart.images.labels import restored
from headstart.images.transforms import Geometry
from headstart.schema import LARGEST_INTEGER, read_record
from headstart.untrusted import Tensors

SCHEMA = 4
DOCUMENT, HEAD, ABSTENTION = "model.json", "head.safetensors", "abstention.safetensors"
DERIVED = ("graph.json", "graph.xml", "graph.bin")
"""Made from the network: a directory that has none of them is whole."""
ALWAYS = (HEAD, saved.DOCUMENT, saved.TENSORS)
MOST_GOLDEN = 16
"""Golden pictures. Chosen: each is answered whenever the model is loaded; four are written."""

COPY = "copy the whole directory again, or train again"
_CHANGED = Problem(expected=f"{DOCUMENT} as it was written", found="another checksum: it was changed", todo=COPY)


@dataclass(frozen=True, kw_only=True)
class Document:
    """What model.json says."""

    schema: int
    classes: tuple[str, ...]
    label_dtype: str
    """NumPy's name for the type of the labels of which ``classes`` are the text."""
    backbone: Mapping[str, str]
    geometry: Geometry
    output: str
    temperature: float
    abstention: Kept
    runtime: str
    """What ran the network when the model was saved."""
    training: Mapping[str, Any]
    versions: Mapping[str, str]
    golden: Mapping[str, tuple[float, ...]]
    """By name of a picture the probabilities (k,) that ``runtime`` gave."""
    golden_f32: Mapping[str, tuple[float, ...]]
    """The same in float32."""
    files: Mapping[str, str]
    """SHA-256 of every other file, by path below the directory."""
    checksum: str
    """`digest` of all else that is said here: classes in another order are as wrong as other weights."""


def find_model(folder: Path) -> Path:
    """The model directory in ``folder``: itself, or ``folder/model`` of a run.

    Of a run that goes on it is that of the state which is there now; one that follows has another.
    """
    found = f"no {DOCUMENT} in {folder} or {folder / 'model'}" if folder.exists() else "no such folder"
    for candidate in (folder, folder / "model"):
        try:
            found_in = untrusted.file_in(folder, (candidate / DOCUMENT).relative_to(folder).as_posix()).parent
            return found_in.resolve() if found_in.is_symlink() else found_in
        except ValueError as error:
            if (candidate / DOCUMENT).exists():
                found = f"{candidate / DOCUMENT}, {error}"
    raise ModelError.of(
        f"{folder} is not a model",
        expected="a model directory, or a run directory that holds one in model/",
        found=found,
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


def read_tensors(folder: Path, name: str) -> Tensors:
    """The arrays of a safetensors file of ``folder`` by name; raises ModelError if it is none."""
    try:
        return untrusted.read_tensors(folder, name)
    except ValueError as error:
        expected, found = f"tensors in {name}", str(error)
        raise ModelError.of(f"{folder} is damaged", expected=expected, found=found, todo=COPY) from error


def write_document(folder: Path, fields: Mapping[str, Any]) -> None:
    """Write model.json, with the schema and the hashes of all the files that are there, which makes a model of them."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    files = {path.relative_to(folder).as_posix(): sha256(path) for path in paths}
    document = {"schema": SCHEMA, **fields, "files": files}
    write_json(folder / DOCUMENT, {**document, "checksum": digest(document)})


def read(folder: Path) -> Document:
    """What model.json says, after a look at every file it names.

    Raises:
        ModelError: damaged, of another schema, or of files that are missing, changed or elsewhere; all are listed.
    """
    damaged = f"{folder / DOCUMENT} is damaged"
    try:
        document = untrusted.read_json(folder, DOCUMENT)
    except ValueError as error:
        todo = f"restore {DOCUMENT} or train again"
        raise ModelError.of(damaged, expected="a JSON document", found=str(error), todo=todo) from error
    schema = document.get("schema", SCHEMA) if isinstance(document, dict) else SCHEMA
    if schema != SCHEMA:
        newer = isinstance(schema, int) and schema > SCHEMA
        what = f"{folder} was written by another version of headstart"
        todo = "upgrade headstart" if newer else "train again with this version"
        raise ModelError.of(what, expected=f"schema {SCHEMA}", found=f"schema {schema}", todo=todo)
    described = read_record(Document, document, damaged, todo=COPY, error=ModelError)
    said = {name: value for name, value in document.items() if name != "checksum"}
    changed = [] if digest(said) == described.checksum else [_CHANGED]
    if problems := [*changed, *_problems(described), *_problems_of_files(folder, described.files)]:
        raise ModelError(f"{folder} is damaged or incomplete", problems)
    return described


def _problems(document: Document) -> list[Problem]:
    """Fields of model.json that do not fit each other."""
    classes, golden, counts = document.classes, document.golden, document.training.get("class_counts")
    same = 0 < len(golden) <= MOST_GOLDEN and golden.keys() == document.golden_f32.keys()
    counted = isinstance(counts, dict) and {*counts} == {*classes} and all(map(_is_count, counts.values()))
    uncounted = "class_counts" not in document.training
    conditions = [
        (1 < len(classes) == len(set(classes)), "classes: different names, two or more", classes),
        (_are_labels(classes, document.label_dtype), "label_dtype: the type of the classes", document.label_dtype),
        (document.temperature > 0, "a temperature above 0", document.temperature),
        (same, f"golden, golden_f32: the same pictures, 1 to {MOST_GOLDEN}", list(golden)),
        (counted or uncounted, "training.class_counts: how many pictures each class had", counts),
    ]
    for field in ("golden", "golden_f32"):
        for name, proba in getattr(document, field).items():
            fits = f"golden/{name}" in document.files and len(proba) == len(classes)
            expected = f"{field}: a picture of the model and {len(classes)} probabilities"
            conditions.append((fits, expected, (name, *proba)))
    return [
        Problem(expected=expected, found=reprlib.repr(found), todo=COPY)
        for holds, expected, found in conditions
        if not holds
    ]


def _are_labels(names: tuple[str, ...], dtype: str) -> bool:
    try:
        return tuple(str(label) for label in restored(names, dtype).tolist()) == names
    except (TypeError, ValueError, OverflowError):
        return False


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= LARGEST_INTEGER


def _problems_of_files(folder: Path, files: Mapping[str, str]) -> list[Problem]:
    """Files that are missing, changed or outside ``folder``. A graph may be missing whole: it is derived."""
    derived = {*DERIVED} if any((folder / name).exists() for name in DERIVED) else set()
    names = sorted({*ALWAYS, *derived, *files} - ({*DERIVED} - derived))
    outside = [name for name in names if untrusted.leads_out(name)]
    inside = {name: files[name] for name in names if name in files and name not in outside}
    unlisted = [
        Problem(expected=f"the hash of {name} in files", found="none", todo=COPY) for name in names if name not in files
    ]
    elsewhere = [Problem(expected="files inside the directory", found=display(name), todo=COPY) for name in outside]
    return [*unlisted, *elsewhere, *changed_files(folder, inside, todo=COPY)]
