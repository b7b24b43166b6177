"""Finished runs against each other, on the pictures that all of them were measured on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from headstart import output_folder
from headstart.errors import DataError, Problem
from headstart.evaluation.comparison import Comparison, Result, compare_results
from headstart.evaluation.held_out import HeldOut, read_held_out
from headstart.evaluation.measured_on import MeasuredOn
from headstart.files import write_json
from headstart.report.comparison import ComparisonContent, comparison_page, runs_content
from headstart.report.page import write_report

METRICS, ANSWERS = "metrics.json", "predictions.csv"


@dataclass(frozen=True, kw_only=True)
class Contest:
    """Runs compared."""

    comparison: Comparison
    measured_on: MeasuredOn
    """What the first of them was measured on, and so all."""
    command: str = ""

    def content(self) -> ComparisonContent:
        """For the page and the terminal."""
        return runs_content(self.comparison, self.measured_on, command=self.command)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {**self.content().to_dict(), "out_of_fold": bool(self.measured_on.folds)}

    def write(self, folder: Path) -> None:
        """``results.json`` and ``compare.html``. Raises OptionError where there are such files of something else."""
        output_folder.check(None, folder, what="comparison", writes=["results.json", "compare.html"])
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
    answers = [read_held_out(folder / ANSWERS) for folder in folders]
    measured = [json.loads((folder / METRICS).read_text(encoding="utf-8")) for folder in folders]
    facts = [MeasuredOn.from_dict(document["measurement"]) for document in measured]
    folds = [fact.folds for fact in facts]
    order = [_by_picture(held_out) for held_out in answers]
    _require_same(folders, answers, order, folds)
    results = []
    for name, held_out, places in zip(_names(folders), answers, order, strict=True):
        correct = held_out.correct[places]
        accuracy = float(correct.mean())
        results.append(
            Result(name=name, seed=0, correct=correct, last_accuracy=accuracy, best_accuracy=accuracy, seconds=0.0)
        )
    fewest = min(folds)
    comparison = compare_results(results, train_fraction=(fewest - 1) / fewest if fewest else None)
    return Contest(comparison=comparison, measured_on=facts[0], command=command)


def _by_picture(held_out: HeldOut) -> list[int]:
    """Positions in an order that the pictures' content alone decides."""
    return sorted(range(len(held_out.digests)), key=lambda i: (held_out.digests[i], held_out.names[i]))


def _require_same(
    folders: Sequence[Path], answers: Sequence[HeldOut], order: Sequence[Sequence[int]], folds: Sequence[int]
) -> None:
    problems = []
    first = answers[0]
    pictures = [first.digests[i] for i in order[0]]
    labels = np.array([first.labels[i] for i in order[0]])
    for folder, held_out, places, of in zip(folders[1:], answers[1:], order[1:], folds[1:], strict=True):
        others = [held_out.digests[i] for i in places]
        if others != pictures:
            missing, extra = len(set(pictures) - set(others)), len(set(others) - set(pictures))
            problems.append(
                Problem(
                    expected=f"the {len(pictures)} pictures that {folders[0]} was measured on",
                    found=f"{len(others)} in {folder}: {missing} of those are not there, {extra} are others",
                    todo="train both on the same folder with the same splits",
                )
            )
        elif changed := int((np.array([held_out.labels[i] for i in places]) != labels).sum()):
            found = f"{changed} have another label in {folder}"
            todo = "train both with the same labels"
            problems.append(Problem(expected=f"the labels of {folders[0]}", found=found, todo=todo))
        elif bool(of) != bool(folds[0]):
            held, folded = (folder, folders[0]) if folds[0] else (folders[0], folder)
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
