"""Runs a published recipe on a folder of pictures, and shows what its write-up shows, with the honest figure first.

::

    history.json        every epoch: losses, accuracies, seconds
    metrics.json        every metric with its interval and what it was measured on; the best epoch beside it, labelled
    predictions.csv     path, label, predicted label and probabilities of the pictures it was measured on
    predictions.npz     the same as arrays: path, classes, y, predicted, proba
    model/              the trained network, for `headstart predict`
    report.html         the same for people, with the curves of all phases in one figure
    checkpoint          what an interrupted run goes on from
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from headstart import output_folder
from headstart.backbones import catalog
from headstart.backbones.space import NetworkSpec
from headstart.backbones.weights import Weights, locate, locate_named
from headstart.cache_folder import cache_folder
from headstart.claims.colour_baseline import Transfer, transfer
from headstart.deploy.fitted import assemble
from headstart.errors import DataError, Problem, UnreadableImageError
from headstart.evaluation.held_out import AnsweredPart, HeldOut, write_held_out
from headstart.evaluation.history import History
from headstart.evaluation.measured_on import MeasuredOn
from headstart.files import display, replacing, write_json
from headstart.finetune.trial import Selection
from headstart.images.decode import decode, read_extent
from headstart.images.folder import ImageSet, scan
from headstart.images.grey_levels import Extent
from headstart.images.labelled import picture_folders
from headstart.images.splits import holdout
from headstart.images.threads import in_order
from headstart.progress import Progress
from headstart.recipes.records import Recipe
from headstart.report import recipe as words
from headstart.report.finetuning_notes import in_words
from headstart.report.page import ReportContent, write_report
from headstart.report.recipe import Reproduction

if TYPE_CHECKING:
    from headstart.finetune.job import Job
    from headstart.finetune.result import FineTuned
    from headstart.finetune.trainable import Summary

Tell = Callable[[str], None]
FILES = (
    "history.json", "metrics.json", "predictions.csv", "predictions.npz", "model", "report.html", "checkpoint",
)  # fmt: skip
BATCH = 32
"""Pictures in the validation batches of which a fifth becomes the test split, as in Keras' tutorials."""
VAL_FRACTION = 0.2
"""Share of the training pictures that becomes the validation split where there is none."""


