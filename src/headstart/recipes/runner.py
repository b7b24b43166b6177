"""Runs a published recipe on a folder of pictures, and shows what its write-up shows, with the honest figure first.

::

    history.json        every epoch: losses, accuracies, seconds
    metrics.json        every metric with its interval and what it was measured on; the best epoch beside it, labelled
    predictions.csv     path, label, predicted label and probabilities of the pictures it was measured on
    predictions.npz     the same as arrays: path, classes, y, predicted, proba
    model/              the trained network, for `headstart predict`
    report.html         the same for people, with the curves of all phases in one figure
    checkpoint          what an interrupted run goes on from
    before.html         class counts, the first pictures and augmented views of one, written before training begins
    before.json         the same, without the pictures
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from headstart import output_folder
from headstart.backbones import catalog
from headstart.backbones.space import NetworkSpec
from headstart.backbones.weights import Weights, locate, locate_named
from headstart.cache_folder import cache_folder
from headstart.claims.colour_baseline import Transfer, transfer
from headstart.errors import DataError, OptionError, Problem, UnreadableImageError
from headstart.evaluation.held_out import AnsweredPart, HeldOut, write_held_out
from headstart.evaluation.history import History
from headstart.evaluation.measured_on import MeasuredOn
from headstart.files import display, replacing, write_json
from headstart.finetune.plan import Plan
from headstart.images.decode import decode
from headstart.images.folder import ImageSet, scan
from headstart.images.formats.given import Given, Source
from headstart.images.formats.reading import picture_folders
from headstart.progress import Progress
from headstart.recipes import records
from headstart.recipes.answers import Answers, answer
from headstart.recipes.pictures import usable, with_splits
from headstart.recipes.records import Recipe
from headstart.report import recipe as words
from headstart.report.departures import departure_documents
from headstart.report.finetuning_notes import in_words
from headstart.report.first_look import FirstLook, first_look, first_page
from headstart.report.page import ReportContent, write_report
from headstart.report.recipe import Reproduction

if TYPE_CHECKING:
    from headstart.finetune.job import Job
    from headstart.finetune.layers import Layer
    from headstart.finetune.result import FineTuned
    from headstart.finetune.trainable import Summary, Trainable

Tell = Callable[[str], None]
FILES = (
    "history.json", "metrics.json", "predictions.csv", "predictions.npz", "model", "report.html", "checkpoint",
    "before.html", "before.json",
)  # fmt: skip


class Stopwatch:
    """Divides the time of a call of `finetune` into its epochs and all else; `watch` is to be passed to it."""

    def __init__(self, began: float | None = None) -> None:
        self.began = time.monotonic() if began is None else began
        self.before: float | None = None
        """Seconds of epochs that an interrupted run had finished."""
        self.finished = 0
        """How many these are."""

    def watch(self, summaries: Sequence[Summary], history: History) -> None:
        """Called before any training, with the epochs of a run that goes on."""
        if self.before is None:
            self.before, self.finished = history.seconds, len(history.epochs)

    def prepared(self, history: History) -> float:
        """Seconds so far that were not spent on epochs."""
        return max(time.monotonic() - self.began - (history.seconds - (self.before or 0.0)), 0.0)


def summaries(recipe: Recipe, *, num_classes: int = 2) -> tuple[Summary, ...]:
    """How many parameters each phase of a recipe trains."""
    trainable = _shapes(recipe, num_classes)
    return tuple(trainable.summary(phase) for phase in range(len(recipe.plan.phases)))


def layer_table(recipe: Recipe, *, num_classes: int = 2) -> tuple[Layer, ...]:
    """The layers of a recipe's network for a batch of its first phase, backbone first."""
    import torch

    from headstart.finetune.layers import layers

    with torch.device("meta"):
        return layers(_shapes(recipe, num_classes), batch_size=recipe.plan.phases[0].batch_size)


def _shapes(recipe: Recipe, num_classes: int) -> Trainable:
    """The network of a recipe, of tensors that have shapes and no content."""
    import torch

    from headstart.finetune.trainable import Trainable

    backbone = catalog.get(recipe.backbone)
    with torch.device("meta"):
        return Trainable(backbone, locate(backbone, random=True), recipe.plan, num_classes=num_classes, seed=0)


