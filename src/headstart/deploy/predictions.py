"""Predictions as rows of a table: one per input, in input order, the unreadable ones with the reason."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from headstart import files
from headstart.deploy.model import Prediction
from headstart.files import display, plain

COLUMNS = ("path", "label", "probability", "answer", "prediction_set", "unsure", "unfamiliar", "novelty", "reason")
"""Of the table, before the probability of each class."""


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


def line(row: dict[str, Any]) -> str:
    """A row as people read it: path, or - for no file; the most probable classes; what makes the answer doubtful."""
    path = "-" if row["path"] is None else row["path"]
    if row["label"] is None:
        return f"{path}\tnot read: {row['reason']}"
    doubts = [name for name in ("unsure", "unfamiliar") if row[name]]
    if row["prediction_set"] and len(row["prediction_set"]) > 1:
        doubts.append(f"{{{', '.join(row['prediction_set'])}}}")
    best = ", ".join(f"{label} {probability:.1%}" for label, probability in row["top"])
    decided = "" if row["answer"] is None else f"\tanswer: {row['answer']}"
    return f"{path}\t{best}{decided}" + (f"\t{' '.join(doubts)}" if doubts else "")


def summary(predictions: Sequence[Prediction]) -> str:
    """How many pictures were labelled, and how many of these answers are doubtful; in words."""
    unread = sum(prediction.proba is None for prediction in predictions)
    labelled = len(predictions) - unread
    said = [f"{labelled} picture{'s' if labelled != 1 else ''} labelled"]
    for name in ("unsure", "unfamiliar"):
        if count := sum(getattr(prediction, name) is True for prediction in predictions):
            said.append(f"{count} of them {name}")
    return ", ".join([*said, f"{unread} could not be read"] if unread else said)


def write_csv(path: Path, predictions: Sequence[Prediction], classes: Sequence[str]) -> None:
    """Write a line per prediction, whole or not at all.

    The columns are ``path, label, probability``, ``answer`` (by cost), ``prediction_set`` (a JSON list), ``unsure`` and
    ``unfamiliar`` (yes or no), ``novelty``, ``reason`` and the probability of each class. What is not known is empty.
    """
    rows = []
    for prediction in predictions:
        answer = row(prediction, classes)
        proba = [None] * len(classes) if prediction.proba is None else prediction.proba
        rows.append([_cell(value) for value in [*(answer[name] for name in COLUMNS), *proba]])
    files.write_csv(path, [*COLUMNS, *classes], rows)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return json.dumps(value, ensure_ascii=False)
    return f"{value:.6f}" if isinstance(value, float) else str(value)
