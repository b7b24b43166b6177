"""What running a published recipe showed, in English: lines for a terminal, metrics.json, and the page of the run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headstart.backbones import catalog
from headstart.claims.colour_baseline import Transfer
from headstart.deploy.model import versions
from headstart.evaluation.curves import verdict
from headstart.evaluation.held_out import AnsweredPart
from headstart.evaluation.history import Epoch, History
from headstart.evaluation.metrics import Evaluation
from headstart.files import below, display, plain
from headstart.finetune.plan import Departure, Procedure
from headstart.images.folder import ImageSet
from headstart.images.grey_levels import Levels
from headstart.images.transforms import Geometry, vary
from headstart.report import gallery
from headstart.report.certificate import transfer_sentence
from headstart.report.curves import curve_verdict
from headstart.report.finetuning_notes import in_words
from headstart.report.page import ReportContent
from headstart.report.section import Section, Table, Thumbnail, text
from headstart.report.words import counted, evaluation_document, level_lines, measured_on, points

if TYPE_CHECKING:
    from headstart.finetune.notes import Note
    from headstart.finetune.trainable import Summary

_CHANGED = {
    "preprocessing": ", and pictures cropped and scaled as that backbone was pretrained",
    "head": ", its features read where the whole of VGG's last map is",
    "dropout": ", without the dropout in VGG's own layers",
}


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """What `headstart.recipes.runner.run` measured."""

    recipe: Procedure
    folder: Path
    classes: tuple[str, ...]
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


def lines(ran: Reproduction) -> Iterator[str]:
    """What people read after a run, line by line; `headstart.recipes.runner.run` tells what comes before."""
    yield f"trained in {ran.history.seconds:.1f} s; {ran.prepared:.1f} s more for what is frozen and for getting ready"
    for evaluation in (ran.evaluation, *ran.others):
        yield f"accuracy {evaluation.accuracy}, measured on {measured_on(evaluation.measured_on)}"
    yield best_epoch(ran.history, ran.n_val)
    yield from kept(ran)
    *phases, whole = verdicts(ran)
    for number, said in enumerate(phases, start=1):
        yield f"after phase {number}: {said}"
    yield whole
    if ran.transfer is not None:
        yield transfer_sentence(ran.transfer)
    for path, label, probability in ran.answers:
        yield f"{display(path)}: {label} {probability:.1%}"


def document(ran: Reproduction) -> dict[str, Any]:
    """Plain JSON types."""
    *phases, whole = verdicts(ran)
    return {
        "run": str(ran.folder),
        **evaluation_document(ran.evaluation),
        "others": [evaluation_document(evaluation) for evaluation in ran.others],
        "recipe": ran.recipe.name,
        "departures": list(map(departure, ran.recipe.departures)),
        "initial": before_training(ran.history, len(ran.classes)),
        "best_epoch": best_epoch(ran.history, ran.n_val),
        "kept_epoch": ran.kept_epoch,
        "phase_verdicts": list(phases),
        "verdict": whole,
        "transfer": plain(ran.transfer, text=transfer_sentence(ran.transfer)) if ran.transfer else None,
        "elsewhere": [
            {"path": display(path), "label": label, "probability": probability}
            for path, label, probability in ran.answers
        ],
        "notes": list(in_words(ran.notes)),
        "summaries": [vars(summary) for summary in ran.summaries],
        "seconds": round(ran.history.seconds, 2),
        "prepared_seconds": round(ran.prepared, 2),
    }


def content(
    ran: Reproduction, images: ImageSet, part: AnsweredPart, *, geometry: Geometry, origin: str, seed: int, command: str
) -> ReportContent:
    """The page, with the honest figure first.

    Args:
        ran: what was measured.
        images: with their splits.
        part: the pictures that the honest figure was measured on.
        geometry: how pictures were made square.
        origin: of the weights.
        seed: of everything that was drawn.
        command: that repeats it.
    """
    samples = gallery.one_of_each(images, 9)
    augment, first, views = ran.recipe.plan.augment, samples[0], []
    if augment.kind != "none":
        views = vary(images.paths[first], geometry, augment.kind, range(9), area=augment.area, turn=augment.turn)
    return ReportContent(
        title=ran.recipe.name,
        evaluation=ran.evaluation,
        other_evaluations=ran.others,
        notes=(*_notes(ran), *level_lines(images)),
        class_counts=images.counts,
        samples=tuple(gallery.thumbnail(images, i) for i in samples),
        augmented=gallery.views(views, caption=images.classes[images.y[first]]),
        mistakes=gallery.mistakes(images, part.index, part.proba),
        history=ran.history,
        verdict=paragraph(verdicts(ran)),
        predictions=_answers(images, part),
        sections=tuple(_sections(ran, images.levels)),
        left_out=tuple((below(images.root, out.path), out.reason) for out in images.left_out),
        made=_made(ran, origin, seed),
        timings={"what is frozen, and getting ready": ran.prepared, "training": ran.history.seconds},
        command=command,
    )


def _made(ran: Reproduction, origin: str, seed: int) -> dict[str, str]:
    """How a run was made: label → value."""
    recipe = ran.recipe
    return {
        "Recipe": f"{recipe.name}: {recipe.about}",
        "Published": recipe.published or "no figure",
        "Departures": "; ".join(map(departure, recipe.departures)) or "none: as published",
        "Backbone": f"{catalog.get(recipe.backbone).name}, {origin} weights",
        "Frozen part ran with": ran.runtime,
        "Seed": str(seed),
        "Versions": ", ".join(f"{name} {number}" for name, number in versions().items()),
        **{f"Phase {number}": parameters(summary) for number, summary in enumerate(ran.summaries, start=1)},
    }


def _notes(ran: Reproduction) -> tuple[str, ...]:
    transfer = ran.transfer
    return (
        before_training(ran.history, len(ran.classes)),
        sentence(best_epoch(ran.history, ran.n_val)),
        *kept(ran),
        *([transfer_sentence(transfer)] if transfer is not None and transfer.verdict != "helps" else []),
        *map(sentence, departure_lines(ran.recipe)),
        *map(sentence, in_words(ran.notes)),
    )


def _answers(images: ImageSet, answered: AnsweredPart) -> tuple[Thumbnail, ...]:
    """Nine of the pictures, evenly spaced, each with the answer and its probability."""
    n = len(answered.index)
    places = np.linspace(0, n - 1, min(9, n)).round().astype(int)
    return tuple(
        gallery.thumbnail(images, int(i), caption=f"{images.classes[int(proba.argmax())]} {proba.max():.0%}")
        for i, proba in zip(answered.index[places], answered.proba[places], strict=True)
    )


def _sections(ran: Reproduction, levels: Levels | None) -> Iterator[Section]:
    if ran.transfer is not None:
        said = transfer_sentence(ran.transfer)
        yield Section(id="transfer", title="Did pretraining help?", sentences=(said,), method=text("transfer"))
    if ran.elsewhere:
        yield _elsewhere(ran, levels)


def departure(fact: Departure) -> str:
    """What is not as published."""
    views = counted(fact.number, "fixed augmented view")
    return {
        "statistics": "batch norms of the frozen backbone keep their statistics, which the published loop lets drift",
        "filter": "pictures are filtered as they are made smaller, which Keras' resizing leaves out",
        "epochs": f"shortened to at most {counted(fact.number, 'epoch')} in each phase",
        "views": f"{views} of each picture in turn, where the write-up draws a new one every epoch",
        "rank": f"adapters of rank {fact.number} on attention learn in place of the backbone's own weights",
        "backbone": f"backbone {fact.backbone} where the write-up has {fact.published}"
        + "".join(_CHANGED[what] for what in fact.changed),
    }[fact.kind]


def departure_lines(recipe: Procedure) -> list[str]:
    """What is not as published, a line each."""
    return [f"not as published: {departure(fact)}" for fact in recipe.departures]


def epoch_line(epoch: Epoch) -> str:
    """One epoch in a line."""
    return (
        f"epoch {epoch.epoch:>3}  phase {epoch.phase}  train {epoch.train_loss:.4f} {epoch.train_accuracy:.4f}  "
        f"val {epoch.val_loss:.4f} {epoch.val_accuracy:.4f}  {epoch.seconds:.1f} s"
    )


def parameters(summary: Summary) -> str:
    """How many parameters a phase trains."""
    of_backbone = summary.trainable - summary.head
    parts = f" ({of_backbone:,} of the backbone, {summary.head:,} of the head)" if of_backbone else ""
    adapters = f"; {summary.adapters:,} in adapters" if summary.adapters else ""
    return (
        f"from {summary.train_from}: {summary.trainable:,} parameters in {summary.trainable_tensors} tensors learn"
        f"{parts}, of {summary.total:,} ({summary.total_with_statistics:,} with batch-norm statistics; "
        f"backbone {summary.base:,}, {summary.base_with_statistics:,} with them{adapters})"
    )


def before_training(history: History, num_classes: int) -> str:
    """Loss and accuracy of the untrained head, beside those of guessing evenly."""
    return (
        f"Before training: validation loss {history.initial_loss:.4f}, accuracy {history.initial_accuracy:.4f} "
        f"(guessing evenly: {math.log(num_classes):.4f}, {1 / num_classes:.4f})."
    )


def best_epoch(history: History, n_val: int) -> str:
    """The figure that write-ups quote, why it is too optimistic, and by how much it is above the last epoch's."""
    best, last = history.best_accuracy.val_accuracy, history.last.val_accuracy
    less = f"{last:.4f}, {points(best - last)} points less" if best > last else "the same"
    chosen = "this picture" if n_val == 1 else f"these {n_val:,} pictures"
    return (
        f"best validation accuracy {best:.4f}, in epoch {history.best_accuracy.epoch} of {len(history.epochs)}: too "
        f"optimistic, because the epoch was chosen on {chosen}; the last epoch has {less}"
    )