class Stopwatch:
    """Divides the time of a call of `finetune` into its epochs and all else; `watch` is to be passed to it."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.before: float | None = None
        """Seconds of epochs that an interrupted run had finished."""

    def watch(self, summaries: Sequence[Summary], history: History) -> None:
        """Called before any training, with the epochs of a run that goes on."""
        if self.before is None:
            self.before = history.seconds

    def prepared(self, history: History) -> float:
        """Seconds so far that were not spent on epochs."""
        return max(time.monotonic() - self.began - (history.seconds - (self.before or 0.0)), 0.0)


def summaries(recipe: Recipe, *, num_classes: int = 2) -> tuple[Summary, ...]:
    """How many parameters each phase of a recipe trains. Counted on tensors that have shapes and no content."""
    import torch

    from headstart.finetune.trainable import Trainable

    backbone = catalog.get(recipe.backbone)
    with torch.device("meta"):
        trainable = Trainable(backbone, locate(backbone, random=True), recipe.plan, num_classes=num_classes, seed=0)
    return tuple(trainable.summary(phase) for phase in range(len(recipe.plan.phases)))


def run(
    recipe: Recipe,
    source: Path,
    folder: Path,
    *,
    weights: str | None = None,
    seed: int = 0,
    pictures: Sequence[Path] = (),
    command: str = "",
    tell: Tell = lambda line: None,
    progress: Progress | None = None,
) -> Reproduction:
    """Carry out ``recipe`` on the pictures of ``source`` and write the folder.

    Args:
        recipe: from `headstart.recipes.records`, for this backbone: see `on`.
        source: the labelled pictures.
        folder: to write; the same call goes on with a run that was interrupted.
        weights: a file, or ``"random"``, in place of the backbone's own.
        seed: of everything that is drawn.
        pictures: from elsewhere, to be answered by the trained network.
        command: that repeats the run, for its page.
        tell: is given lines for people as they come: parameter counts, the start, every epoch.
        progress: is told how far the run is.

    Raises:
        OptionError: the folder is among the pictures, or holds what is not of a recipe.
        DataError, OptionError, WeightsError: as for `headstart.finetune.loop.finetune`.
    """
    output_folder.refuse_unsafe(source, folder, what="recipe", writes=FILES, pictures=picture_folders(source))
    located = locate_named(catalog.get(recipe.backbone), weights)
    images = with_splits(scan(source), recipe, seed=seed)
    _require_readable(pictures)
    output_folder.claim(folder, "recipe")
    watch = _Teller(tell, len(images.classes))
    job = job_of(recipe, images, located, seed=seed)
    tuned = _train(job, recipe, folder, progress=progress, watch=watch)
    _save(tuned, job, recipe, images, folder / "model")
    honest, others = _answers(tuned, images)
    largest = next((part for part in others if part.measured_on.kind == "all held out"), honest)
    ran = Reproduction(
        recipe=recipe,
        folder=folder,
        classes=images.classes,
        evaluation=honest.evaluation(images, images.train_counts, seed=seed),
        others=tuple(part.evaluation(images, images.train_counts, seed=seed) for part in others),
        transfer=None if located.origin == "random" else _transfer(job, largest),
        elsewhere=tuple(zip(pictures, tuned.predict_proba(pictures), strict=True)) if pictures else (),
        history=tuned.history,
        n_val=len(job.val),
        kept_epoch=tuned.best_epoch if tuned.chosen == "best" else tuned.history.last.epoch,
        summaries=tuned.summaries,
        notes=tuned.notes,
        runtime=tuned.runtime,
        prepared=watch.prepared(tuned.history),
    )
    geometry = tuned.activations.look.geometry
    page = words.content(ran, images, honest, geometry=geometry, origin=located.origin, seed=seed, command=command)
    _write(ran, images, honest, page)
    return ran


def _save(tuned: FineTuned, job: Job, recipe: Recipe, images: ImageSet, folder: Path) -> None:
    """Write the model directory of the network that was trained."""
    space, head = tuned.deploy()
    selection = Selection(space=space, output="tuned", head=head)
    assemble(images, job.network, selection, {"recipe": recipe.name}, None).save(folder)


def job_of(recipe: Recipe, images: ImageSet, weights: Weights, *, seed: int) -> Job:
    """What is trained for a recipe on ``images`` that have their splits."""
    from headstart.finetune.job import Job

    train, val = images.in_split("train"), images.in_split("val")
    network = NetworkSpec(backbone=catalog.get(recipe.backbone), weights=weights, cache=cache_folder())
    return Job(network=network, images=images, train=train, val=val, plan=recipe.plan, seed=seed)


def with_splits(images: ImageSet, recipe: Recipe, *, seed: int) -> ImageSet:
    """The pictures with the splits that the recipe trains and measures on.

    Without a validation split, a stratified fifth of the training pictures becomes one. Where the recipe moves
    validation batches to a test split and none is given, ⌊batches / 5⌋ of them, drawn at random, are moved.
    """
    split = images.split.copy()
    if not (split == "val").any():
        train = np.flatnonzero(split == "train")
        y, groups = images.y[train], images.groups[train]
        _, held = holdout(y, groups, fraction=VAL_FRACTION, seed=seed, classes=images.classes)
        split[train[held]] = "val"
    if recipe.test == "batches" and not (split == "test").any():
        val = np.flatnonzero(split == "val")
        batches = -(-len(val) // BATCH) // 5
        split[np.random.default_rng(seed).permutation(val)[: batches * BATCH]] = "test"
    images = replace(images, split=split)
    deep = [images.paths[i] for i in images.deep_training()]
    return images.levelled(in_order(_extent, deep)) if deep else images


def _extent(path: Path) -> Extent | None:
    with suppress(UnreadableImageError):  # said where it is trained on
        return read_extent(path)
    return None


def _train(job: Job, recipe: Recipe, folder: Path, *, progress: Progress | None, watch: _Teller) -> FineTuned:
    """The trained network. Raises DataError if not even the first epoch could be finished."""
    from headstart.finetune.loop import finetune

    tuned = finetune(job, checkpoint=folder / "checkpoint", progress=progress, watch=watch.watch)
    if not tuned.history.epochs:
        todo = "lower the learning rate of the recipe's plan, or use other weights"
        problem = Problem(expected="a loss that falls", found="; ".join(in_words(tuned.notes)), todo=todo)
        raise DataError(f"recipe {recipe.name} could not be trained", [problem])
    return tuned


def _require_readable(paths: Sequence[Path]) -> None:
    """Before hours of training, not after. Raises DataError naming every one that cannot be read."""
    problems = []
    for path in paths:
        try:
            decode(path)
        except UnreadableImageError as error:
            todo = "give another picture"
            problems.append(Problem(expected=f"{display(path)}: a picture", found=error.reason, todo=todo))
    if problems:
        raise DataError("pictures to be answered", problems)


def _answers(tuned: FineTuned, images: ImageSet) -> tuple[AnsweredPart, tuple[AnsweredPart, ...]]:
    """What the figure is measured on, always with the weights that are saved; and what is shown beside it."""
    val, test = tuned.activations.job.val, images.in_split("test")
    of_last = MeasuredOn(kind="split", split="val", epoch="last")
    last = AnsweredPart(index=val, proba=tuned.last_proba, measured_on=of_last)
    if not len(test):
        if tuned.chosen == "last":
            return last, ()
        best = MeasuredOn(kind="split", split="val", epoch="best")
        return AnsweredPart(index=val, proba=tuned.val_proba(), measured_on=best), (last,)
    proba = tuned.predict_proba([images.paths[i] for i in test])
    honest = AnsweredPart(index=test, proba=proba, measured_on=MeasuredOn(kind="split", split="test"))
    if any(phase.keep == "best" or phase.patience for phase in tuned.activations.job.plan.phases):
        return honest, ()
    # Nothing was chosen on validation, so it counts as well: several times as many pictures.
    every = np.concatenate([val, test])
    both = MeasuredOn(kind="all held out", n=len(every))
    return honest, (AnsweredPart(index=every, proba=np.concatenate([tuned.last_proba, proba]), measured_on=both),)


class _Teller(Stopwatch):
    """Turns what the loop shows into lines, and tells each once; a run that goes on begins with the epochs it has."""

    def __init__(self, tell: Tell, num_classes: int) -> None:
        super().__init__()
        self.tell, self.num_classes, self.told = tell, num_classes, 0

    def watch(self, summaries: Sequence[Summary], history: History) -> None:
        """Tell what is new."""
        super().watch(summaries, history)
        lines = [f"phase {number} {words.parameters(summary)}" for number, summary in enumerate(summaries, start=1)]
        lines.append(words.before_training(history, self.num_classes))
        lines += map(words.epoch_line, history.epochs)
        for line in lines[self.told :]:
            self.tell(line)
        self.told = len(lines)


def _transfer(job: Job, answered: AnsweredPart) -> Transfer:
    train, measured = job.images.subset(job.train), job.images.subset(answered.index)
    return transfer(
        answered.proba, measured.y, measured.paths, train_paths=train.paths, train_y=train.y, levels=job.images.levels
    )


def _write(ran: Reproduction, images: ImageSet, answered: AnsweredPart, content: ReportContent) -> None:
    """Everything but the model; the answers as a table and as arrays."""
    write_json(ran.folder / "history.json", ran.history.to_dict())
    write_json(ran.folder / "metrics.json", words.document(ran))
    held_out = HeldOut.of(images, answered.index, answered.proba)
    write_held_out(ran.folder / "predictions.csv", held_out)
    with replacing(ran.folder / "predictions.npz") as unfinished, unfinished.open("wb") as arrays:
        np.savez(
            arrays,
            path=np.array(held_out.names),
            classes=np.array(images.classes),
            y=images.y[answered.index],
            predicted=answered.proba.argmax(axis=1),
            proba=answered.proba,
        )
    write_report(ran.folder / "report.html", content)
