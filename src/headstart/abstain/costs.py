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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.arrays import Floats
from headstart.errors import OptionError, Problem
from headstart.evaluation.intervals import Estimate, Units
from headstart.images.tables import SEPARATORS, encoding_of

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
    def from_dict(cls, table: Mapping[str, Mapping[str, float]], classes: Sequence[str]) -> Costs:
        """The inverse of `to_dict`, for these classes. Raises ValueError unless each answer has a cost for each."""
        answers = tuple(next(iter(table.values()), ()))
        rows = [table.get(name, {}) for name in classes]
        if len(table) != len(rows) or len(answers) < 2 or any(row.keys() != set(answers) for row in rows):
            raise ValueError("costs that do not say what each answer costs for each class")
        if not all(_is_cost(cost) for row in rows for cost in row.values()):
            raise ValueError("costs below 0")
        matrix = tuple(tuple(float(row[answer]) for answer in answers) for row in rows)
        return cls(classes=tuple(classes), answers=answers, matrix=matrix)


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
    checks = _Checks(f"the costs in {path}")
    try:
        raw = path.read_bytes()
        text = raw.decode(encoding_of(raw))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise OptionError.of(checks.what, expected="a file of costs", found=f"{path}: {reason}", todo=REMEDY) from error
    rows = _from_json(checks, text) if text.lstrip().startswith("{") else _from_csv(checks, text)
    names = [name for name, _ in rows]
    answers = list(dict.fromkeys(answer for _, row in rows for answer, _ in row))
    for name in classes:
        checks.require(name in names, "a row for every class of the model", f"none for {name}", "add it")
    for name in dict.fromkeys(names):
        known, once = f"rows for the classes of the model: {', '.join(classes)}", names.count(name) == 1
        checks.require(name in classes, known, name, "rename or remove this row")
        checks.require(once, "one row for a class", f"{names.count(name)} for {name}", "keep one of them")
    several = len(answers) >= 2
    checks.require(several, "two answers or more to choose from", ", ".join(answers) or "none", "add a column")
    for name, row in rows:
        given = [answer for answer, _ in row]
        for answer in answers:
            found = f"{given.count(answer)} of {answer} for {name}"
            checks.require(given.count(answer) == 1, "one cost for each truth and answer", found, "give it once")
        for answer, cost in row:
            found = f"{cost!r} for {name} answered {answer}"
            checks.require(_is_cost(cost), "a cost of 0 or more", found, "write a number such as 2.5")
    checks.tell()
    table = {name: dict(row) for name, row in rows}
    matrix = tuple(tuple(float(table[name][answer]) for answer in answers) for name in classes)
    checks.require(any(map(any, matrix)), "a cost above 0", "0 everywhere", "say what a mistake costs")
    checks.tell()
    return Costs(classes=tuple(classes), answers=tuple(answers), matrix=matrix)


@dataclass(frozen=True)
class _Checks:
    """What is wrong with a file of costs, gathered for a single error."""

    what: str
    problems: list[Problem] = field(default_factory=list)

    def require(self, holds: bool, expected: str, found: str, todo: str) -> None:
        """Note a problem where something does not hold."""
        if not holds:
            self.problems.append(Problem(expected=expected, found=found, todo=todo))

    def tell(self) -> None:
        """Raise OptionError if there is any problem."""
        if self.problems:
            raise OptionError(self.what, self.problems)


Row = tuple[str, list[tuple[str, Any]]]


def _from_csv(checks: _Checks, text: str) -> list[Row]:
    try:
        read = [list(csv.reader(io.StringIO(text, newline=""), delimiter=sign)) for sign in SEPARATORS]
    except csv.Error as error:
        raise OptionError.of(checks.what, expected="a table of costs", found=str(error), todo=REMEDY) from error
    widest = max(read, key=lambda rows: max(map(len, rows), default=0))  # the first of those that are equal
    lines = [[cell.strip() for cell in line] for line in widest if any(map(str.strip, line))]
    checks.require(bool(lines), "a file of costs", "an empty file", REMEDY)
    checks.tell()
    _, *answers = lines[0]
    for name in dict.fromkeys(answers):
        found = f"{answers.count(name)} × {name!r}"
        checks.require(name != "" and answers.count(name) == 1, "a name above each column", found, "rename them")
    for truth, *costs in lines[1:]:
        expected = f"{len(answers)} costs after {truth}"
        checks.require(len(costs) == len(answers), expected, str(len(costs)), "a cost per column")
    checks.tell()
    return [(truth, list(zip(answers, costs, strict=True))) for truth, *costs in lines[1:]]


def _from_json(checks: _Checks, text: str) -> list[Row]:
    try:
        document = json.loads(text, object_pairs_hook=tuple)  # objects as tuples of pairs, arrays as lists
    except (ValueError, RecursionError) as error:
        raise OptionError.of(checks.what, expected="JSON", found=str(error), todo="mend the file") from error
    wrong = [str(name) for name, row in document if not isinstance(row, tuple)]
    expected, found = 'JSON such as {"TRUTH": {"ANSWER": 1, …}, …}', f"something else for {', '.join(wrong)}"
    checks.require(not wrong, expected, found, "give each truth its answers and costs")
    checks.tell()
    return [(name, list(row)) for name, row in document]


def _is_cost(value: object) -> bool:
    try:
        return not isinstance(value, bool) and 0 <= float(value) < math.inf  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False


def _mean(values: Floats, lowest: float, highest: float, units: Units) -> Estimate:
    """Mean of costs (n,) that can lie from ``lowest`` to ``highest``; none seen is not none."""
    n, span = len(values), highest - lowest
    if span == 0:
        return Estimate(lowest, lowest, lowest, n, "the same for every truth")
    mean = units.mean_share((values - lowest) / span, binomial=False)
    value, low, high = (lowest + span * number for number in (mean.value, mean.low, mean.high))
    return Estimate(value, low, high, n, mean.method)
