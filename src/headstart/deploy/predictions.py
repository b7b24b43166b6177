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
