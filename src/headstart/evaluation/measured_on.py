"""What a figure was measured on, as data; `headstart.report.words` says it in English."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Split = Literal["test", "val"]
"""A split that no model learns from."""
SPLITS: tuple[Split, ...] = ("test", "val")
"""The one to be quoted first."""


@dataclass(frozen=True, kw_only=True)
class MeasuredOn:
    """The pictures and the way of measuring that an evaluation rests on."""

    kind: Literal["split", "cross-validation", "held out", "difference", "all held out", "pictures"]
    """``split``: a split that was given or made; ``cross-validation``: training pictures, each answered by a model that
    had not seen it; ``held out``: training pictures set aside to choose between two networks; ``difference``: accuracy
    and log-loss of one network by cross-validation, plus what the other gains on those set aside; ``all held out``:
    validation and test together; ``pictures``: a folder given to `evaluate`."""
    split: Literal["", "test", "val"] = ""
    """For ``pictures`` where the folder has other splits too, which were not used."""
    folds: int = 0
    """Of cross-validation; 0 where there were none."""
    repeats: int = 1
    """How often the pictures were dealt to folds."""
    answers: Literal["deployed", "fine-tuned", "frozen"] = "deployed"
    """Whose answers they are: for ``held out`` both networks are shown beside what the procedure chose."""
    epoch: Literal["", "last", "best"] = ""
    """Of a recipe: which epoch's weights answered."""
    n: int = 0
    """Pictures, where the sentence counts them."""
    source: str = ""
    """Name of the folder, for ``pictures``."""
