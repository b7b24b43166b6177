"""Measure a saved model on labelled pictures that it was not trained on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from headstart.claims.alarms import alarms_of_figures
from headstart.claims.measured import Measurement, measure
from headstart.deploy.model import Model
from headstart.errors import DataError, ModelError, Problem
from headstart.evaluation.held_out import AnsweredPart
from headstart.evaluation.measured_on import SPLITS, MeasuredOn
from headstart.files import display
from headstart.images import record
from headstart.images.folder import ImageSet, scan
from headstart.images.formats.given import Given, Source
from headstart.images.walk import LeftOut
from headstart.progress import Progress
from headstart.report.alarms import alarm_lines
from headstart.report.words import measurement_document


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """What :func:`evaluate` measured."""

    measurement: Measurement
    known: tuple[Path, ...]
    """Pictures that the model was trained on, byte for byte: what is measured on them is too optimistic."""
    left_out: tuple[LeftOut, ...]
    """What could not be used."""

    @property
    def alarms(self) -> tuple[str, ...]:
        """What changes the meaning of the accuracy, to be said beside it."""
        evaluation = self.measurement.evaluation
        return alarm_lines(replace(alarms_of_figures(evaluation), known=len(self.known)), evaluation.classes)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            **measurement_document(self.measurement),
            "alarms": list(self.alarms),
            "known": [display(path) for path in self.known],
            "left_out": [{"path": display(out.path), "reason": out.reason} for out in self.left_out],
        }


def evaluate(model: Model, source: Source, *, run: Path | None = None, progress: Progress | None = None) -> Evaluated:
    """Measure ``model`` on labelled pictures.

    Of a source with splits, the test split is used, else the validation split. Classes are matched by name. ``run``,
    from which the model is, knows the pictures that it was trained on.

    Raises:
        DataError: a class that the model does not know, or no picture that can be read.
        ModelError: the model does not say how many pictures each class had in training.
    """
    if (counts := model.training.get("class_counts")) is None:
        what, expected = "the model cannot be evaluated", "how many pictures each class had in training"
        raise ModelError.of(what, expected=expected, found="training without class_counts", todo="train again")
    given = Given.of(source)
    images = scan(given, for_training=False)
    split: Literal["", "test", "val"] = next((split for split in SPLITS if (images.split == split).any()), "")
    others = bool(split and (images.split != split).any())
    images = images.subset(images.split == (split or "train"))
    to_model = _class_numbers(model, images, given)
    predictions = model.predict(images.paths, progress=progress)
    read = np.array([i for i, prediction in enumerate(predictions) if prediction.proba is not None], dtype=np.int64)
    unread = [(path, p.reason) for path, p in zip(images.paths, predictions, strict=True) if p.proba is None]
    left_out = (*(LeftOut(path, reason) for path, reason in unread), *images.left_out)
    if not len(read):
        todo = "see the reasons: " + "; ".join(f"{display(out.path)}: {out.reason}" for out in left_out)
        what, found = f"{display(given.address)} cannot be evaluated", "none that can be read"
        raise DataError.of(what, expected="pictures", found=found, todo=todo)
    measurement = measure(
        AnsweredPart(
            index=read,
            proba=np.array([predictions[i].proba for i in read])[None],
            measured_on=MeasuredOn(kind="pictures", n=len(read), source=given.title, split=split if others else ""),
        ),
        replace(images, y=to_model[images.y], classes=model.classes),
        model.abstention,
        np.array([counts[name] for name in model.classes]),
        new=True,
        novelty=np.array([predictions[i].novelty for i in read], np.float64) if model.abstention.novelty else None,
    )
    trained_on = frozenset() if run is None else record.trained_on(run)
    known = tuple(images.paths[i] for i in read if images.digests[i] in trained_on)
    return Evaluated(measurement=measurement, known=known, left_out=left_out)


def _class_numbers(model: Model, images: ImageSet, source: Given) -> np.ndarray:
    """(classes of the images,) their numbers in the model."""
    known = ", ".join(model.classes)
    problems = [
        Problem(
            expected=f"classes of the model: {known}", found=name, todo="rename this class, or leave its pictures out"
        )
        for name in images.classes
        if name not in model.classes
    ]
    if problems:
        raise DataError(f"{display(source.address)} does not fit the model", problems)
    return np.array([model.classes.index(name) for name in images.classes])
