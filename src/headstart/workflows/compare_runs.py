"""Finished runs against each other, on the pictures that all of them were measured on."""

from __future__ import annotations

import json
import operator
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from headstart import output_folder
from headstart.errors import DataError, Problem
from headstart.evaluation.comparison import Comparison, Result, compare_results
from headstart.evaluation.held_out import HeldOut, read_held_out
from headstart.evaluation.measured_on import MeasuredOn
from headstart.files import plain, write_json
from headstart.report import words
from headstart.report.comparison import ComparisonContent, comparison_document, comparison_page, runs_caveat, runs_table
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
        return ComparisonContent(
            title="Runs compared",
            comparison=self.comparison,
            table=runs_table(self.comparison),
            measured_on=f"{self.comparison.n} pictures, {words.measured_on(self.measured_on)}",
            caveats=(runs_caveat(out_of_fold=bool(self.measured_on.folds)),),
            command=self.command,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; ``out_of_fold``: whether the answers are those of cross-validation."""
        content, out_of_fold = self.content(), bool(self.measured_on.folds)
        others = plain(content, "measured_on", out_of_fold=out_of_fold, caveats=content.caveats, command=self.command)
        return {**comparison_document(self.comparison), **others}

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
    answers = [_in_order(read_held_out(folder / ANSWERS)) for folder in folders]
    measured = [json.loads((folder / METRICS).read_text(encoding="utf-8")) for folder in folders]
    facts = [MeasuredOn.from_dict(document["measurement"]) for document in measured]
    folds = [fact.folds for fact in facts]
    _require_same(folders, answers, folds)
    results = []
    for name, held_out in zip(_names(folders), answers, strict=True):
        accuracy = float(held_out.correct.mean())
        results.append(
            Result(
                name=name, seed=0, correct=held_out.correct, last_accuracy=accuracy, best_accuracy=accuracy, seconds=0.0
            )
        )
    fewest = min(folds)
    comparison = compare_results(results, train_fraction=(fewest - 1) / fewest if fewest else None)
    return Contest(comparison=comparison, measured_on=facts[0], command=command)


def _in_order(held_out: HeldOut) -> HeldOut:
    """The same answers in an order that the pictures' content alone decides."""
    pictures = zip(held_out.digests, held_out.names, held_out.labels, held_out.proba, strict=True)
    digests, names, labels, proba = zip(*sorted(pictures, key=lambda picture: picture[:2]), strict=True)
    return replace(held_out, digests=digests, names=names, labels=labels, proba=np.array(proba))


def _require_same(folders: Sequence[Path], answers: Sequence[HeldOut], folds: Sequence[int]) -> None:
    problems = []
    first = answers[0]
    for folder, held_out, of in zip(folders[1:], answers[1:], folds[1:], strict=True):
        if held_out.digests != first.digests:
            here, there = set(held_out.digests), set(first.digests)
            missing, extra = len(there - here), len(here - there)
            expected = f"the {len(first.digests)} pictures that {folders[0]} was measured on"
            found = f"{len(held_out.digests)} in {folder}: {missing} of those are not there, {extra} are others"
            todo = "train both on the same folder with the same splits"
        elif changed := sum(map(operator.ne, held_out.labels, first.labels)):
            expected, found = f"the labels of {folders[0]}", f"{changed} have another label in {folder}"
            todo = "train both with the same labels"
        elif bool(of) != bool(folds[0]):
            held, folded = (folder, folders[0]) if folds[0] else (folders[0], folder)
            expected = "runs that were measured the same way"
            found = f"{folded} out of fold, {held} on pictures that were held out"
            todo = "train both on the same splits"
        else:
            continue
        problems.append(Problem(expected=expected, found=found, todo=todo))
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
