"""New pictures without labels: are they still like the training pictures, how many answers are right, what to label."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.deploy.model import Model
from headstart.deploy.reference import Reference, unit
from headstart.errors import DataError, Problem
from headstart.evaluation.measured_on import MeasuredOn
from headstart.features.extract import extract
from headstart.files import display
from headstart.images.inputs import find_images
from headstart.images.transforms import View
from headstart.monitor.drift import Drift, compare
from headstart.monitor.labelling_queue import labelling_queue, margins
from headstart.monitor.unlabelled import Unlabelled, estimate
from headstart.progress import Progress, Silent
from headstart.report import gallery, words
from headstart.report.page import write_report
from headstart.report.section import Thumbnail
from headstart.report.watch import watch_page

QUEUE = 24
"""Pictures proposed for labelling."""
SHOWN = 24
"""Of them on the page, as thumbnails."""


@dataclass(frozen=True, kw_only=True)
class Watch:
    """What was found about n new pictures."""

    classes: tuple[str, ...]
    paths: tuple[Path, ...]
    """(n,) those that could be read."""
    proba: NDArray[np.float64] = field(repr=False)
    """(n, k) the answers."""
    drift: Drift
    accuracy: Unlabelled
    labelling_queue: NDArray[np.int64] = field(repr=False)
    """Positions of the pictures worth a label, the most useful first."""
    known: tuple[int, ...]
    """Positions of pictures that are byte for byte a training picture."""
    left_out: tuple[tuple[Path, str], ...]
    """Path and reason of those that could not be read."""
    measured_on: MeasuredOn
    """What the estimate starts from."""

    @property
    def trusted(self) -> bool:
        """Whether the estimate may be relied on: not where the pictures have drifted."""
        return self.drift.level != "drift"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        drift = self.drift.to_dict()
        for name in ("mix", "mix_before"):
            drift[name] = dict(zip(self.classes, drift[name], strict=True))
        return {
            "pictures": len(self.paths),
            "drift": drift,
            "estimate": {
                **self.accuracy.to_dict(),
                "trusted": self.trusted,
                "starts_from": words.measured_on(self.measured_on),
            },
            "labelling_queue": self.rows(),
            "known": [display(self.paths[i]) for i in self.known],
            "left_out": [{"path": display(path), "reason": reason} for path, reason in self.left_out],
        }

    def rows(self) -> list[dict[str, Any]]:
        """The queue as a table: a row per picture."""
        margin, unfamiliar = margins(self.proba), self.drift.unfamiliar
        return [
            {
                "path": display(self.paths[i]),
                "label": "",
                "answer": self.classes[int(self.proba[i].argmax())],
                "probability": round(float(self.proba[i].max()), 6),
                "margin": round(float(margin[i]), 6),
                "unfamiliar": None if unfamiliar is None else bool(unfamiliar[i]),
            }
            for i in self.labelling_queue
        ]


def watch(
    run: Path, inputs: Sequence[str | Path], *, count: int = QUEUE, seed: int = 0, progress: Progress | None = None
) -> Watch:
    """Hold new pictures against a run.

    Args:
        run: a run directory, which remembers its training pictures.
        inputs: files, folders, globs.
        count: how many pictures to propose for labelling.
        seed: of samples and draws.
        progress: told how far it is.

    Raises:
        ModelError: not a run, or one that does not remember its training pictures.
        DataError: none of the pictures can be read.
    """
    reference = Reference.load(run)
    model = Model.load(run)
    found = find_images(inputs)
    paths, rows, proba, unfamiliar, left_out = answers(model, found, progress or Silent())
    novelty = model.abstention.novelty
    if not paths:
        said = "; ".join(f"{display(path)}: {why}" for path, why in left_out[:5]) or "no files"
        problem = Problem(expected="new pictures", found=said, todo="give files, folders or patterns of pictures")
        raise DataError("nothing to watch", [problem])
    before = reference.y if reference.proba is None else reference.proba.argmax(axis=1)
    digests = set(reference.digests)
    return Watch(
        classes=model.classes,
        paths=tuple(paths),
        proba=proba,
        drift=compare(
            rows,
            reference.rows,
            answers=proba.argmax(axis=1),
            answers_before=before.astype(np.int64),
            num_classes=len(model.classes),
            unfamiliar=unfamiliar,
            unfamiliar_before=novelty.share if novelty else None,
            same_head=reference.proba is not None,
            seed=seed,
        ),
        accuracy=estimate(proba, reference.held_out_proba, reference.held_out_y, seed=seed),
        labelling_queue=labelling_queue(proba, rows, count),
        known=tuple(i for i, path in enumerate(paths) if hashlib.sha256(path.read_bytes()).hexdigest() in digests),
        left_out=tuple(left_out),
        measured_on=reference.measured_on,
    )


def write_queue(path: Path, found: Watch) -> None:
    """Write the queue as CSV, whole or not at all: fill in ``label``, and it is a table that `train` reads."""
    unfinished = path.with_name(f".{path.name}.part")
    with unfinished.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.DictWriter(file, ("path", "label", "answer", "probability", "margin", "unfamiliar"))
        writer.writeheader()
        for row, i in zip(found.rows(), found.labelling_queue, strict=True):
            writer.writerow({**row, "path": str(found.paths[i].absolute())})
    unfinished.replace(path)


def answers(
    model: Model, found: Sequence[Path], progress: Progress
) -> tuple[list[Path], NDArray[np.float32], NDArray[np.float64], NDArray[np.bool_] | None, list[tuple[Path, str]]]:
    """Paths, rows of length 1, probabilities and unfamiliarity of what can be read; what cannot, with the reason."""
    paths, last, read, left_out = [], [], [], []
    with progress.stage("looking at the new pictures", len(found)) as advance:
        for done, (i, outputs) in enumerate(extract(found, model.space), start=1):
            if isinstance(outputs, str):
                left_out.append((found[i], outputs))
            else:
                paths.append(found[i])
                last.append(outputs[View.CENTRE]["last"])
                read.append(outputs[View.CENTRE][model.output])
            advance(done)
    if not paths:
        return [], np.empty((0, 0), np.float32), np.empty((0, len(model.classes))), None, left_out
    rows, novelty = np.stack(last), model.abstention.novelty
    unfamiliar = novelty.measure(rows) > 1 if novelty else None
    return paths, unit(rows), model.head.predict_proba(np.stack(read)), unfamiliar, left_out


def write_page(path: Path, found: Watch, command: str) -> None:
    """Write the page; ``command`` is what makes it again."""
    rows = found.rows()
    page = watch_page(
        found.drift,
        found.accuracy,
        classes=found.classes,
        labelling_queue=rows,
        thumbnails=[
            Thumbnail(
                jpeg=gallery.small_jpeg(found.paths[i]),
                caption=f"{place}. {row['answer']}? {row['probability']:.0%}\n{found.paths[i].name}",
            )
            for place, (i, row) in enumerate(zip(found.labelling_queue[:SHOWN], rows, strict=False), start=1)
        ],
        known=[display(found.paths[i]) for i in found.known],
        left_out=[(display(one), reason) for one, reason in found.left_out],
        measured_on=words.measured_on(found.measured_on),
        trusted=found.trusted,
        command=command,
    )
    write_report(path, page)