def kept(ran: Reproduction) -> tuple[str, ...]:
    """Which epoch's weights are saved, if not the last but those with the lowest validation loss."""
    if ran.recipe.plan.phases[-1].keep == "last":
        return ()
    epoch, count = ran.kept_epoch, len(ran.history.epochs)
    return (f"The weights of epoch {epoch} of {count} are kept, which has the lowest validation loss.",)


def verdicts(ran: Reproduction) -> tuple[str, ...]:
    """What the curves showed after each phase, in words; the last is of the whole run."""
    ends = (phase[-1].epoch for phase in ran.history.phases)
    runs = (replace(ran.history, epochs=ran.history.epochs[:end]) for end in ends)
    return tuple(curve_verdict(verdict(run, n_val=ran.n_val)) for run in runs)


def paragraph(said: Sequence[str]) -> str:
    """The verdicts after each phase and of the whole run, as one paragraph."""
    *phases, whole = said
    after = [f"After phase {i}: {phase}" for i, phase in enumerate(phases, start=1)]
    return " ".join([*after, f"At the end: {whole}" if after else whole])


def sentence(text: str) -> str:
    """The text with a capital and a full stop."""
    return f"{text[0].upper()}{text[1:].rstrip('.')}."


def _elsewhere(ran: Reproduction, levels: Levels | None) -> Section:
    """Pictures of the user's and what the network answered."""
    shares = [tuple(f"{p:.1%}" for p in proba) for _, proba in ran.elsewhere]
    table = Table(
        about="Probabilities of every class",
        columns=("picture", "answer", *ran.classes),
        rows=tuple((display(path), label, *row) for (path, label, _), row in zip(ran.answers, shares, strict=True)),
        numbers=tuple(range(2, 2 + len(ran.classes))),
    )
    thumbnails = tuple(
        gallery.picture(path, caption=f"{label} {most:.1%}", levels=levels) for path, label, most in ran.answers
    )
    return Section(id="elsewhere", title="Pictures from elsewhere", thumbnails=thumbnails, table=table)
