"""Finished runs against each other, on the pictures that all of them were measured on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart import output_folder
from headstart.errors import DataError, Problem
from headstart.evaluation.comparison import Comparison, Result, compare_results
from headstart.evaluation.held_out import read_held_out
from headstart.evaluation.measured_on import MeasuredOn
from headstart.files import write_json
from headstart.report.comparison import ComparisonContent, comparison_page, runs_content
from headstart.report.page import write_report
from headstart.report.words import counted
from headstart.schema import read_record
from headstart.untrusted import read_json

METRICS, ANSWERS = "metrics.json", "predictions.csv"


@dataclass(frozen=True, kw_only=True)
class Contest:
    """Runs compared."""

    comparison: Comparison
    measured_on: MeasuredOn
    """What the first of them was measured on, and so all, but for the epoch where that differs."""
    command: str = ""
    chosen: tuple[str, ...] = ()
    """Runs whose epoch was chosen on these pictures."""

    def content(self) -> ComparisonContent:
        """For the page and the terminal."""
        return runs_content(self.comparison, self.measured_on, command=self.command, chosen=self.chosen)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {**self.content().to_dict(), "out_of_fold": bool(self.measured_on.folds)}

    def write(self, folder: Path) -> None:
        """``results.json`` and ``compare.html``. Raises OptionError where there are such files of something else."""
        output_folder.refuse_unsafe(None, folder, what="comparison", writes=["results.json", "compare.html"])
        output_folder.claim(folder, "comparison")
        write_json(folder / "results.json", self.to_dict())
        write_report(folder / "compare.html", comparison_page(self.content()))


def is_run(folder: Path) -> bool:
    """Whether a folder was written by ``train`` or ``recipes run``."""
    return (folder / METRICS).is_file()


def compare_runs(folders: Sequence[Path], *, command: str = "") -> Contest:
    """Compare the answers of runs on the same pictures.

    Raises:
        DataError: a run without answers, or runs whose pictures, labels or way of measuring differ.
    """
    runs = [_RunAnswers.read(folder) for folder in folders]
    _require_same(runs)
    results = []
    for name, run in zip(_names(folders), runs, strict=True):
        accuracy = float(run.correct.mean())
        results.append(
            Result(name=name, seed=0, correct=run.correct, last_accuracy=accuracy, best_accuracy=accuracy, seconds=0.0)
        )
    fewest = min(run.measured_on.folds for run in runs)
    comparison = compare_results(results, train_fraction=(fewest - 1) / fewest if fewest else None)
    measured_on, names = runs[0].measured_on, _names(folders)
    if any(run.measured_on.epoch != measured_on.epoch for run in runs):
        measured_on = replace(measured_on, epoch="")
    chosen = tuple(name for name, run in zip(names, runs, strict=True) if run.measured_on.epoch == "best")
    return Contest(comparison=comparison, measured_on=measured_on, command=command, chosen=chosen)


@dataclass(frozen=True, kw_only=True, eq=False)
class _RunAnswers:
    """The answers of a run, in an order that the content of the pictures alone decides."""

    folder: Path
    measured_on: MeasuredOn
    digests: tuple[str, ...]
    """SHA-256 of each of the n pictures."""
    labels: NDArray[np.str_]
    """(n,)"""
    correct: NDArray[np.bool_]
    """(n,)"""

    @classmethod
    def read(cls, folder: Path) -> _RunAnswers:
        """From the files of a run. Raises DataError for a run without answers, or of an earlier version."""
        answers, metrics = read_held_out(folder / ANSWERS), folder / METRICS
        what, todo = f"figures {metrics}", "train again: earlier versions did not keep it"
        try:
            document = read_json(folder, METRICS, undefined=True)
            measurement = document["measurement"] if isinstance(document, dict) else document
        except (ValueError, KeyError) as error:
            expected, found = "`measurement`, what the figures were measured on", f"{type(error).__name__}: {error}"
            raise DataError.of(what, expected=expected, found=found, todo=todo) from error
        measured_on = read_record(MeasuredOn, measurement, what, todo=todo, error=DataError)
        order = sorted(range(len(answers.digests)), key=lambda i: (answers.digests[i], answers.names[i]))
        return cls(
            folder=folder,
            measured_on=measured_on,
            digests=tuple(answers.digests[i] for i in order),
            labels=np.array(answers.labels)[order],
            correct=answers.correct[order],
        )


def _require_same(runs: Sequence[_RunAnswers]) -> None:
    problems = []
    first = runs[0]
    for run in runs[1:]:
        if run.digests != first.digests:
            here, there = set(run.digests), set(first.digests)
            missing, extra = len(there - here), len(here - there)
            expected = f"the {counted(len(first.digests), 'picture')} that {first.folder} was measured on"
            found = f"{len(run.digests)} in {run.folder}: {missing} missing, {extra} added"
            todo = "train both on the same folder with the same splits"
            problems.append(Problem(expected=expected, found=found, todo=todo))
        elif changed := int((run.labels != first.labels).sum()):
            found = f"another label of {counted(changed, 'picture')} in {run.folder}"
            todo = "train both with the same labels"
            problems.append(Problem(expected=f"the labels of {first.folder}", found=found, todo=todo))
        elif bool(run.measured_on.folds) != bool(first.measured_on.folds):
            held, folded = (run.folder, first.folder) if first.measured_on.folds else (first.folder, run.folder)
            expected = "runs that were measured the same way"
            found = f"{folded} out of fold, {held} on pictures that were held out"
            problems.append(Problem(expected=expected, found=found, todo="train both on the same splits"))
    if problems:
        raise DataError("these runs cannot be compared", problems)


def _names(folders: Sequence[Path]) -> list[str]:
    """The last part of each path, or all of it where that is not enough to tell them apart."""
    short = [folder.resolve().name for folder in folders]
    if len(set(short)) == len(short):
        return short
    whole = [str(folder) for folder in folders]
    if twice := sorted({name for name in whole if whole.count(name) > 1}):
        problem = Problem(expected="different runs", found=f"{', '.join(twice)} twice", todo="name each once")
        raise DataError("these runs cannot be compared", [problem])
    return whole
