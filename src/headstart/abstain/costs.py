"""What each answer costs for each truth, where mistakes are not all as bad, and the answer that costs least on average.

With calibrated probabilities p, answer a is expected to cost Σ p[truth] · cost[truth, a]; the least of these is the
best that can be done (Elkan, "The foundations of cost-sensitive learning", 2001). Answers need not be classes: a column
``ask an expert`` with the same cost in every row is taken where every label is too risky (Chow 1970).
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.arrays import Floats
from headstart.errors import OptionError, Problem
from headstart.evaluation.intervals import Estimate, Units
from headstart.files import plain

REMEDY = "write a CSV whose first row is truth,ANSWER,ANSWER,… and then a row per class: CLASS,COST,COST,…"


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Costs by truth and answer, in any unit, 0 or more."""

    classes: tuple[str, ...]
    """Truths, k, in the order of the model's classes."""
    answers: tuple[str, ...]
    matrix: tuple[tuple[float, ...], ...]
    """A row per class, a column per answer."""

    def expected(self, proba: ArrayLike) -> Floats:
        """What each answer is expected to cost, (…, answers), from calibrated probabilities (…, k)."""
        return np.asarray(np.asarray(proba, dtype=np.float64) @ np.array(self.matrix))

    def decide(self, proba: ArrayLike) -> NDArray[np.intp]:
        """Positions (…,) in ``answers`` of the least expected cost; the first of equals."""
        return np.asarray(self.expected(proba).argmin(axis=-1))

    def to_dict(self) -> dict[str, dict[str, float]]:
        """Truth → answer → cost."""
        return {
            name: dict(zip(self.answers, row, strict=True)) for name, row in zip(self.classes, self.matrix, strict=True)
        }

    @classmethod
    def from_dict(cls, table: Mapping[str, Mapping[str, float]]) -> Costs:
        """The inverse of `to_dict`."""
        answers = tuple(next(iter(table.values())))
        matrix = tuple(tuple(float(row[answer]) for answer in answers) for row in table.values())
        return cls(classes=tuple(table), answers=answers, matrix=matrix)


@dataclass(frozen=True, kw_only=True)
class CostReport:
    """Mean cost per picture of three ways to answer, each with its interval, on the same pictures."""

    cheapest: Estimate
    """Of the answer with the least expected cost."""
    most_probable: Estimate | None
    """Of the most probable class; None where a class is no answer."""
    blind: Estimate
    """Of always giving the one answer that is cheapest for the pictures of training."""
    blind_answer: str

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return plain(self)


def measure_costs(
    costs: Costs, proba: ArrayLike, y: ArrayLike, *, prior: ArrayLike, groups: ArrayLike | None = None
) -> CostReport:
    """What decisions on labelled pictures would have cost.

    ``proba`` (n, k) or (repeats, n, k) calibrated; ``y`` (n,) class indices; ``prior`` (k,) shares of the classes in
    training; the answer that is cheapest for them is what anyone could give without looking.
    """
    P, labels = np.asarray(proba, dtype=np.float64), np.asarray(y)
    P = P[None] if P.ndim == 2 else P
    table, units = np.array(costs.matrix), Units.of(len(labels), groups)

    def mean(answers: NDArray[np.intp]) -> Estimate:
        possible = table[:, np.unique(answers)]
        return _mean(table[labels, answers].mean(axis=0), float(possible.min()), float(possible.max()), units)

    blind = int(costs.expected(prior).argmin())
    most_probable = None
    if set(costs.classes) <= set(costs.answers):
        column = np.array([costs.answers.index(name) for name in costs.classes])
        most_probable = mean(column[P.argmax(axis=2)])
    return CostReport(
        cheapest=mean(costs.decide(P)),
        most_probable=most_probable,
        blind=mean(np.full(P.shape[:2], blind)),
        blind_answer=costs.answers[blind],
    )


