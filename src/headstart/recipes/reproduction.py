"""What running a recipe measured, and the documents that say it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headstart.claims.colour_baseline import Transfer
from headstart.evaluation.curves import CurveVerdict
from headstart.evaluation.history import History
from headstart.evaluation.metrics import Evaluation
from headstart.files import display
from headstart.recipes.records import Recipe
from headstart.report import recipe as words
from headstart.report.certificate import transfer_sentence
from headstart.report.curves import curve_verdict
from headstart.report.finetuning_notes import in_words
from headstart.report.words import evaluation_document, measured_on

if TYPE_CHECKING:
    from headstart.finetune.notes import Note
    from headstart.finetune.trainable import Summary


@dataclass(frozen=True, kw_only=True)
class TrainingRecord:
    """How training went."""

    history: History
    n_val: int
    """Validation pictures."""
    kept_epoch: int
    """Epoch whose weights are saved."""
    verdicts: tuple[CurveVerdict, ...]
    """What the curves showed after each phase, the last of the whole run."""
    summaries: tuple[Summary, ...]
    """Counts of parameters, a phase each."""
    notes: tuple[Note, ...]
    """What was decided on the way."""
    runtime: str
    """What ran the frozen part."""
    prepared: float
    """Seconds spent on the outputs of what is frozen, and on getting ready; almost none where the cache has them."""


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """What `headstart.recipes.runner.run` measured."""

    recipe: Recipe
    folder: Path
    classes: tuple[str, ...]
    training: TrainingRecord
    evaluation: Evaluation
    """Of the saved weights: on the test split if there is one, else on the validation split."""
    others: tuple[Evaluation, ...]
    """Shown beside it."""
    transfer: Transfer | None
    """None for random weights: there is nothing to transfer."""
    elsewhere: tuple[tuple[Path, NDArray[np.float64]], ...] = field(repr=False)
    """Pictures of the user's, each with its probabilities (k,)."""

    @property
    def keeps_best(self) -> bool:
        """Whether the saved weights are those with the lowest validation loss, and not the last."""
        return self.recipe.plan.phases[-1].keep == "best"

    @property
    def answers(self) -> tuple[tuple[Path, str, float], ...]:
        """Of the pictures elsewhere: the most probable class and its probability."""
        return tuple((path, self.classes[int(proba.argmax())], float(proba.max())) for path, proba in self.elsewhere)

    def kept(self) -> tuple[str, ...]:
        """Which epoch's weights were chosen, if any were."""
        return (words.kept_epoch(self.training.kept_epoch, self.training.history),) if self.keeps_best else ()

    def lines(self) -> Iterator[str]:
        """What people read after a run, line by line; `run` tells what comes before."""
        yield words.took(self.training.history.seconds, self.training.prepared)
        for evaluation in (self.evaluation, *self.others):
            yield f"accuracy {evaluation.accuracy}, measured on {measured_on(evaluation.measured_on)}"
        yield words.best_epoch(self.training.history, self.training.n_val)
        yield from self.kept()
        *phases, whole = map(curve_verdict, self.training.verdicts)
        for number, said in enumerate(phases, start=1):
            yield f"after phase {number}: {said}"
        yield whole
        if self.transfer is not None:
            yield transfer_sentence(self.transfer)
        for path, label, probability in self.answers:
            yield f"{display(path)}: {label} {probability:.1%}"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        *phases, whole = map(curve_verdict, self.training.verdicts)
        said = transfer_sentence(self.transfer) if self.transfer else ""
        return {
            "run": str(self.folder),
            **evaluation_document(self.evaluation),
            "others": [evaluation_document(evaluation) for evaluation in self.others],
            "recipe": self.recipe.name,
            "departures": list(self.recipe.departures),
            "initial": words.before_training(self.training.history, len(self.classes)),
            "best_epoch": words.best_epoch(self.training.history, self.training.n_val),
            "kept_epoch": self.training.kept_epoch,
            "phase_verdicts": phases,
            "verdict": whole,
            "transfer": {**self.transfer.to_dict(), "text": said} if self.transfer else None,
            "elsewhere": [
                {"path": display(path), "label": label, "probability": probability}
                for path, label, probability in self.answers
            ],
            "notes": list(in_words(self.training.notes)),
            "summaries": [vars(summary) for summary in self.training.summaries],
            "seconds": round(self.training.history.seconds, 2),
            "prepared_seconds": round(self.training.prepared, 2),
        }
