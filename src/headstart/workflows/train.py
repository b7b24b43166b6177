"""Train on a folder or table of pictures, and write the run directory.

::

    model/          the deployable model
    training/       what `explain` and `watch` need to know of the training pictures; not for passing on
    metrics.json    every metric with its interval and what it was measured on
    predictions.csv answer and label of every picture that the first of them was measured on
    data.json       the pictures, file by file: what `headstart replay` compares
    review.csv      suspicious pictures and a column for what to do, which `headstart check --apply` carries out
    run.json        options, versions, data fingerprint, the choice of the head, seconds by stage
    report.html     the same for people
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from headstart import output_folder, pipeline
from headstart.audit import decisions
from headstart.command import command, fit_options
from headstart.deploy.model import FAMILIAR, versions
from headstart.deploy.reference import Reference, relative_names, sample
from headstart.evaluation.held_out import HeldOut, write_held_out
from headstart.features.rows import unit
from headstart.features.table import FeatureTable, Workbench
from headstart.files import display, sha256, write_json
from headstart.images import record
from headstart.images.grouping import read
from headstart.options import FitOptions
from headstart.pipeline import Doubts, Fitted
from headstart.progress import Progress
from headstart.report import run_page, tuning
from headstart.report.page import write_report
from headstart.report.pictures import review_reasons
from headstart.report.tuning import choice_reason
from headstart.report.words import evaluation_document

FILES = (
    "model", "training", "metrics.json", "predictions.csv", "data.json", "review.csv", "run.json", "report.html",
)  # fmt: skip
"""Everything in a run directory."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """What :func:`train` found and wrote."""

    folder: Path
    fitted: Fitted
    doubts: Doubts
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        first = self.fitted.evaluations[0]
        return {
            "run": str(self.folder),
            **evaluation_document(first.evaluation),
            "notes": [*run_page.lines(self.fitted, self.doubts), *self.fitted.model.notes],
            "choice": choice_reason(self.fitted.choice),
            "finetune": tuning.outcome(self.fitted.selection),
            "abstention": first.abstention.to_dict(),
            "left_out": len(self.fitted.images.left_out),
            "seconds": round(self.seconds, 2),
        }


def train(source: Path, folder: Path, options: FitOptions, *, title: str = "", progress: Progress | None = None) -> Run:
    """Fit a classifier to a folder or table of pictures and write the run directory ``folder``.

    Every file is written whole or not at all, the report last: a run that was cut off is one that has no report.

    Raises:
        OptionError: the folder lies among the pictures, or holds something else; an option has no meaning.
        DataError: with everything that keeps the pictures from being used.
    """
    output_folder.refuse_unsafe(source, folder, what="run", writes=FILES)
    with pipeline.workbench(options, progress) as bench:
        with bench.clock.timed("reading the folder"):
            images = read(source, options.group_by)
        fitted = pipeline.fit(images, options, bench)
        doubts = pipeline.doubt(fitted, bench)
        reference = _reference(fitted, bench)
        output_folder.claim(folder, "run")
        (folder / "report.html").unlink(missing_ok=True)
        with bench.clock.timed("saving the model"):
            fitted.model.save(folder / "model")
            reference.save(folder / "training")
        _write(source, folder, fitted, doubts, dict(bench.clock.seconds), title or source.resolve().name)
        return Run(folder=folder, fitted=fitted, doubts=doubts, seconds=bench.clock.elapsed)


def _reference(fitted: Fitted, bench: Workbench) -> Reference:
    """What is worth remembering of the training pictures: `explain` and `watch` hold new ones against it."""
    images, space, first = fitted.images, fitted.model.space, fitted.evaluations[0]
    train = np.flatnonzero(images.split == "train")
    kept = sample(len(train), seed=fitted.options.random_state)
    index = train[kept]
    rows = FeatureTable(images, bench).through(space).rows(space.geometry.size, FAMILIAR, index)
    return Reference(
        classes=images.classes,
        root=None if images.root is None else images.root.absolute(),
        names=relative_names([images.paths[i] for i in index], images.root),
        digests=tuple(images.digests[i] for i in index),
        rows=unit(rows),
        y=images.y[index],
        proba=None if fitted.selection.fine_tuned else fitted.choice.proba[kept].astype(np.float32),
        held_out_proba=first.proba.astype(np.float32),
        held_out_y=images.y[first.index],
        measured_on=first.evaluation.measured_on,
    )


def _write(
    source: Path, folder: Path, fitted: Fitted, doubts: Doubts, seconds: Mapping[str, float], title: str
) -> None:
    """The files of the run directory but for the model, the report last."""
    images, first = fitted.images, fitted.evaluations[0]
    again = command("train", source, options={"-o": folder, **fit_options(fitted.options)})
    parts = [
        {**evaluation_document(part.evaluation), "abstention": part.abstention.to_dict()} for part in fitted.evaluations
    ]
    write_json(folder / "metrics.json", {**parts[0], "others": parts[1:]})
    write_held_out(folder / "predictions.csv", HeldOut.of(images, first.index, first.proba))
    record.write(folder / "data.json", images)
    decisions.write_review(folder / "review.csv", doubts.findings, review_reasons(doubts.findings))
    write_json(
        folder / "run.json",
        {
            "source": display(source.resolve()),
            "command": again,
            **_record(fitted),
            "seconds": {stage: round(taken, 3) for stage, taken in seconds.items()},
            "doubts": run_page.doubts_document(fitted, doubts),
        },
    )
    write_report(folder / "report.html", run_page.content(title, fitted, doubts, seconds=seconds, command=again))


def _record(fitted: Fitted) -> dict[str, Any]:
    """How the model was made: options, versions, data, the choice of the head, what came of fine-tuning."""
    choice, cost = fitted.choice, fitted.options.cost
    return {
        "options": fitted.options.to_dict(),
        "cost_sha256": None if cost is None else sha256(Path(cost)),
        "versions": surroundings(),
        "data": {**fitted.model.training, "left_out": len(fitted.images.left_out)},
        "backbone": dict(fitted.model.backbone),
        "runtime": fitted.model.space.runtime.name,
        "choice": {
            "reason": choice_reason(choice),
            "candidate": str(choice.candidate),
            "strength": choice.strength,
            "temperature": choice.head.temperature,
            "board": [score.to_dict() for score in choice.board],
        },
        "finetune": tuning.document(fitted.selection),
    }


def surroundings() -> dict[str, str]:
    """Versions of all that takes part in training, and the kind of machine: what may change the last digits."""
    others = {name: metadata.version(name) for name in ("scikit-learn", "scipy", "timm", "torch")}
    here = {"python": platform.python_version(), "system": platform.system(), "processor": platform.machine()}
    return {**versions(), **others, **here}
