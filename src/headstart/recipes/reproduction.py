"""What running a recipe measured, and the documents that say it: lines, JSON, and a page as its write-up shows it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headstart.backbones.catalog import Backbone
from headstart.claims.colour_baseline import Transfer
from headstart.deploy.model import versions
from headstart.evaluation.curves import verdict
from headstart.evaluation.held_out import AnsweredPart
from headstart.evaluation.history import History
from headstart.evaluation.metrics import Evaluation
from headstart.files import display
from headstart.images.folder import ImageSet
from headstart.images.transforms import Geometry, vary
from headstart.recipes.records import Recipe
from headstart.report import gallery
from headstart.report import recipe as words
from headstart.report.certificate import transfer_sentence
from headstart.report.curves import curve_verdict
from headstart.report.finetuning_notes import in_words
from headstart.report.page import ReportContent
from headstart.report.section import Section, Thumbnail
from headstart.report.words import evaluation_document, measured_on

if TYPE_CHECKING:
    from headstart.finetune.notes import Note
    from headstart.finetune.result import FineTuned
    from headstart.finetune.trainable import Summary


@dataclass(frozen=True, kw_only=True)
class TrainingRecord:
    """How training went."""

    history: History
    n_val: int
    """Validation pictures."""
    kept_epoch: int
    """Epoch whose weights are saved."""
    summaries: tuple[Summary, ...]
    """Counts of parameters, a phase each."""
    notes: tuple[Note, ...]
    """What was decided on the way."""
    runtime: str
    """What ran the frozen part."""
    prepared: float
    """Seconds spent on the outputs of what is frozen, and on getting ready; almost none where the cache has them."""

    @classmethod
    def of(cls, tuned: FineTuned, *, prepared: float) -> TrainingRecord:
        """How the training of ``tuned`` went; ``prepared`` as above."""
        return cls(
            history=tuned.history,
            n_val=len(tuned.activations.job.val),
            kept_epoch=tuned.best_epoch if tuned.chosen == "best" else tuned.history.last.epoch,
            summaries=tuned.summaries,
            notes=tuned.notes,
            runtime=tuned.runtime,
            prepared=prepared,
        )

    @property
    def verdicts(self) -> tuple[str, ...]:
        """What the curves showed after each phase, in words; the last is of the whole run."""
        ends = (phase[-1].epoch for phase in self.history.phases)
        runs = (replace(self.history, epochs=self.history.epochs[:end]) for end in ends)
        return tuple(curve_verdict(verdict(run, n_val=self.n_val)) for run in runs)


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
    def answers(self) -> tuple[tuple[Path, str, float], ...]:
        """Of the pictures elsewhere: the most probable class and its probability."""
        return tuple((path, self.classes[int(proba.argmax())], float(proba.max())) for path, proba in self.elsewhere)

    def kept(self) -> tuple[str, ...]:
        """Which epoch's weights are saved, if not the last but those with the lowest validation loss."""
        chosen = self.recipe.plan.phases[-1].keep == "best"
        return (words.kept_epoch(self.training.kept_epoch, self.training.history),) if chosen else ()

    def lines(self) -> Iterator[str]:
        """What people read after a run, line by line; `run` tells what comes before."""
        yield words.took(self.training.history.seconds, self.training.prepared)
        for evaluation in (self.evaluation, *self.others):
            yield f"accuracy {evaluation.accuracy}, measured on {measured_on(evaluation.measured_on)}"
        yield words.best_epoch(self.training.history, self.training.n_val)
        yield from self.kept()
        *phases, whole = self.training.verdicts
        for number, said in enumerate(phases, start=1):
            yield f"after phase {number}: {said}"
        yield whole
        if self.transfer is not None:
            yield transfer_sentence(self.transfer)
        for path, label, probability in self.answers:
            yield f"{display(path)}: {label} {probability:.1%}"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        *phases, whole = self.training.verdicts
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
            "phase_verdicts": list(phases),
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