def run(
    recipe: Recipe,
    source: Source,
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
    began = time.monotonic()
    given = Given.of(source)
    output_folder.refuse_unsafe(given.path, folder, what="recipe", writes=FILES, pictures=picture_folders(given))
    located = locate_named(catalog.get(recipe.backbone), weights)
    recipe = recipe.with_weights(located.origin)
    _require_readable(pictures)
    images = scan(given)
    require_possible(recipe, located, images.classes)
    images = with_splits(usable(images, size=recipe.plan.size, progress=progress), recipe, seed=seed)
    job = job_of(recipe, images, located, seed=seed)
    look = first_look(images, job.geometry, recipe.plan.augment)
    output_folder.claim(folder, "recipe")
    _begin(folder, recipe, look, command)
    watch = _Teller(tell, len(images.classes), began)
    tuned = _train(job, recipe, folder, progress=progress, watch=watch)
    answers = answer(tuned, recipe=recipe.name, progress=progress)
    answers.model.save(folder / "model")
    number, chosen = kept_epoch(tuned.history, recipe.plan)
    honest, others = _parts(tuned, answers, chosen)
    largest = next((part for part in others if part.measured_on.kind == "all held out"), honest)
    ran = Reproduction(
        recipe=recipe,
        folder=folder,
        classes=images.classes,
        evaluation=honest.evaluation(images, images.train_counts, seed=seed),
        others=tuple(part.evaluation(images, images.train_counts, seed=seed) for part in others),
        transfer=None if located.origin == "random" else _transfer(job, largest),
        elsewhere=tuple(answers.model.predict(pictures)) if pictures else (),
        history=tuned.history,
        n_val=len(job.val),
        kept_epoch=number,
        kept_as=chosen,
        left_out=look.left_out,
        summaries=tuned.summaries,
        notes=tuned.notes,
        runtime=tuned.runtime,
        prepared=watch.prepared(tuned.history),
        finished_before=watch.finished,
        abstention=answers.model.abstention,
        abstention_report=answers.abstention(honest),
    )
    page = words.content(ran, images, honest, look=look, origin=located.origin, seed=seed, command=command)
    _write(ran, images, honest, page)
    return ran


def _begin(folder: Path, recipe: Recipe, look: FirstLook, command: str) -> None:
    """Write what is shown before training, so that it is there if the run is cut off."""
    (folder / "report.html").unlink(missing_ok=True)
    write_json(
        folder / "before.json", {"recipe": recipe.name, "departures": departure_documents(recipe), **look.to_dict()}
    )
    write_report(folder / "before.html", first_page(recipe.name, look, command=command))


def require_classes(recipe: Recipe, num_classes: int) -> None:
    """Raises OptionError for a recipe whose head cannot tell so many classes apart."""
    if recipe.plan.head.logit == "one" and num_classes != 2:
        raise OptionError.of(
            f"recipe {recipe.name}",
            expected="two classes, which its one output tells apart",
            found=str(num_classes),
            todo=f"take a recipe for any number of classes: {', '.join(records.for_many_classes())}",
        )


def require_possible(recipe: Recipe, weights: Weights, classes: Sequence[str]) -> None:
    """Before anything is written. Raises OptionError or WeightsError for a recipe that cannot be run like this."""
    from headstart.backbones import network

    require_classes(recipe, len(classes))
    try:
        summaries(recipe, num_classes=len(classes))
    except OptionError as error:
        todo = "choose another --backbone" + (", or leave --lora out" if recipe.plan.lora else "")
        problems = [replace(problem, todo=todo) for problem in error.problems]
        raise OptionError(f"recipe {recipe.name} with the backbone {recipe.backbone}", problems) from error
    if weights.origin == "file":
        network.build(catalog.get(recipe.backbone), weights, size=recipe.plan.size)


def kept_epoch(history: History, plan: Plan) -> tuple[int, Literal["last", "best"]]:
    """The epoch whose weights are saved, and how the plan comes by it; ``history`` has at least one epoch.

    It is of the last phase that finished any: one that diverged at once left the weights as they were.
    """
    epochs = history.phases[-1]
    if plan.phases[epochs[0].phase - 1].keep == "best":
        return min(epochs, key=lambda epoch: epoch.val_loss).epoch, "best"
    return epochs[-1].epoch, "last"


def job_of(recipe: Recipe, images: ImageSet, weights: Weights, *, seed: int) -> Job:
    """What is trained for a recipe on ``images`` that have their splits."""
    from headstart.finetune.job import Job

    train, val = images.in_split("train"), images.in_split("val")
    network = NetworkSpec(backbone=catalog.get(recipe.backbone), weights=weights, cache=cache_folder())
    return Job(network=network, images=images, train=train, val=val, plan=recipe.plan, seed=seed)


def _train(job: Job, recipe: Recipe, folder: Path, *, progress: Progress | None, watch: _Teller) -> FineTuned:
    """The trained network. Raises DataError if not even the first epoch could be finished."""
    from headstart.finetune.loop import finetune

    tuned = finetune(job, checkpoint=folder / "checkpoint", progress=progress, watch=watch.watch)
    if not tuned.history.epochs:
        todo = "lower the learning rate with --lr, or give other --weights"
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


def _parts(
    tuned: FineTuned, answers: Answers, chosen: Literal["last", "best"]
) -> tuple[AnsweredPart, tuple[AnsweredPart, ...]]:
    """What the figure is measured on, always with the model that is saved; and what is shown beside it."""
    job, of_val = answers.job, MeasuredOn(kind="split", split="val", epoch=chosen)
    plan = job.plan
    if not len(job.images.in_split("test")):
        went_on = tuned.history.last.phase == len(plan.phases)  # else the weights of the last epoch are gone
        last = AnsweredPart(index=job.val, proba=tuned.last_proba, measured_on=replace(of_val, epoch="last"))
        return answers.part(of_val), (last,) if chosen == "best" and went_on else ()
    honest = answers.part(MeasuredOn(kind="split", split="test"))
    if any(phase.keep == "best" or phase.patience for phase in plan.phases):
        return honest, ()
    # Nothing was chosen on validation, so it counts as well: several times as many pictures.
    return honest, (answers.part(MeasuredOn(kind="all held out", n=len(job.val) + len(honest.index))),)


class _Teller(Stopwatch):
    """Turns what the loop shows into lines, and tells each once; a run that goes on begins with the epochs it has."""

    def __init__(self, tell: Tell, num_classes: int, began: float) -> None:
        super().__init__(began)
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
