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
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from headstart import output_folder, pipeline
from headstart.audit import decisions
from headstart.command import command, fit_options
from headstart.deploy.model import versions
from headstart.device import threads
from headstart.evaluation.held_out import HeldOut, write_held_out
from headstart.files import display, sha256, write_json
from headstart.images import record
from headstart.images.folder import ImageSet
from headstart.images.grouping import read
from headstart.images.labelled import picture_folders
from headstart.options import FitOptions
from headstart.pipeline import Doubts, Fitted
from headstart.progress import Progress
from headstart.report import run_page, tuning
from headstart.report.page import write_report
from headstart.report.pictures import review_reasons
from headstart.report.tuning import choice_reason
from headstart.report.words import measurement_document, runtime_note
from headstart.versions import version

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
    said: tuple[str, ...]
    """What is to be said of the pictures beside the alarms, the most serious first."""

    @property
    def alarms(self) -> tuple[str, ...]:
        """What changes the meaning of the accuracy, to be said beside it."""
        return run_page.alarms_beside(self.fitted, self.doubts)

    @property
    def notes(self) -> list[str]:
        """What is to be said of the pictures, and of what runs the model."""
        return [*self.said, *map(runtime_note, self.fitted.model.notes)]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "run": str(self.folder),
            **measurement_document(self.fitted.evaluations[0]),
            "alarms": list(self.alarms),
            "notes": self.notes,
            "choice": choice_reason(self.fitted.choice),
            "finetune": tuning.outcome(self.fitted.selection),
            "left_out": len(self.fitted.images.left_out),
            "seconds": round(self.seconds, 2),
        }


def train(
    source: Path,
    folder: Path,
    options: FitOptions,
    *,
    title: str = "",
    tell: Callable[[ImageSet], None] = lambda images: None,
    progress: Progress | None = None,
) -> Run:
    """Fit a classifier to a folder or table of pictures and write the run directory ``folder``.

    ``tell`` is given the pictures as they were understood, before anything is computed of them.

    Every file is written whole or not at all, the report last: a run that was cut off is one that has no report.

    Raises:
        OptionError: the folder lies among the pictures, or holds something else; an option has no meaning.
        DataError: with everything that keeps the pictures from being used.
    """
    output_folder.refuse_unsafe(source, folder, what="run", writes=FILES, pictures=picture_folders(source))
    with pipeline.workbench(options, progress) as bench:
        with bench.clock.timed("reading the folder"):
            images = read(source, options.group_by, bench.progress)
        tell(images)
        fitted = pipeline.fit(images, options, bench)
        doubts = pipeline.doubt(fitted, bench)
        output_folder.claim(folder, "run")
        (folder / "report.html").unlink(missing_ok=True)
        with bench.clock.timed("saving the model"):
            fitted.model.save(folder / "model")
            if fitted.reference is not None:
                fitted.reference.save(folder / "training")
        said = tuple(run_page.lines(fitted, doubts))
        run = Run(folder=folder, fitted=fitted, doubts=doubts, said=said, seconds=bench.clock.elapsed)
        _write(run, source, title or source.resolve().name, dict(bench.clock.seconds))
        return replace(run, seconds=bench.clock.elapsed)


def _write(run: Run, source: Path, title: str, seconds: Mapping[str, float]) -> None:
    """The files of the run directory but for the model, the report last."""
    folder, fitted, doubts = run.folder, run.fitted, run.doubts
    images, first = fitted.images, fitted.evaluations[0]
    again = command("train", source, options={"-o": folder, **fit_options(fitted.options)})
    others = [measurement_document(part) for part in fitted.evaluations[1:]]
    write_json(folder / "metrics.json", {**measurement_document(first), "others": others})
    write_held_out(folder / "predictions.csv", HeldOut.of(images, first.index, first.proba))
    record.write(folder / record.FILE, images)
    decisions.write_review(folder / "review.csv", doubts.findings, review_reasons(doubts.findings))
    write_json(
        folder / "run.json",
        {
            "source": display(source.resolve()),
            "command": again,
            **_record(fitted),
            "seconds": {stage: round(taken, 3) for stage, taken in seconds.items()},
            "alarms": list(run.alarms),
            "doubts": run_page.doubts_document(doubts, run.said),
        },
    )
    page = run_page.content(title, fitted, doubts, run.said, seconds=seconds, command=again)
    write_report(folder / "report.html", page)


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
    others = {name: version(name) for name in ("scikit-learn", "scipy", "timm", "torch")}
    here = {"python": platform.python_version(), "system": platform.system(), "processor": platform.machine()}
    return {**versions(), **others, **here, "threads": str(threads())}
