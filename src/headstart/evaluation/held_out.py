"""Answers on labelled pictures that a model had not seen, kept with a run so that runs can be compared."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from headstart.arrays import Floats, Index, Labels, Mask
from headstart.errors import DataError
from headstart.evaluation.losses import correct
from headstart.evaluation.measured_on import MeasuredOn
from headstart.evaluation.metrics import Evaluation, evaluate
from headstart.files import below, original, some, write_csv
from headstart.images.folder import ImageSet
from headstart.untrusted import file_in

_COLUMNS = ("path", "label", "predicted", "sha256")


@dataclass(frozen=True, kw_only=True, eq=False)
class HeldOut:
    """Answers on n labelled pictures that a model had not seen."""

    classes: tuple[str, ...]
    names: tuple[str, ...]
    """Paths from where the pictures were scanned."""
    digests: tuple[str, ...]
    """SHA-256 of each picture's bytes."""
    labels: tuple[str, ...]
    proba: Floats
    """(n, k)"""

    @classmethod
    def of(cls, images: ImageSet, index: Index, proba: Floats) -> HeldOut:
        """The answers ``proba`` (n, k) on the pictures at the positions ``index`` (n,), in the order of their names."""
        part = images.subset(index)
        order = part.by_name
        part, proba = part.subset(order), proba[order]
        return cls(
            classes=images.classes,
            names=tuple(below(images.root, path) for path in part.paths),
            digests=part.digests,
            labels=tuple(images.classes[label] for label in part.y),
            proba=proba,
        )

    @property
    def correct(self) -> Mask:
        """(n,) whether the most probable class is the label."""
        return correct(self.proba, np.array([self.classes.index(label) for label in self.labels]))


@dataclass(frozen=True, kw_only=True, eq=False)
class AnsweredPart:
    """Some of the pictures of a set, with the answers of a model."""

    index: Index
    """(n,) positions."""
    proba: Floats
    """(n, k), or (repeats, n, k)."""
    measured_on: MeasuredOn

    def evaluation(self, images: ImageSet, counts: Labels, *, seed: int) -> Evaluation:
        """Measure the answers on ``images``.

        ``counts`` (k,) are the pictures of each class in training, for the majority baseline; ``seed`` is of the
        resampling behind one interval, see `headstart.evaluation.metrics.evaluate`.
        """
        part, majority = images.subset(self.index), int(counts.argmax())
        return evaluate(
            self.proba, part.y, images.classes, measured_on=self.measured_on, majority=majority,
            groups=part.groups, seed=seed,
        )  # fmt: skip


def write_held_out(path: Path, held_out: HeldOut) -> None:
    """Write ``path, label, predicted, sha256`` and a column per class, whole or not at all."""
    rows = (  # with every digit, so that what is read back gives the same answers
        [name, label, held_out.classes[int(proba.argmax())], digest, *map(repr, proba.tolist())]
        for name, label, digest, proba in zip(
            held_out.names, held_out.labels, held_out.digests, held_out.proba, strict=True
        )
    )
    write_csv(path, [*_COLUMNS, *held_out.classes], rows)


def read_held_out(path: Path) -> HeldOut:
    """The inverse of `write_held_out`.

    Raises:
        DataError: there is no such file, or it is of another kind.
    """
    what, todo = f"answers {path}", "train again: earlier versions did not keep the answers"
    expected = f"a table of {', '.join(_COLUMNS)} and a probability per class"
    try:
        with file_in(path.parent, path.name).open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            header, *rows = [[original(cell) for cell in line] for line in csv.reader(file)] or [[]]
        if tuple(header[:4]) != _COLUMNS or not rows:
            raise ValueError(f"the columns {some(header)} and {len(rows)} rows")
        if uneven := [str(line) for line, row in enumerate(rows, 2) if len(row) != len(header)]:
            raise ValueError(f"other columns in line {some(uneven)}")
        proba = np.array([[float(p) for p in row[4:]] for row in rows]).reshape(len(rows), len(header) - 4)
        if ((proba < 0) | (proba > 1)).any():  # not a number is the answer of a network that broke
            raise ValueError("probabilities below 0 or above 1")
        if unknown := {row[1] for row in rows} - set(header[4:]):
            raise ValueError(f"labels that have no column: {some(sorted(unknown))}")
    except (ValueError, csv.Error) as error:
        raise DataError.of(what, expected=expected, found=str(error), todo=todo) from error
    names, labels, _, digests = zip(*(row[:4] for row in rows), strict=True)
    return HeldOut(classes=tuple(header[4:]), names=names, digests=digests, labels=labels, proba=proba)
