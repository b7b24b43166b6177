"""A trained model as a directory: JSON, safetensors and the compiled network, no pickle, nothing else needed.

::

    model.json          classes, preprocessing, calibration, versions, hashes of the other files, golden answers
    head.safetensors    weight (d, k), bias (k,)
    abstention.safetensors what is familiar, and how probable each class was held for its own pictures
    graph.*             the frozen network, with its normalisation
    golden/             pictures drawn by us, and in model.json the probabilities they must give

Loading checks the hashes and runs the golden pictures through the whole path, from file to probability. A model
that loads gives the answers it gave when it was trained.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.abstain.abstention import Abstention, Judgement
from headstart.abstain.costs import read_costs
from headstart.backbones.runtime import Runtime, open_graph
from headstart.backbones.space import Space
from headstart.backbones.weights import sha256
from headstart.errors import ModelError, Problem, writing
from headstart.features.extract import extract
from headstart.images.decode import encode
from headstart.images.transforms import Geometry, View
from headstart.probe.heads import LinearHead
from headstart.progress import Progress, Silent

SCHEMA = 3
SAME_RUNTIME_TOLERANCE = 1e-3
OTHER_RUNTIME_TOLERANCE = 2e-2  # bfloat16 against float32; measured cosine of features 0.9992
FAMILIAR = "last"
"""The kind of row by which a picture is familiar or not; there is one at every input size, whatever the head reads."""
ANSWERED_TOGETHER = 64  # pictures; distances cost one pass over a few megabytes, for one picture or for many


@dataclass(frozen=True, kw_only=True)
class Prediction(Judgement):
    """The answer for one picture: probabilities and what is to be said about them, or the reason why there are none."""

    path: Path
    proba: NDArray[np.float64] | None
    """(k,) calibrated probabilities in the order of the model's classes."""
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Model:
    """A classifier as it is used: one way from a file to probabilities, the same as in training."""

    classes: tuple[str, ...]
    space: Space
    output: str
    head: LinearHead
    backbone: Mapping[str, Any]
    """Name, licence, source and hash of the pretrained weights."""
    training: Mapping[str, Any] = field(default_factory=dict)
    """What the model was trained on: class counts, fingerprint, seed, strength."""
    notes: tuple[str, ...] = ()
    abstention: Abstention = field(default_factory=Abstention)
    """When not to rely on an answer; one that knows nothing says nothing."""

    def predict(
        self, paths: Sequence[Path], *, coverage: float | None = None, progress: Progress | None = None
    ) -> list[Prediction]:
        """One Prediction per path, in the order given.

        ``coverage``, 0 to 1, is how often the true class is to be among the label set; 0.9 unless told otherwise.
        Raises OptionError if the model cannot have it.
        """
        self.abstention.require(coverage)
        predictions: dict[int, Prediction] = {}
        waiting: dict[int, Mapping[str, NDArray[np.float32]]] = {}
        with (progress or Silent()).stage("predicting", len(paths)) as advance:
            for i, rows in extract(paths, self.space):
                if isinstance(rows, str):
                    predictions[i] = Prediction(path=paths[i], proba=None, reason=rows)
                else:
                    waiting[i] = rows[View.CENTRE]
                if len(waiting) == ANSWERED_TOGETHER:
                    predictions.update(self._answers(paths, waiting, coverage))
                    waiting = {}
                advance(len(predictions) + len(waiting))
        predictions.update(self._answers(paths, waiting, coverage))
        return [predictions[i] for i in range(len(paths))]

    def _answers(
        self, paths: Sequence[Path], rows: Mapping[int, Mapping[str, NDArray[np.float32]]], coverage: float | None
    ) -> dict[int, Prediction]:
        """Predictions by position, from all the rows of each picture."""
        if not rows:
            return {}
        proba = self.head.predict_proba(np.stack([row[self.output] for row in rows.values()]))
        familiar = np.stack([row[FAMILIAR] for row in rows.values()])
        judgements = self.abstention.judge(proba, familiar, coverage=coverage)
        return {
            i: Prediction(path=paths[i], proba=p, **vars(judgement))
            for i, p, judgement in zip(rows, proba, judgements, strict=True)
        }

    def with_costs(self, path: Path) -> Model:
        """The same model, deciding by the costs in this file; raises OptionError with all that is wrong with it."""
        return replace(self, abstention=replace(self.abstention, costs=read_costs(path, self.classes)))

    def save(self, folder: Path) -> None:
        """Write the model directory whole or not at all; a model that was there is replaced.

        Raises:
            ModelError: ``folder`` is a file, or holds other things than a model.
        """
        folder = Path(folder)
        _check_replaceable(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
            new = Path(scratch) / "new"
            new.mkdir()
            self._write(new)
            if folder.exists():
                folder.rename(Path(scratch) / "old")
            new.rename(folder)

    def _write(self, folder: Path) -> None:
        from safetensors.numpy import save_file

        with writing(folder / "head.safetensors") as file:
            save_file({"weight": self.head.weight, "bias": self.head.bias}, file)
        if kept := self.abstention.tensors():
            with writing(folder / "abstention.safetensors") as file:
                save_file(kept, file)
        self.space.runtime.save(folder)
        (folder / "golden").mkdir()
        for name, data in golden_pictures().items():
            (folder / "golden" / name).write_bytes(data)
        pictures = sorted((folder / "golden").iterdir())
        answers = {p.path.name: _answer(p) for p in self.predict(pictures)}
        document = {
            "schema": SCHEMA,
            "classes": list(self.classes),
            "backbone": dict(self.backbone),
            "geometry": self.space.geometry.to_dict(),
            "output": self.output,
            "temperature": self.head.temperature,
            "abstention": self.abstention.to_dict(),
            "runtime": self.space.runtime.name,
            "training": dict(self.training),
            "versions": versions(),
            "golden": answers,
            "files": {name: sha256(folder / name) for name in _files(folder)},
        }
        (folder / "model.json").write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path | str, *, batch: int = 16) -> Model:
        """Open a model directory, or a run directory that holds one; raises ModelError if anything is amiss.

        ``batch`` is the number of pictures that go through the network at once; it changes no value.
        """
        from safetensors.numpy import load_file

        folder = find_model(Path(folder))
        document = _read_document(folder)
        _check_files(folder, document)
        geometry = Geometry.from_dict(document["geometry"])
        runtime = open_graph(folder, size=geometry.size, batch=batch)
        tensors = load_file(folder / "head.safetensors")
        abstention_file = folder / "abstention.safetensors"
        kept = load_file(abstention_file) if abstention_file.name in document["files"] else {}
        model = cls(
            classes=tuple(document["classes"]),
            space=Space(runtime=runtime, geometry=geometry),
            output=document["output"],
            head=LinearHead(weight=tensors["weight"], bias=tensors["bias"], temperature=document["temperature"]),
            backbone=document["backbone"],
            training=document["training"],
            notes=_runtime_notes(runtime, document["runtime"]),
            abstention=Abstention.from_parts(document["abstention"], kept, document["classes"]),
        )
        model._check_golden(folder, document)
        return model

    def _check_golden(self, folder: Path, document: Mapping[str, Any]) -> None:
        same = self.space.runtime.name == document["runtime"]
        tolerance = SAME_RUNTIME_TOLERANCE if same else OTHER_RUNTIME_TOLERANCE
        problems = []
        for prediction in self.predict([folder / "golden" / name for name in document["golden"]]):
            name = prediction.path.name
            expected = np.array(document["golden"][name])
            difference = np.abs(np.array(_answer(prediction)) - expected).max()
            if not difference <= tolerance:
                problems.append(
                    Problem(
                        expected=f"golden/{name} gives {np.round(expected, 4).tolist()} within {tolerance}",
                        found=f"a difference of {difference:.4f} {prediction.reason}".rstrip(),
                        todo="train again here, or use the versions named in model.json",
                    )
                )
        if problems:
            raise ModelError(f"{folder} does not give the answers it gave when it was trained", problems)


