"""Predictions as rows of a table: one per input, in input order, the unreadable ones with the reason."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from headstart import files
from headstart.deploy.model import Prediction
from headstart.errors import MissingPackageError
from headstart.files import display, plain
from headstart.images.columns import ANSWERS

COLUMNS = ANSWERS
"""Of the table, before the probability of each class."""
ROW_GROUP = 10_000
"""Rows of a Parquet file that are written at a time; what Parquet holds back in memory."""


def row(prediction: Prediction, classes: Sequence[str], *, top: int = 1) -> dict[str, Any]:
    """A prediction in plain JSON types.

    ``path``, None for a picture that was not given as a file; ``label, probability``; ``top``, the most probable
    classes; ``prediction_set, unsure, unfamiliar, novelty, answer`` as in `headstart.abstain.abstention.Judgement`;
    ``reason`` why there is no label.
    """
    best: list[tuple[str, float]] = []
    if prediction.proba is not None:
        best = [(classes[i], float(prediction.proba[i])) for i in prediction.proba.argsort()[::-1][:top]]
    label, probability = best[0] if best else (None, None)
    path = None if prediction.path is None else display(prediction.path)
    said = plain(prediction, "prediction_set", "unsure", "unfamiliar", "novelty", "answer", "reason")
    return {"path": path, "label": label, "probability": probability, "top": best, **said}


def with_proba(prediction: Prediction, classes: Sequence[str]) -> dict[str, Any]:
    """The row of a prediction, with the probability of each class under ``proba``; None where there is none."""
    return {**row(prediction, classes), "proba": None if prediction.proba is None else prediction.proba.tolist()}


def write_csv(path: Path, rows: Iterable[Mapping[str, Any]], classes: Sequence[str]) -> None:
    """Write a line per row of `with_proba`, whole or not at all.

    The columns are ``path, label, probability``, ``answer`` (by cost), ``prediction_set`` (a JSON list), ``unsure`` and
    ``unfamiliar`` (yes or no), ``novelty``, ``reason`` and the probability of each class. What is not known is empty.
    """
    lines = ([_cell(row[name]) for name in COLUMNS] + [*map(_cell, _proba(row, classes))] for row in rows)
    files.write_csv(path, [*COLUMNS, *classes], lines)


def write_parquet(path: Path, rows: Iterable[Mapping[str, Any]], classes: Sequence[str]) -> None:
    """As `write_csv`, as Parquet: numbers, yes or no, and lists as such, what is not known as null.

    Raises MissingPackageError where pyarrow is not installed.
    """
    pa = import_pyarrow()
    text, number, truth = pa.string(), pa.float64(), pa.bool_()
    kinds = (text, text, number, text, pa.list_(text), truth, truth, number, text)
    schema = pa.schema([*zip(COLUMNS, kinds, strict=True), *((name, number) for name in classes)])
    waiting = iter(rows)
    with files.replacing(path) as unfinished, pa.parquet.ParquetWriter(unfinished, schema) as writer:
        while block := list(islice(waiting, ROW_GROUP)):
            columns = [[row[name] for row in block] for name in COLUMNS]
            columns += map(list, zip(*(_proba(row, classes) for row in block), strict=True))
            writer.write_table(
                pa.table([pa.array(c, kind) for c, kind in zip(columns, schema.types, strict=True)], schema)
            )


def import_pyarrow() -> Any:
    """The package ``pyarrow``, with ``pyarrow.parquet``; raises MissingPackageError."""
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise MissingPackageError("pyarrow", "Parquet", 'pip install "headstart[parquet]"') from error
    return pyarrow


def is_parquet_of_ours(path: Path) -> bool:
    """Whether a file is Parquet and begins with our columns."""
    pa = import_pyarrow()
    try:
        return tuple(pa.parquet.read_schema(path).names[: len(COLUMNS)]) == COLUMNS
    except (OSError, pa.ArrowInvalid):
        return False


def _proba(row: Mapping[str, Any], classes: Sequence[str]) -> Sequence[float | None]:
    return row["proba"] or [None] * len(classes)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return json.dumps(value, ensure_ascii=False)
    return f"{value:.6f}" if isinstance(value, float) else str(value)