def read_costs(path: Path, classes: Sequence[str]) -> Costs:
    """Costs from a CSV (``truth,ANSWER,…`` and a row per class) or JSON (truth → answer → cost) for these classes.

    Raises OptionError with everything that is wrong with the file.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        found = f"{path}: {error.strerror if isinstance(error, OSError) else 'not UTF-8 text'}"
        raise _wrong(path, [Problem(expected="a file of costs", found=found, todo=REMEDY)]) from error
    rows = _from_json(path, text) if text.lstrip().startswith("{") else _from_csv(path, text)
    names = [name for name, _ in rows]
    answers = list(dict.fromkeys(answer for _, row in rows for answer, _ in row))
    problems = [
        Problem(expected="a row for every class of the model", found=f"none for {name}", todo="add it")
        for name in classes
        if name not in names
    ]
    for name in dict.fromkeys(names):
        if name not in classes:
            expected = f"rows for the classes of the model: {', '.join(classes)}"
            problems.append(Problem(expected=expected, found=name, todo="rename or remove this row"))
        if names.count(name) > 1:
            found = f"{names.count(name)} for {name}"
            problems.append(Problem(expected="one row for a class", found=found, todo="keep one of them"))
    if len(answers) < 2:
        found = ", ".join(answers) or "none"
        problems.append(Problem(expected="two answers or more to choose from", found=found, todo="add a column"))
    for name, row in rows:
        problems += _problems_of(name, row, answers)
    if problems:
        raise _wrong(path, problems)
    table = {name: dict(row) for name, row in rows}
    matrix = tuple(tuple(float(table[name][answer]) for answer in answers) for name in classes)
    if not any(map(any, matrix)):
        problem = Problem(expected="a cost above 0", found="0 everywhere", todo="say what a mistake costs")
        raise _wrong(path, [problem])
    return Costs(classes=tuple(classes), answers=tuple(answers), matrix=matrix)


Row = tuple[str, list[tuple[str, Any]]]


def _from_csv(path: Path, text: str) -> list[Row]:
    lines = [[cell.strip() for cell in line] for line in csv.reader(io.StringIO(text)) if any(map(str.strip, line))]
    if not lines:
        raise _wrong(path, [Problem(expected="a file of costs", found="an empty file", todo=REMEDY)])
    _, *answers = lines[0]
    problems = [
        Problem(expected="a name above each column", found=f"{answers.count(name)} × {name!r}", todo="rename them")
        for name in dict.fromkeys(answers)
        if not name or answers.count(name) > 1
    ]
    problems += [
        Problem(expected=f"{len(answers)} costs after {line[0]}", found=str(len(line) - 1), todo="a cost per column")
        for line in lines[1:]
        if len(line) != len(answers) + 1
    ]
    if problems:
        raise _wrong(path, problems)
    return [(line[0], list(zip(answers, line[1:], strict=True))) for line in lines[1:]]


def _from_json(path: Path, text: str) -> list[Row]:
    try:
        document = json.loads(text, object_pairs_hook=lambda pairs: pairs)
    except ValueError as error:
        raise _wrong(path, [Problem(expected="JSON", found=str(error), todo="mend the file")]) from error
    shape = 'JSON such as {"TRUTH": {"ANSWER": 1, …}, …}'
    if wrong := [name for name, row in document if not isinstance(row, list) or not all(map(_is_pair, row))]:
        found = f"something else for {', '.join(map(str, wrong))}"
        raise _wrong(path, [Problem(expected=shape, found=found, todo="give each truth its answers and costs")])
    return [(str(name), [(str(answer), cost) for answer, cost in row]) for name, row in document]


def _is_pair(entry: object) -> bool:
    return isinstance(entry, tuple) and len(entry) == 2


def _problems_of(name: str, row: Sequence[tuple[str, Any]], answers: Sequence[str]) -> list[Problem]:
    """What is wrong with the costs of one truth."""
    problems = []
    given = [answer for answer, _ in row]
    for answer in answers:
        if given.count(answer) != 1:
            found = f"{given.count(answer)} of {answer} for {name}"
            problems.append(Problem(expected="one cost for each truth and answer", found=found, todo="give it once"))
    for answer, cost in row:
        try:
            fine = not isinstance(cost, bool) and 0 <= float(cost) < math.inf
        except (TypeError, ValueError):
            fine = False
        if not fine:
            found = f"{cost!r} for {name} answered {answer}"
            problems.append(Problem(expected="a cost of 0 or more", found=found, todo="write a number such as 2.5"))
    return problems


def _wrong(path: Path, problems: Sequence[Problem]) -> OptionError:
    return OptionError(f"the costs in {path}", problems)


def _mean(values: Floats, lowest: float, highest: float, units: Units) -> Estimate:
    """Mean of costs (n,) that can lie from ``lowest`` to ``highest``; none seen is not none."""
    n, span = len(values), highest - lowest
    if span == 0:
        return Estimate(lowest, lowest, lowest, n, "the same for every truth")
    mean = units.mean_share((values - lowest) / span, binomial=False)
    value, low, high = (lowest + span * number for number in (mean.value, mean.low, mean.high))
    return Estimate(value, low, high, n, mean.method)
