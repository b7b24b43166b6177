"""A run directory: the model, what it can claim, how it was made, and the page that shows it.

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
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from headstart import output_folder
from headstart.abstain.abstention import AbstentionReport, measure_abstention
from headstart.audit import decisions
from headstart.classifier import ImageClassifier, Measurement
from headstart.command import classifier_options, command
from headstart.deploy.model import Model, versions, write_json
from headstart.errors import DataError, Problem
from headstart.evaluation.held_out import HeldOut, write_held_out
from headstart.evaluation.measured_on import MeasuredOn
from headstart.evaluation.metrics import Evaluation, evaluate
from headstart.files import display
from headstart.images import record
from headstart.images.folder import scan
from headstart.progress import Progress
from headstart.report import run_page, tuning
from headstart.report.page import write_report
from headstart.report.pictures import review_reasons
from headstart.report.words import evaluation_document
from headstart.workflows.doubts import Doubts, reference_of

FILES = (
    "model", "training", "metrics.json", "predictions.csv", "data.json", "review.csv", "run.json", "report.html",
)  # fmt: skip
"""Everything in a run directory."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """What :func:`train` wrote, and the figures people ask for first."""

    folder: Path
    evaluation: Evaluation
    lines: tuple[str, ...]
    """What was noticed about the pictures, in words."""
    choice_reason: str
    trial_reason: str
    """What came of fine-tuning, or why it was not tried; empty where it was not asked for."""
    abstention: AbstentionReport
    """What leaving doubtful answers out would give."""
    left_out: int
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "run": str(self.folder),
            **evaluation_document(self.evaluation),
            "notes": list(self.lines),
            "choice": self.choice_reason,
            "finetune": self.trial_reason,
            "abstention": self.abstention.to_dict(),
            "left_out": self.left_out,
            "seconds": round(self.seconds, 2),
        }


def train(
    source: Path, folder: Path, classifier: ImageClassifier, *, title: str = "", progress: Progress | None = None
) -> Run:
    """Fit ``classifier`` on a folder or table of pictures and write the run directory ``folder``.

    Every file is written whole or not at all, the report last: a run that was cut off is one that has no report.
    """
    began = time.monotonic()
    output_folder.check(source, folder, what="run", writes=FILES)
    classifier.fit(source, progress=progress)
    measured = classifier.measure(progress)
    doubts = Doubts.of(classifier, measured[0], progress)
    images, title = classifier.images_, title or source.resolve().name
    output_folder.claim(folder, "run")
    (folder / "report.html").unlink(missing_ok=True)
    start = time.monotonic()
    classifier.save(folder / "model")
    reference_of(classifier, progress).save(folder / "training")
    classifier.timings_["saving the model"] = time.monotonic() - start
    options = classifier_options(classifier.get_params(), ImageClassifier().get_params())
    again = command("train", source, options={"-o": folder, **options})
    write_json(folder / "metrics.json", _metrics(measured))
    write_held_out(folder / "predictions.csv", HeldOut.of(images, measured[0].index, measured[0].proba))
    record.write(folder / "data.json", images)
    decisions.write_review(folder / "review.csv", doubts.findings, review_reasons(doubts.findings))
    write_json(
        folder / "run.json",
        {"source": display(source.resolve()), **_record(classifier, again), "doubts": doubts.to_dict()},
    )
    write_report(folder / "report.html", run_page.content(title, classifier, measured, doubts, command=again))
    return Run(
        folder=folder,
        evaluation=measured[0].evaluation,
        lines=(*doubts.lines(), *classifier.model_.notes),
        choice_reason=classifier.choice_.reason,
        trial_reason=tuning.outcome(classifier.selection_),
        abstention=measured[0].abstention,
        left_out=len(images.left_out),
        seconds=time.monotonic() - began,
    )


def evaluate_model(
    model: Model, source: Path, *, progress: Progress | None = None
) -> tuple[Evaluation, AbstentionReport, list[str]]:
    """Evaluate a model on labelled pictures it was not trained on.

    Also how its abstention fares on them, and the names and reasons of pictures left out.

    Of a folder with splits, the test split is used, else the validation split. Classes are matched by name. Raises
    DataError for a class the model does not know.
    """
    images = scan(source, for_training=False)
    split = next((name for name in ("test", "val") if (images.split == name).any()), "train")
    images = images.subset(images.split == split)
    if unknown := [name for name in images.classes if name not in model.classes]:
        known = ", ".join(model.classes)
        problems = [
            Problem(expected=f"classes of the model: {known}", found=name, todo="rename or leave out this folder")
            for name in unknown
        ]
        raise DataError(f"{source} does not fit the model", problems)
    to_model = np.array([model.classes.index(name) for name in images.classes])
    predictions = model.predict(images.paths, progress=progress)
    read = [i for i, prediction in enumerate(predictions) if prediction.proba is not None]
    left_out = [f"{display(p.path)}: {p.reason}" for p in predictions if p.proba is None]
    left_out += [f"{display(out.path)}: {out.reason}" for out in images.left_out]
    if not read:
        problem = Problem(
            expected="pictures", found="none that can be read", todo="see the reasons: " + "; ".join(left_out)
        )
        raise DataError(f"{source} cannot be evaluated", [problem])
    proba = np.array([predictions[i].proba for i in read])
    y, groups, measured_on = (
        to_model[images.y[read]],
        images.groups[read],
        MeasuredOn(kind="pictures", n=len(read), source=source.name),
    )
    counts = np.array([model.training["class_counts"][name] for name in model.classes])
    evaluation = evaluate(
        proba, y, model.classes, measured_on=measured_on, majority=int(counts.argmax()), groups=groups, seed=0
    )
    novelty = np.array([predictions[i].novelty for i in read], dtype=np.float64)
    abstention = measure_abstention(
        model.abstention,
        proba[None],
        y,
        measured_on=measured_on,
        prior=counts / counts.sum(),
        new=True,
        novelty=novelty if model.abstention.novelty else None,
        groups=groups,
    )
    return evaluation, abstention, left_out


def surroundings() -> dict[str, str]:
    """Versions of all that takes part in training, and the kind of machine: what may change the last digits."""
    others = {name: metadata.version(name) for name in ("scikit-learn", "scipy", "timm", "torch")}
    here = {"python": platform.python_version(), "system": platform.system(), "processor": platform.machine()}
    return {**versions(), **others, **here}


def _metrics(measured: Sequence[Measurement]) -> dict[str, Any]:
    first, *others = (
        {**evaluation_document(part.evaluation), "abstention": part.abstention.to_dict()} for part in measured
    )
    return {**first, "others": others}


def _record(classifier: ImageClassifier, command: str) -> dict[str, Any]:
    choice = classifier.choice_
    return {
        "command": command,
        "options": {
            k: v if v is None or isinstance(v, (int, float, str, list)) else str(v)
            for k, v in classifier.get_params().items()
        },
        "versions": surroundings(),
        "data": {**classifier.model_.training, "left_out": len(classifier.images_.left_out)},
        "backbone": dict(classifier.model_.backbone),
        "runtime": classifier.model_.space.runtime.name,
        "choice": {
            "reason": choice.reason,
            "candidate": str(choice.candidate),
            "strength": choice.strength,
            "temperature": choice.head.temperature,
            "board": [
                {
                    "candidate": str(score.candidate),
                    "log_loss": score.log_loss,
                    "standard_error": score.standard_error,
                    "accuracy": score.accuracy,
                    "n": len(score.losses),
                    "screened": score.screened,
                }
                for score in choice.board
            ],
        },
        "finetune": tuning.document(classifier.selection_),
        "seconds": {stage: round(seconds, 3) for stage, seconds in classifier.timings_.items()},
    }
