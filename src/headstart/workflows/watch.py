"""New pictures without labels: are they still like the training pictures, how many answers are right, what to label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from headstart.abstain.novelty import FAMILIAR
from headstart.arrays import Floats, Index, Rows
from headstart.deploy.model import Model, Prediction
from headstart.deploy.reference import Reference
from headstart.errors import DataError, OptionError, Problem
from headstart.evaluation.measured_on import MeasuredOn
from headstart.features.rows import unit
from headstart.files import sha256, write_csv
from headstart.images.formats.unlabelled import pictures_of
from headstart.images.grey_levels import Levels
from headstart.monitor.drift import Drift, compare_rows
from headstart.monitor.unlabelled import Unlabelled, estimate, labelling_queue, margins
from headstart.progress import Progress
from headstart.report import gallery, words
from headstart.report.page import write_report
from headstart.report.watch import watch_page

PROPOSED = 24
"""Pictures proposed for labelling."""
SHOWN = 24
"""Of them on the page, as thumbnails."""
COLUMNS = ("path", "label", "answer", "probability", "margin", "unfamiliar")
"""Of the labelling queue."""


@dataclass(frozen=True, kw_only=True)
class Watch:
    """What was found about n new pictures."""

    classes: tuple[str, ...]
    paths: tuple[Path, ...]
    """(n,) those that could be read."""
    names: tuple[str, ...]
    """(n,) what they are called, for people."""
    proba: Floats = field(repr=False)
    """(n, k) the answers."""
    drift: Drift
    accuracy: Unlabelled
    labelling_queue: Index = field(repr=False)
    """Positions of the pictures worth a label, the most useful first."""
    known: tuple[int, ...]
    """Positions of pictures that are byte for byte a training picture."""
    left_out: tuple[tuple[str, str], ...]
    """Name and reason of those that could not be read."""
    measured_on: MeasuredOn
    """What the estimate starts from."""
    levels: Levels | None = None
    """Of the training pictures."""

    @property
    def trusted(self) -> bool:
        """Whether the estimate may be relied on: not where the pictures have drifted."""
        return self.drift.level != "drift"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        drift = self.drift.to_dict()
        shares = {name: dict(zip(self.classes, drift[name], strict=True)) for name in ("mix", "mix_before")}
        start = words.measured_on(self.measured_on)
        return {
            "pictures": len(self.paths),
            "drift": {**drift, **shares},
            "estimate": {**self.accuracy.to_dict(), "trusted": self.trusted, "starts_from": start},
            "labelling_queue": self.rows(),
            "known": [self.names[i] for i in self.known],
            "left_out": [{"path": name, "reason": reason} for name, reason in self.left_out],
        }

    def rows(self) -> list[dict[str, Any]]:
        """The labelling queue as a table: a row per picture."""
        margin, unfamiliar = margins(self.proba), self.drift.unfamiliar
        return [
            {
                "path": self.names[i],
                "label": "",
                "answer": self.classes[int(self.proba[i].argmax())],
                "probability": round(float(self.proba[i].max()), 6),
                "margin": round(float(margin[i]), 6),
                "unfamiliar": None if unfamiliar is None else bool(unfamiliar[i]),
            }
            for i in self.labelling_queue
        ]


def watch(
    run: Path,
    inputs: Sequence[str | Path],
    *,
    count: int = PROPOSED,
    seed: int = 0,
    to_label: bool = False,
    progress: Progress | None = None,
) -> Watch:
    """Hold new pictures against a run.

    Args:
        run: a run directory, which remembers its training pictures.
        inputs: pictures, see `pictures_of`.
        count: how many pictures to propose for labelling.
        seed: of samples and draws.
        to_label: whether the queue is to be written, which names files.
        progress: told how far it is.

    Raises:
        ModelError: not a run, or one that does not remember its training pictures.
        DataError: none of the pictures can be read.
        OptionError: the queue would name files of the cache.
    """
    reference, model = Reference.load(run), Model.load(run)
    pictures = pictures_of(inputs)
    if to_label and pictures.in_cache:
        expected, found = "files that stay where they are, which the queue names", "copies in the cache"
        todo = "unpack or fetch the pictures, and give the folder; or leave --queue out"
        raise OptionError.of("--queue", expected=expected, found=found, todo=todo)
    answered, unread = answers(model, pictures.paths, progress)
    left_out = [(pictures.name(i), reason) for i, reason in unread]
    if not answered:
        reasons = "; ".join(f"{name}: {why}" for name, why in left_out[:5]) or "no files"
        problem = Problem(expected="new pictures", found=reasons, todo="give files, folders or patterns of pictures")
        raise DataError("nothing to watch", [problem])
    positions, predictions, last = zip(*answered, strict=True)
    paths = tuple(pictures.paths[i] for i in positions)
    reference.require(model.classes, last[0])
    proba, X = np.stack([prediction.proba for prediction in predictions]), unit(np.stack(last))
    novelty = model.abstention.novelty
    before = reference.y if reference.proba is None else reference.proba.argmax(axis=1)
    digests = set(reference.digests)
    return Watch(
        classes=model.classes,
        paths=paths,
        names=tuple(pictures.name(i) for i in positions),
        proba=proba,
        drift=compare_rows(
            X,
            reference.rows,
            answers=proba.argmax(axis=1),
            answers_before=before.astype(np.int64),
            num_classes=len(model.classes),
            unfamiliar=np.array([p.unfamiliar is True for p in predictions]) if novelty else None,
            unfamiliar_before=novelty.share if novelty else None,
            same_head=reference.proba is not None,
            seed=seed,
        ),
        accuracy=estimate(proba, reference.held_out_proba, reference.held_out_y, seed=seed),
        labelling_queue=labelling_queue(proba, X, count),
        known=tuple(i for i, path in enumerate(paths) if sha256(path) in digests),
        left_out=tuple(left_out),
        measured_on=reference.measured_on,
        levels=model.space.geometry.levels,
    )


def write_labelling_queue(path: Path, watch: Watch) -> None:
    """Write the labelling queue as CSV, whole or not at all: fill in ``label``, and `train` reads the table."""
    rows = watch.rows()
    for row, i in zip(rows, watch.labelling_queue, strict=True):
        row["path"] = str(watch.paths[i].absolute())
    write_csv(path, COLUMNS, ([row[name] for name in COLUMNS] for row in rows))


def answers(
    model: Model, new: Sequence[Path], progress: Progress | None
) -> tuple[list[tuple[int, Prediction, Rows]], list[tuple[int, str]]]:
    """Position, answer and row ``last`` (d,) of each picture that can be read; position and reason of the others."""
    read, left_out = [], []
    answered = model.answers(new, stage="looking at the new pictures", progress=progress)
    for i, (prediction, rows) in enumerate(answered):
        if prediction.proba is None:
            left_out.append((i, prediction.reason))
        else:
            read.append((i, prediction, rows[FAMILIAR]))
    return read, left_out


def write_page(path: Path, watch: Watch, command: str) -> None:
    """Write the page; ``command`` is what makes it again."""
    rows = watch.rows()
    page = watch_page(
        watch.drift,
        watch.accuracy,
        classes=watch.classes,
        labelling_queue=rows,
        thumbnails=[
            gallery.picture(
                watch.paths[i],
                caption=f"{place}. {row['answer']}? {row['probability']:.0%}\n{watch.paths[i].name}",
                levels=watch.levels,
            )
            for place, (i, row) in enumerate(zip(watch.labelling_queue[:SHOWN], rows, strict=False), start=1)
        ],
        known=[watch.names[i] for i in watch.known],
        left_out=watch.left_out,
        measured_on=words.measured_on(watch.measured_on),
        trusted=watch.trusted,
        command=command,
    )
    write_report(path, page)