def content(
    ran: Reproduction,
    images: ImageSet,
    answered: AnsweredPart,
    *,
    geometry: Geometry,
    made: dict[str, str],
    command: str,
) -> ReportContent:
    """The page, with the honest figure first.

    Args:
        ran: what was measured.
        images: with their splits.
        answered: the pictures that the honest figure was measured on.
        geometry: how pictures were made square.
        made: how the run was made: label → value.
        command: that repeats it.
    """
    samples = gallery.one_of_each(images, 9)
    return ReportContent(
        title=ran.recipe.name,
        evaluation=ran.evaluation,
        other_evaluations=ran.others,
        notes=_notes(ran),
        class_counts=gallery.class_counts(images),
        samples=tuple(gallery.thumbnail(images, i) for i in samples),
        augmented=gallery.views(
            _augmented(ran.recipe, geometry, images.paths[samples[0]]), caption=images.classes[images.y[samples[0]]]
        ),
        mistakes=gallery.mistakes(images, answered.index, answered.proba),
        history=ran.training.history,
        verdict=words.verdicts(ran.training.verdicts),
        predictions=_answers(images, answered),
        sections=tuple(_sections(ran)),
        left_out=tuple((gallery.name_of(images, out.path), out.reason) for out in images.left_out),
        made=made,
        timings={"what is frozen, and getting ready": ran.training.prepared, "training": ran.training.history.seconds},
        command=command,
    )


def made_of(ran: Reproduction, backbone: Backbone, *, origin: str, seed: int) -> dict[str, str]:
    """How a run was made: label → value. ``origin`` is that of the weights."""
    recipe = ran.recipe
    phases = {
        f"Phase {number}": words.parameters(summary) for number, summary in enumerate(ran.training.summaries, start=1)
    }
    return {
        "Recipe": f"{recipe.name}: {recipe.about}",
        "Published": recipe.published or "no figure",
        "Departures": "; ".join(recipe.departures) or "none: as published",
        "Backbone": f"{backbone.name}, {origin} weights",
        "Frozen part ran with": ran.training.runtime,
        "Seed": str(seed),
        "Versions": ", ".join(f"{name} {number}" for name, number in versions().items()),
        **phases,
    }


def _notes(ran: Reproduction) -> tuple[str, ...]:
    transfer = ran.transfer
    return (
        words.before_training(ran.training.history, len(ran.classes)),
        words.sentence(words.best_epoch(ran.training.history, ran.training.n_val)),
        *ran.kept(),
        *([transfer_sentence(transfer)] if transfer is not None and transfer.verdict != "helps" else []),
        *(words.sentence(f"not as published: {departure}") for departure in ran.recipe.departures),
        *map(words.sentence, in_words(ran.training.notes)),
    )


def _augmented(recipe: Recipe, geometry: Geometry, path: Path) -> list[NDArray[np.uint8]]:
    """Nine augmented views of a picture, as training sees it; none for a recipe that does not augment."""
    augment = recipe.plan.augment
    if augment.kind == "none":
        return []
    return vary(path, geometry, augment.kind, range(9), area=augment.area, turn=augment.turn)


def _answers(images: ImageSet, answered: AnsweredPart) -> tuple[Thumbnail, ...]:
    """Nine of the pictures, evenly spaced, each with the answer and its probability."""
    n = len(answered.index)
    shown = [
        (int(answered.index[place]), answered.proba[place])
        for place in np.linspace(0, n - 1, min(9, n)).round().astype(int)
    ]
    return tuple(
        gallery.thumbnail(images, i, caption=f"{images.classes[int(proba.argmax())]} {proba.max():.0%}")
        for i, proba in shown
    )


def _sections(ran: Reproduction) -> list[Section]:
    sections = [words.transfer_section(ran.transfer)] if ran.transfer is not None else []
    if ran.elsewhere:
        sections.append(words.elsewhere_section(ran.elsewhere, ran.classes))
    return sections
