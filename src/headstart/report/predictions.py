"""Answers as people read them: a line for each picture, and how many are doubtful."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headstart.report.words import counted


def line(row: Mapping[str, Any]) -> str:
    """A row of `deploy.predictions.row`: path, or - for no file; the most probable classes; what is doubtful."""
    path = "-" if row["path"] is None else row["path"]
    if row["label"] is None:
        return f"{path}\tnot read: {row['reason']}"
    doubts = [name for name in ("unsure", "unfamiliar") if row[name]]
    if row["prediction_set"] and len(row["prediction_set"]) > 1:
        doubts.append(f"{{{', '.join(row['prediction_set'])}}}")
    best = ", ".join(f"{label} {probability:.1%}" for label, probability in row["top"])
    decided = "" if row["answer"] is None else f"\tanswer: {row['answer']}"
    return f"{path}\t{best}{decided}" + (f"\t{' '.join(doubts)}" if doubts else "")


def summary(*, pictures: int, unread: int, unsure: int, unfamiliar: int) -> str:
    """How many pictures were labelled, and how many of these answers are doubtful."""
    said = [f"{counted(pictures - unread, 'picture')} labelled"]
    said += [f"{count} of them {what}" for what, count in (("unsure", unsure), ("unfamiliar", unfamiliar)) if count]
    return ", ".join([*said, f"{unread} could not be read"] if unread else said)
