"""Predictions as rows of a table: one per input, in input order, the unreadable ones with the reason."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from headstart.deploy.artifact import Prediction
from headstart.images.folder import display


def row(prediction: Prediction, classes: Sequence[str], *, top: int = 1) -> dict[str, Any]:
    """``path, label, probability, top`` (the ``top`` most probable classes) ``, reason``, in plain JSON types."""
    answer: dict[str, Any] = {"path": display(prediction.path)}
    if prediction.proba is None:
        return {**answer, "label": None, "probability": None, "top": [], "reason": prediction.reason}
    best = [(classes[i], float(prediction.proba[i])) for i in prediction.proba.argsort()[::-1][:top]]
    return {**answer, "label": best[0][0], "probability": best[0][1], "top": best, "reason": ""}


def write_csv(path: Path, predictions: Sequence[Prediction], classes: Sequence[str]) -> None:
    """Write ``path, label, probability, reason`` and a column per class, whole or not at all."""
    unfinished = path.with_name(f".{path.name}.part")
    with unfinished.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "probability", "reason", *classes])
        for prediction in predictions:
            answer = row(prediction, classes)
            proba = [""] * len(classes) if prediction.proba is None else [f"{p:.6f}" for p in prediction.proba]
            best = "" if prediction.proba is None else f"{answer['probability']:.6f}"
            writer.writerow([answer["path"], answer["label"] or "", best, answer["reason"], *proba])
    unfinished.replace(path)
