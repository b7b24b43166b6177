"""Runs a published recipe on a folder of pictures, and shows what its write-up shows, with the honest figure first.

::

    history.json        every epoch: losses, accuracies, seconds
    metrics.json        every metric with its interval and what it was measured on; the best epoch beside it, labelled
    predictions.csv     answer and label of every picture it was measured on
    report.html         the same for people, with the curves of all phases in one figure
    checkpoint          what an interrupted run goes on from
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headstart import gallery
from headstart.backbones import catalog
from headstart.backbones.catalog import Backbone
from headstart.backbones.weights import Weights, locate
from headstart.deploy.answers import write_judged
from headstart.deploy.artifact import versions, write_json
from headstart.evaluation.curves import Epoch, verdict
from headstart.evaluation.metrics import Evaluation, evaluate
from headstart.features.extract import Progress
from headstart.features.store import cache_folder
from headstart.images.augment import vary
from headstart.images.folder import ImageSet, scan
from headstart.images.splits import holdout
from headstart.images.transforms import Geometry
from headstart.recipes import Recipe
from headstart.report.page import ReportContent, write_report
from headstart.report.section import Thumbnail

if TYPE_CHECKING:
    from headstart.training.trainee import Summary
    from headstart.training.tuned import FineTuned

BATCH = 32  # pictures in the validation batches of which a fifth becomes the test split


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """What :func:`run` measured."""

    evaluation: Evaluation
    """On the test split if there is one, else on the validation split after the last epoch."""
    epochs: tuple[str, ...]
    """A line per epoch."""
    best_epoch: str
    """The best validation accuracy of any epoch, labelled as what it is."""
    verdict: str
    notes: tuple[str, ...]
    seconds: float
    folder: Path

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        rest = {"best_epoch": self.best_epoch, "verdict": self.verdict, "notes": list(self.notes)}
        return {"run": str(self.folder), **self.evaluation.to_dict(), **rest, "seconds": round(self.seconds, 2)}


def summaries(recipe: Recipe, *, num_classes: int = 2) -> tuple[Summary, ...]:
    """How many parameters each phase of a recipe trains. Counted on random weights, which have the same shapes."""
    from headstart.training.trainee import Trainee

    backbone = catalog.get(recipe.backbone)
    trainee = Trainee(backbone, locate(backbone, random=True), recipe.plan, num_classes=num_classes, seed=0)
    return tuple(trainee.summary(phase) for phase in range(len(recipe.plan.phases)))


def run(
    recipe: Recipe,
    source: Path,
    folder: Path,
    *,
    weights: str | None = None,
    seed: int = 0,
    command: str = "",
    progress: Progress | None = None,
) -> Reproduction:
    """Carry out ``recipe`` on the pictures of ``source`` and write the folder.

    ``weights`` is a file, or ``"random"``, in place of the backbone's own. Raises DataError, OptionError, WeightsError.
    """
    from headstart.training.finetune import finetune

    backbone = catalog.get(recipe.backbone)
    located = _weights(backbone, weights)
    images = with_splits(scan(source), recipe, seed=seed)
    train, val, test = (np.flatnonzero(images.split == split) for split in ("train", "val", "test"))
    folder.mkdir(parents=True, exist_ok=True)
    tuned = finetune(
        backbone,
        located,
        images,
        train,
        val,
        recipe.plan,
        cache=cache_folder(),
        seed=seed,
        checkpoint=folder / "checkpoint",
        progress=progress,
    )
    if len(test):
        index, proba, name = test, tuned.predict_proba([images.paths[i] for i in test]), "the test split"
    else:
        index, proba, name = val, tuned.last_proba, "the validation split, last epoch"
    evaluation = _evaluate(images, index, proba, measured_on=name, seed=seed)
    found = Reproduction(
        evaluation=evaluation,
        epochs=tuple(epoch_line(epoch) for epoch in tuned.history.epochs),
        best_epoch=_best_epoch(tuned, len(val)),
        verdict=verdict(tuned.history, n_val=len(val)).text,
        notes=tuned.notes,
        seconds=sum(epoch.seconds for epoch in tuned.history.epochs),
        folder=folder,
    )
    write_json(folder / "history.json", tuned.history.to_dict())
    write_json(folder / "metrics.json", {**found.to_dict(), "summaries": [vars(s) for s in tuned.summaries]})
    write_judged(folder / "predictions.csv", gallery.judged(images, index, proba))
    made = _made(recipe, backbone, located, tuned, seed)
    write_report(folder / "report.html", _content(recipe, images, index, proba, found, tuned, made, command))
    return found


def with_splits(images: ImageSet, recipe: Recipe, *, seed: int) -> ImageSet:
    """The pictures with the splits that the recipe trains and measures on.

    Without a validation split, a stratified fifth of the training pictures becomes one. Where the recipe moves
    validation batches to a test split and none is given, ⌊batches / 5⌋ of them, drawn at random, are moved.
    """
    split = images.split.copy()
    if not (split == "val").any():
        train = np.flatnonzero(split == "train")
        _, held = holdout(images.y[train], images.groups[train], fraction=0.2, seed=seed)
        split[train[held]] = "val"
    if recipe.test == "batches" and not (split == "test").any():
        val = np.flatnonzero(split == "val")
        batches = -(-len(val) // BATCH) // 5
        split[np.random.default_rng(seed).permutation(val)[: batches * BATCH]] = "test"
    return replace(images, split=split)


def epoch_line(epoch: Epoch) -> str:
    """One epoch in a line."""
    return (
        f"epoch {epoch.epoch:>3}  phase {epoch.phase}  train {epoch.train_loss:.4f} {epoch.train_accuracy:.4f}  "
        f"val {epoch.val_loss:.4f} {epoch.val_accuracy:.4f}  {epoch.seconds:.1f} s"
    )


def _weights(backbone: Backbone, weights: str | None) -> Weights:
    random = weights == "random"
    return locate(backbone, random=random, file=Path(weights) if weights and not random else None)


def _evaluate(
    images: ImageSet, index: NDArray[np.int64], proba: NDArray[np.float64], *, measured_on: str, seed: int
) -> Evaluation:
    train = images.y[images.split == "train"]
    return evaluate(
        proba,
        images.y[index],
        images.classes,
        measured_on=measured_on,
        majority=int(np.bincount(train).argmax()),
        groups=images.groups[index],
        seed=seed,
    )


def _best_epoch(tuned: FineTuned, n_val: int) -> str:
    epochs = tuned.history.epochs
    best = max(epochs, key=lambda epoch: epoch.val_accuracy)
    return (
        f"best validation accuracy {best.val_accuracy:.4f}, in epoch {best.epoch} of {len(epochs)}: picked by looking "
        f"at these {n_val} pictures, so it flatters; the last epoch has {epochs[-1].val_accuracy:.4f}"
    )


def _made(recipe: Recipe, backbone: Backbone, weights: Weights, tuned: FineTuned, seed: int) -> dict[str, str]:
    made = {
        "Recipe": f"{recipe.name}: {recipe.about}",
        "Published": recipe.published or "no figure",
        "Trunk": f"{backbone.name}, {weights.origin} weights",
        "Frozen part ran with": tuned.runtime,
        "Seed": str(seed),
        "Versions": ", ".join(f"{name} {number}" for name, number in versions().items()),
    }
    for number, summary in enumerate(tuned.summaries, start=1):
        made[f"Phase {number}"] = describe(summary)
    return made


def describe(summary: Summary) -> str:
    """Parameter counts of a phase in words."""
    return (
        f"from {summary.train_from}: {summary.trainable:,} parameters in {summary.trainable_tensors} tensors learn, of "
        f"{summary.total:,} ({summary.total_with_statistics:,} with batch-norm statistics; "
        f"trunk {summary.base:,}, {summary.base_with_statistics:,} with them)"
    )


def _content(
    recipe: Recipe,
    images: ImageSet,
    index: NDArray[np.int64],
    proba: NDArray[np.float64],
    found: Reproduction,
    tuned: FineTuned,
    made: Mapping[str, str],
    command: str,
) -> ReportContent:
    nine = gallery.one_of_each(images, 9)
    geometry, augment = Geometry(size=recipe.plan.size, mode=recipe.plan.mode), recipe.plan.augment
    varied = [
        vary(images.paths[nine[0]], geometry, augment.kind, seed, area=augment.area, turn=augment.turn)
        for seed in range(9 if augment.kind != "none" else 0)
    ]
    return ReportContent(
        title=recipe.name,
        evaluation=found.evaluation,
        notes=(found.best_epoch, *found.notes),
        class_counts=gallery.class_counts(images),
        samples=tuple(gallery.thumbnail(images, i) for i in nine),
        augmented=gallery.views(varied, caption=images.classes[images.y[nine[0]]]),
        mistakes=gallery.mistakes(images, index, proba),
        history=tuned.history,
        verdict=found.verdict,
        predictions=_answers(images, index, proba),
        left_out=tuple((gallery.name_of(images, out.path), out.reason) for out in images.left_out),
        made=made,
        timings={"training": found.seconds},
        command=command,
    )


def _answers(images: ImageSet, index: NDArray[np.int64], proba: NDArray[np.float64]) -> tuple[Thumbnail, ...]:
    """Nine of the pictures, evenly spaced, each with the answer and its probability."""
    places = np.linspace(0, len(index) - 1, min(9, len(index))).round().astype(int)
    return tuple(
        gallery.thumbnail(
            images, int(index[i]), caption=f"{images.classes[int(proba[i].argmax())]} {proba[i].max():.0%}"
        )
        for i in places
    )