def find_model(folder: Path) -> Path:
    """The model directory in ``folder``: itself, or ``folder/model`` of a run."""
    for candidate in (folder, folder / "model"):
        if (candidate / "model.json").is_file():
            return candidate
    problem = Problem(
        expected="a model directory, or a run directory that holds one in model/",
        found="no such folder" if not folder.exists() else f"no model.json in {folder} or {folder / 'model'}",
        todo="give the folder that `headstart train … -o RUN` wrote",
    )
    raise ModelError(f"{folder} is not a model", [problem])


def _check_replaceable(folder: Path) -> None:
    """Raises ModelError unless ``folder`` is new, empty but for hidden files, or a model, whole or damaged."""
    if not folder.exists() or (folder.is_dir() and all(entry.name.startswith(".") for entry in folder.iterdir())):
        return
    if not all((folder / name).is_file() for name in ("model.json", "head.safetensors")):
        todo = "choose another name: it would be replaced"
        problem = Problem(expected="a new folder, or that of a model", found=f"{folder}, which is neither", todo=todo)
        raise ModelError("where to save the model", [problem])


def _read_document(folder: Path) -> dict[str, Any]:
    try:
        document = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        schema = document["schema"]
    except (ValueError, KeyError, TypeError) as error:
        problem = Problem(expected="a JSON document", found=str(error), todo="restore model.json or train again")
        raise ModelError(f"{folder / 'model.json'} is damaged", [problem]) from error
    if schema != SCHEMA:
        todo = "upgrade headstart" if schema > SCHEMA else "train again with this version"
        problem = Problem(expected=f"schema {SCHEMA}", found=f"schema {schema}", todo=todo)
        raise ModelError(f"{folder} was written by another version of headstart", [problem])
    return dict(document)


