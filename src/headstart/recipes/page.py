"""The page of a recipe that was run: what its write-up shows, with the honest figure first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from headstart.backbones.catalog import Backbone
from headstart.backbones.weights import Weights
from headstart.claims.colour_baseline import Transfer
from headstart.deploy.model import versions
from headstart.evaluation.curves import Epoch
from headstart.evaluation.metrics import Evaluation
from headstart.files import display
from headstart.images.augment import vary
from headstart.images.folder import ImageSet
from headstart.images.transforms import Geometry
from headstart.recipes.records import Recipe
from headstart.report import gallery
from headstart.report.certificate import transfer_sentence
from headstart.report.page import ReportContent
from headstart.report.section import Section, Table, Thumbnail

if TYPE_CHECKING:
    from headstart.finetune.result import FineTuned
    from headstart.finetune.trainable import Summary


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a run has to say, in words and numbers."""

    evaluation: Evaluation
    """The honest figure."""
    others: tuple[Evaluation, ...]
    initial: str
    best_epoch: str
    phase_verdicts: tuple[str, ...]
    """What the curves said after each phase but the last."""
    verdict: str
    transfer: Transfer | None
    notes: tuple[str, ...]
    seconds: float


def epoch_line(epoch: Epoch) -> str:
    """One epoch in a line."""
    return (
        f"epoch {epoch.epoch:>3}  phase {epoch.phase}  train {epoch.train_loss:.4f} {epoch.train_accuracy:.4f}  "
        f"val {epoch.val_loss:.4f} {epoch.val_accuracy:.4f}  {epoch.seconds:.1f} s"
    )


def describe(summary: Summary) -> str:
    """Parameter counts of a phase in words."""
    of_trunk = summary.trainable - summary.head
    parts = f" ({of_trunk:,} of the trunk, {summary.head:,} of the head)" if of_trunk else ""
    adapters = f"; {summary.adapters:,} in adapters" if summary.adapters else ""
    return (
        f"from {summary.train_from}: {summary.trainable:,} parameters in {summary.trainable_tensors} tensors learn"
        f"{parts}, of {summary.total:,} ({summary.total_with_statistics:,} with batch-norm statistics; "
        f"trunk {summary.base:,}, {summary.base_with_statistics:,} with them{adapters})"
    )


def content(
    recipe: Recipe,
    backbone: Backbone,
    weights: Weights,
    images: ImageSet,
    index: NDArray[np.int64],
    proba: NDArray[np.float64],
    told: Told,
    tuned: FineTuned,
    elsewhere: Sequence[tuple[Path, NDArray[np.float64]]],
    *,
    seed: int,
    command: str,
) -> ReportContent:
    """The page.

    Args:
        recipe: as it was run.
        backbone: its trunk.
        weights: of the trunk before training.
        images: with their splits.
        index: positions of the pictures that the honest figure was measured on.
        proba: (n, k) probabilities of these.
        told: what was found.
        tuned: the trained network.
        elsewhere: pictures of the user's, each with its probabilities (k,).
        seed: of the run.
        command: that repeats it.
    """
    nine = gallery.one_of_each(images, 9)
    verdicts = [f"After phase {number}: {said}" for number, said in enumerate(told.phase_verdicts, start=1)]
    return ReportContent(
        title=recipe.name,
        evaluation=told.evaluation,
        other_evaluations=told.others,
        notes=(
            *map(_sentence, (told.initial, told.best_epoch)),
            *_doubts(told.transfer),
            *(_sentence(f"not as published: {one}") for one in recipe.departures),
            *map(_sentence, told.notes),
        ),
        class_counts=gallery.class_counts(images),
        samples=tuple(gallery.thumbnail(images, i) for i in nine),
        augmented=gallery.views(_varied(recipe, backbone, images, nine[0]), caption=images.classes[images.y[nine[0]]]),
        mistakes=gallery.mistakes(images, index, proba),
        history=tuned.history,
        verdict=" ".join([*verdicts, f"At the end: {told.verdict}" if verdicts else told.verdict]),
        predictions=_answers(images, index, proba),
        sections=tuple(_sections(images, told, tuned, elsewhere)),
        left_out=tuple((gallery.name_of(images, out.path), out.reason) for out in images.left_out),
        made=_made(recipe, backbone, weights, tuned, seed),
        timings={"training": told.seconds},
        command=command,
    )


