"""Label pictures with a saved model: an answer for each input, in the order given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.deploy import predictions as table
from headstart.deploy.model import Model, Prediction
from headstart.files import plain
from headstart.images.walk import find_images
from headstart.progress import Progress


@dataclass(frozen=True, kw_only=True)
class PredictOptions:
    """How pictures are answered."""

    coverage: float | None = None
    """How often, 0 to 1, the true class is to be in the prediction set; 0.9 unless told otherwise."""
    costs: Path | None = None
    """A file with what mistakes cost, to decide by in place of the model's own."""
    top: int = 1
    """How many of the most probable classes a row names."""


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """The answers for n pictures."""

    classes: tuple[str, ...]
    coverage: float | None
    """Of the prediction sets; None for a model that gives none."""
    predictions: tuple[Prediction, ...]
    """(n,)"""
    rows: tuple[dict[str, Any], ...]
    """(n,) the same in plain JSON types, as `deploy.predictions.row` describes them."""

    @property
    def complete(self) -> bool:
        """Whether there are pictures, and all of them could be read."""
        return bool(self.predictions) and all(prediction.proba is not None for prediction in self.predictions)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return plain(self, "classes", "coverage", predictions=self.rows)

    def write_csv(self, path: Path) -> None:
        """Write a line per picture, whole or not at all, with the columns of `deploy.predictions.write_csv`."""
        table.write_csv(path, self.predictions, self.classes)


def predict(
    model: Model, inputs: Sequence[str | Path], options: PredictOptions, *, progress: Progress | None = None
) -> Predicted:
    """Answer ``inputs``: files, folders with all below them, patterns. What cannot be read has a reason in its place.

    Raises:
        OptionError: a coverage that the model cannot have, or costs that do not fit its classes.
    """
    model = model.with_costs(options.costs) if options.costs else model
    predictions = model.predict(find_images(inputs), coverage=options.coverage, progress=progress)
    return Predicted(
        classes=model.classes,
        coverage=model.abstention.covers(options.coverage),
        predictions=tuple(predictions),
        rows=tuple(table.row(prediction, model.classes, top=options.top) for prediction in predictions),
    )