def _check_files(folder: Path, document: Mapping[str, Any]) -> None:
    problems = []
    for name, expected in document["files"].items():
        found = sha256(folder / name) if (folder / name).is_file() else "no such file"
        if found != expected:
            todo = "copy the whole directory again, or train again"
            problems.append(Problem(expected=f"{name} with SHA-256 {expected}", found=found, todo=todo))
    if problems:
        raise ModelError(f"{folder} is damaged or incomplete", problems)


def _runtime_notes(runtime: Runtime, trained_with: str) -> tuple[str, ...]:
    if runtime.name == trained_with:
        return runtime.notes
    return (*runtime.notes, f"Trained with {trained_with}, runs here with {runtime.name}.")


def _answer(prediction: Prediction) -> list[float]:
    return [float("nan")] if prediction.proba is None else [float(p) for p in prediction.proba]


def _files(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder).as_posix()) for p in folder.rglob("*") if p.is_file())


def versions() -> dict[str, str]:
    """Versions of headstart and of the packages that take part in a prediction."""
    found = {}
    for package in ("headstart", "numpy", "openvino", "pillow", "safetensors"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def golden_pictures() -> dict[str, bytes]:
    """Four pictures drawn by formula, as files: ``{name: bytes}``. Between them they pass through every step of
    decoding and geometry: JPEG at a scale where draft decoding applies, transparency, one channel, a tall format.
    """
    y, x = np.mgrid[0:600, 0:900].astype(np.float64)
    wave = 127.5 + 127.5 * np.sin(x / 37.0) * np.cos(y / 23.0)
    disc = np.hypot(x - 450.0, y - 300.0)
    colour = np.stack([wave, 255.0 * x / 899.0, np.where(disc < 180.0, 230.0, 40.0)], axis=-1).astype(np.uint8)
    rings = (127.5 + 127.5 * np.sin(disc[:320, 290:610] / 6.0)).astype(np.uint8)
    alpha = np.dstack([colour[:320, :320], rings])
    tall = np.ascontiguousarray(colour[:, 300:500])
    return {
        "colour.jpg": encode(colour, format="JPEG", quality=90),
        "rings.png": encode(np.repeat(rings[..., None], 3, axis=-1), format="PNG"),
        "transparent.png": encode(alpha, format="PNG"),
        "tall.jpg": encode(tall, format="JPEG", quality=75),
    }


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write JSON so that a reader sees the old file or the new one, never a part."""
    scratch = path.with_name(f".{path.name}-{os.getpid()}")
    scratch.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    shutil.move(scratch, path)
