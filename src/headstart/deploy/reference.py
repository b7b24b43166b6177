"""What a run keeps of its training pictures, so that new ones can be held against them later.

::

    training/rows.safetensors   rows `last` of the training pictures, divided by their length, float16 (n, d);
                                labels (n,); out-of-fold probabilities (n, k); and of the pictures that the quoted
                                accuracy was measured on, probabilities (m, k) and labels (m,)
    training/pictures.json      the folder, names relative to it, and hashes of the files

This lies beside the model, not in it: it names the user's files and could tell whether a picture was among them. A
model directory can be given away without it; `explain` then shows no neighbours, and `watch` needs it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from headstart.abstain.novelty import FAMILIAR
from headstart.deploy.directory import write_tensors
from headstart.errors import ModelError, Problem
from headstart.evaluation.measured_on import MeasuredOn
from headstart.features.rows import unit
from headstart.files import plain, some, write_json
from headstart.schema import read_record
from headstart.untrusted import Tensors, read_json, read_tensors

if TYPE_CHECKING:  # what only training needs takes half a second to import
    from headstart.claims.measured import Measurement
    from headstart.features.table import FeatureTable
    from headstart.finetune.trial import Selection
    from headstart.probe.choice import Choice

FORMAT = 2
_TENSORS = ("rows", "y", "proba", "held_out_proba", "held_out_y")
MOST = 20_000
"""Rows that are kept, drawn at random from more: 50 MB at 1,280 numbers each."""


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Training pictures as a run remembers them; n of them, of k classes."""

    classes: tuple[str, ...]
    root: Path | None
    """The folder they were found in."""
    names: tuple[str, ...]
    """(n,) paths, relative to ``root`` where they lie below it."""
    digests: tuple[str, ...]
    """(n,) SHA-256 of each file."""
    rows: NDArray[np.float32] = field(repr=False)
    """(n, d) rows ``last`` of the pretrained network, of length 1."""
    y: NDArray[np.int64] = field(repr=False)
    """(n,) labels."""
    proba: NDArray[np.float32] | None = field(repr=False)
    """(n, k) probabilities of each, from a head that had not seen it; None where the network was fine-tuned."""
    held_out_proba: NDArray[np.float32] = field(repr=False)
    """(m, k) probabilities of the pictures that the quoted accuracy was measured on."""
    held_out_y: NDArray[np.int64] = field(repr=False)
    """(m,) their labels."""
    measured_on: MeasuredOn
    """What these are."""

    @classmethod
    def of(
        cls, table: FeatureTable, choice: Choice, selection: Selection, first: Measurement, *, seed: int
    ) -> Reference:
        """What is kept of the training pictures of the table; ``first`` is the measurement that is quoted."""
        images, train = table.images, table.images.in_split("train")
        index = train[kept := sample(len(train), seed=seed)]
        return cls(
            classes=images.classes,
            root=None if images.root is None else images.root.absolute(),
            names=relative_names([images.paths[i] for i in index], images.root),
            digests=tuple(images.digests[i] for i in index),
            rows=unit(table.through(selection.space, FAMILIAR, index)),
            y=images.y[index],
            proba=None if selection.fine_tuned else choice.proba[kept].astype(np.float32),
            held_out_proba=first.proba.astype(np.float32),
            held_out_y=images.y[first.index],
            measured_on=first.evaluation.measured_on,
        )

    def __len__(self) -> int:
        return len(self.names)

    def path(self, i: int) -> Path:
        """Where picture ``i`` was."""
        return Path(self.names[i]) if self.root is None else self.root / self.names[i]

    def nearest(self, row: NDArray[np.float32], count: int) -> list[tuple[int, float]]:
        """The pictures most like a row ``last`` (d,), most like it first, with the cosine between them (−1 to 1)."""
        cosines = self.rows @ unit(row[None])[0]
        return [(int(i), float(cosines[i])) for i in np.argsort(-cosines, kind="stable")[:count]]

    def save(self, folder: Path) -> None:
        """Write into ``folder``, the names last: what was cut off is not taken for whole."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "pictures.json").unlink(missing_ok=True)
        tensors = {name: getattr(self, name) for name in _TENSORS if getattr(self, name) is not None}
        write_tensors(folder / "rows.safetensors", {**tensors, "rows": self.rows.astype(np.float16)})
        document = {"format": FORMAT, **plain(self, "classes", "root", "names", "digests", "measured_on")}
        write_json(folder / "pictures.json", document, indent=1, ascii_only=True)  # any file name survives

    @classmethod
    def load(cls, run: Path) -> Reference:
        """What a run directory remembers, also given the ``model`` directory in it; raises ModelError if nothing."""
        folder = find_reference(run)
        if folder is None:
            raise ModelError.of(
                f"{run} does not remember its training pictures",
                expected="a run directory with training/pictures.json in it, as `headstart train … -o RUN` writes it",
                found="none",
                todo="give the run directory, not a copy of the model alone, or train again",
            )
        what, todo = f"{folder} is damaged", "train again"
        try:
            document = read_json(folder.parent, f"{folder.name}/pictures.json")
            tensors = read_tensors(folder.parent, f"{folder.name}/rows.safetensors")
        except ValueError as error:
            raise ModelError.of(what, expected="readable files", found=str(error), todo=todo) from error
        if isinstance(document, dict) and document.get("format", FORMAT) != FORMAT:
            other, found = f"{folder} was written by another version of headstart", f"format {document['format']}"
            raise ModelError.of(other, expected=f"format {FORMAT}", found=found, todo=todo)
        names = read_record(_Names, document, what, todo=todo, error=ModelError)
        if wrong := _misfits(names, tensors):
            raise ModelError(what, [Problem(expected=expected, found=found, todo=todo) for expected, found in wrong])
        parts = {**vars(names), "proba": None, **tensors, "rows": unit(tensors["rows"].astype(np.float32))}
        return cls(**{field.name: parts[field.name] for field in fields(cls)})

    def require(self, classes: Sequence[str], row: NDArray[np.float32]) -> None:
        """Raise ModelError unless it belongs to a model of these ``classes`` that gives rows ``last`` as this (d,)."""
        if (self.classes, self.rows.shape[1:]) != (tuple(classes), row.shape):
            raise ModelError.of(
                "what is remembered of the training pictures is of another model",
                expected=f"{some(classes)}, in rows of {len(row)}",
                found=f"{some(self.classes)}, in rows of {self.rows.shape[1]}",
                todo="copy the whole run directory again, or train again",
            )


@dataclass(frozen=True, kw_only=True)
class _Names:
    """What pictures.json says."""

    format: int
    classes: tuple[str, ...]
    root: Path | None
    names: tuple[str, ...]
    digests: tuple[str, ...]
    measured_on: MeasuredOn


def _misfits(names: _Names, tensors: Tensors) -> list[tuple[str, str]]:
    """What does not fit each other, as what was expected and what was found."""
    n, k = len(names.names), len(names.classes)
    m = len(tensors["held_out_y"]) if tensors.get("held_out_y", np.empty(())).ndim else 0
    d = tensors["rows"].shape[-1] if tensors.get("rows", np.empty(())).ndim else 0
    kinds = {"rows": ("f", (n, d)), "y": ("i", (n,)), "held_out_proba": ("f", (m, k)), "held_out_y": ("i", (m,))}
    wrong = [("a hash of every name", f"{len(names.digests)} of {n}")] if len(names.digests) != n else []
    for name, kind in {**kinds, **({"proba": ("f", (n, k))} if "proba" in tensors else {})}.items():
        value = tensors.get(name, np.empty(()))
        most = {"i": k - 1, "f": 1}[kind[0]]
        if (value.dtype.kind, value.shape) != kind or not (name == "rows" or ((value >= 0) & (value <= most)).all()):
            wrong.append((f"{name} {kind[1]} from 0 to {most}", f"{value.dtype} {value.shape}"))
    return wrong


def find_reference(run: Path) -> Path | None:
    """Where a run directory, or the one that a model directory lies in, remembers its pictures; None if it does not."""
    inside = (run / "model.json").is_file() and run.absolute().name == "model"
    folder = (run.absolute().parent if inside else run) / "training"
    return folder if (folder / "pictures.json").is_file() else None


def sample(count: int, *, seed: int = 0) -> NDArray[np.int64]:
    """Positions of the pictures that are kept of ``count``: all, or `MOST` at random, in their order."""
    if count <= MOST:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, MOST, replace=False))


def relative_names(paths: Sequence[Path], root: Path | None) -> tuple[str, ...]:
    """Paths as a reference keeps them: below ``root`` without it, others whole."""
    return tuple(
        str(path.relative_to(root)) if root is not None and path.is_relative_to(root) else str(path.absolute())
        for path in paths
    )