def _made(recipe: Recipe, backbone: Backbone, weights: Weights, tuned: FineTuned, seed: int) -> dict[str, str]:
    made = {
        "Recipe": f"{recipe.name}: {recipe.about}",
        "Published": recipe.published or "no figure",
        "Departures": "; ".join(recipe.departures) or "none: as published",
        "Trunk": f"{backbone.name}, {weights.origin} weights",
        "Frozen part ran with": tuned.runtime,
        "Seed": str(seed),
        "Versions": ", ".join(f"{name} {number}" for name, number in versions().items()),
    }
    for number, summary in enumerate(tuned.summaries, start=1):
        made[f"Phase {number}"] = describe(summary)
    return made


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:].rstrip('.')}."


def _doubts(transfer: Transfer | None) -> tuple[str, ...]:
    return (transfer_sentence(transfer),) if transfer is not None and transfer.verdict != "helps" else ()


def _varied(recipe: Recipe, backbone: Backbone, images: ImageSet, i: int) -> list[NDArray[np.uint8]]:
    """Nine augmented views of a picture, as training sees it; none for a recipe that does not augment."""
    plan, augment = recipe.plan, recipe.plan.augment
    if augment.kind == "none":
        return []
    geometry = Geometry(
        size=plan.size,
        mode=plan.mode,
        crop_pct=plan.crop_pct or backbone.crop_pct,
        interpolation=plan.interpolation or backbone.interpolation,
    )
    return vary(images.paths[i], geometry, augment.kind, range(9), area=augment.area, turn=augment.turn)


def _answers(images: ImageSet, index: NDArray[np.int64], proba: NDArray[np.float64]) -> tuple[Thumbnail, ...]:
    """Nine of the pictures, evenly spaced, each with the answer and its probability."""
    places = np.linspace(0, len(index) - 1, min(9, len(index))).round().astype(int)
    return tuple(
        gallery.thumbnail(
            images, int(index[i]), caption=f"{images.classes[int(proba[i].argmax())]} {proba[i].max():.0%}"
        )
        for i in places
    )


def _sections(
    images: ImageSet, told: Told, tuned: FineTuned, elsewhere: Sequence[tuple[Path, NDArray[np.float64]]]
) -> list[Section]:
    epochs = Table(
        about="Every epoch",
        columns=("epoch", "phase", "train loss", "train accuracy", "val loss", "val accuracy", "seconds"),
        rows=tuple(
            (
                str(one.epoch),
                str(one.phase),
                f"{one.train_loss:.4f}",
                f"{one.train_accuracy:.4f}",
                f"{one.val_loss:.4f}",
                f"{one.val_accuracy:.4f}",
                f"{one.seconds:.1f}",
            )
            for one in tuned.history.epochs
        ),
        numbers=tuple(range(7)),
    )
    sentences = (told.initial, told.best_epoch, f"All epochs together took {told.seconds:.1f} s.")
    sections = [Section(id="epochs", title="Epoch by epoch", sentences=sentences, table=epochs)]
    if told.transfer is not None:
        method = (
            "Ridge regression on histograms of 16 bins a channel and 4 × 4 × 4 of all three, mean and spread, its "
            "strength by leave-one-out on the training pictures, "
            "answers the same pictures; McNemar's exact test compares the two picture by picture, at 5 %."
        )
        title = "Did pretraining help?"
        sections.append(
            Section(id="transfer", title=title, sentences=(transfer_sentence(told.transfer),), method=method)
        )
    if elsewhere:
        rows = tuple(
            (display(path), images.classes[int(proba.argmax())], *(f"{p:.1%}" for p in proba))
            for path, proba in elsewhere
        )
        table = Table(
            about="Probabilities of every class",
            columns=("picture", "answer", *images.classes),
            rows=rows,
            numbers=tuple(range(2, 2 + len(images.classes))),
        )
        thumbnails = tuple(
            gallery.picture(path, caption=f"{images.classes[int(proba.argmax())]} {proba.max():.1%}")
            for path, proba in elsewhere
        )
        title = "Pictures from elsewhere"
        sections.append(Section(id="elsewhere", title=title, thumbnails=thumbnails, table=table))
    return sections
