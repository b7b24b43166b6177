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

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headstart import output_folder
from headstart.backbones import catalog
from headstart.backbones.catalog import Backbone
from headstart.backbones.weights import Weights, locate, origin_of
from headstart.claims.colour_baseline import Transfer, transfer
from headstart.deploy.model import Model
from headstart.errors import DataError, Problem, UnreadablePictureError
from headstart.evaluation.curves import History, verdict
from headstart.evaluation.held_out import write_held_out
from headstart.evaluation.measured_on import MeasuredOn
from headstart.evaluation.metrics import Evaluation, evaluate
from headstart.features.store import cache_folder
from headstart.files import display, write_json
from headstart.images.decode import decode
from headstart.images.folder import ImageSet, scan
from headstart.images.splits import holdout
from headstart.progress import Progress
from headstart.recipes import page as recipe_page
from headstart.recipes.page import Told, describe, epoch_line
from headstart.recipes.records import Recipe
from headstart.report import gallery
from headstart.report.page import write_report
from headstart.report.words import evaluation_document, measured_on

if TYPE_CHECKING:
    from headstart.finetune.result import FineTuned
    from headstart.finetune.trainable import Summary

Tell = Callable[[str], None]
Answered = tuple[NDArray[np.int64], NDArray[np.float64], MeasuredOn]
"""Positions of pictures, their probabilities (n, k), and what they are."""
FILES = (
    "history.json", "metrics.json", "predictions.csv", "predictions.npz", "model", "report.html", "checkpoint",
)  # fmt: skip
BATCH = 32  # pictures in the validation batches of which a fifth becomes the test split


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """What :func:`run` measured."""

    told: Told
    recipe: Recipe
    summaries: tuple[Summary, ...]
    """Counts of parameters, a phase each."""
    elsewhere: tuple[tuple[Path, str, float], ...]
    """Pictures of the user's, each with its label and the probability of that."""
    folder: Path

    @property
    def evaluation(self) -> Evaluation:
        """On the test split if there is one, else on the validation split after the last epoch."""
        return self.told.evaluation

    def lines(self) -> Iterator[str]:
        """What people read after a run, line by line; `run` tells what comes before."""
        told = self.told
        yield f"trained in {told.seconds:.1f} s"
        for one in (told.evaluation, *told.others):
            yield f"accuracy {one.accuracy}, measured on {measured_on(one.measured_on)}"
        yield told.best_epoch
        for number, said in enumerate(told.phase_verdicts, start=1):
            yield f"after phase {number}: {said}"
        yield told.verdict
        if told.transfer is not None:
            yield told.transfer.text
        for path, label, probability in self.elsewhere:
            yield f"{display(path)}: {label} {probability:.1%}"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        told = self.told
        return {
            "run": str(self.folder),
            **evaluation_document(told.evaluation),
            "others": [evaluation_document(one) for one in told.others],
            "recipe": self.recipe.name,
            "departures": list(self.recipe.departures),
            "initial": told.initial,
            "best_epoch": told.best_epoch,
            "phase_verdicts": list(told.phase_verdicts),
            "verdict": told.verdict,
            "transfer": told.transfer.to_dict() if told.transfer else None,
            "elsewhere": [
                {"path": display(path), "label": label, "probability": probability}
                for path, label, probability in self.elsewhere
            ],
            "notes": list(told.notes),
            "summaries": [vars(summary) for summary in self.summaries],
            "seconds": round(told.seconds, 2),
        }


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
        recipe: from `headstart.recipes.records`, for this trunk: see `on`.
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
    from headstart.finetune.loop import finetune

    output_folder.check(source, folder, what="recipe", writes=FILES)
    backbone = catalog.get(recipe.backbone)
    located = _weights(backbone, weights)
    images = with_splits(scan(source), recipe, seed=seed)
    train, val, test = (np.flatnonzero(images.split == split) for split in ("train", "val", "test"))
    _check_pictures(pictures)
    output_folder.claim(folder, "recipe")
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
        watch=_Teller(tell, len(images.classes)),
    )
    if not tuned.history.epochs:
        todo = "lower the learning rate of the recipe's plan, or use other weights"
        problem = Problem(expected="a loss that falls", found="; ".join(tuned.notes), todo=todo)
        raise DataError(f"recipe {recipe.name} could not be trained", [problem])
    _save(tuned, images, train, origin_of(backbone, located), recipe, folder / "model")
    index, proba, _ = honest = _honest(tuned, images, val, test)
    all_held_out = _all_held_out(tuned, val, test, proba)
    elsewhere = list(zip(pictures, tuned.predict_proba(pictures), strict=True)) if pictures else []
    told = Told(
        evaluation=_evaluate(images, *honest, seed=seed),
        others=tuple(_evaluate(images, *part, seed=seed) for part in all_held_out),
        initial=_initial(tuned.history, len(images.classes)),
        best_epoch=_best_epoch(tuned, len(val)),
        phase_verdicts=_phase_verdicts(tuned.history, len(val)),
        verdict=verdict(tuned.history, n_val=len(val)).text,
        transfer=None if located.origin == "random" else _transfer(images, train, (*all_held_out, honest)[0]),
        notes=tuned.notes,
        seconds=sum(epoch.seconds for epoch in tuned.history.epochs),
    )
    found = Reproduction(
        told=told,
        recipe=recipe,
        summaries=tuned.summaries,
        elsewhere=tuple((path, images.classes[int(row.argmax())], float(row.max())) for path, row in elsewhere),
        folder=folder,
    )
    write_json(folder / "history.json", tuned.history.to_dict())
    write_json(folder / "metrics.json", found.to_dict())
    _write_predictions(folder, images, index, proba)
    page = recipe_page.content(
        recipe, backbone, located, images, index, proba, told, tuned, elsewhere, seed=seed, command=command
    )
    write_report(folder / "report.html", page)
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


def _save(
    tuned: FineTuned, images: ImageSet, train: NDArray[np.int64], origin: Mapping[str, str], recipe: Recipe, to: Path
) -> None:
    """Write the model directory, which `headstart predict` opens."""
    space, head = tuned.deploy(cache=cache_folder())
    counts = np.bincount(images.y[train], minlength=len(images.classes)).tolist()
    training = {"pictures": len(train), "class_counts": dict(zip(images.classes, counts, strict=True))}
    training |= {"fingerprint": images.fingerprint(), "recipe": recipe.name}
    Model(classes=images.classes, space=space, output="tuned", head=head, backbone=origin, training=training).save(to)


def _check_pictures(paths: Sequence[Path]) -> None:
    """Before hours of training, not after. Raises DataError naming every one that cannot be read."""
    problems = []
    for path in paths:
        try:
            decode(path)
        except UnreadablePictureError as error:
            todo = "give another picture"
            problems.append(Problem(expected=f"{display(path)}: a picture", found=error.reason, todo=todo))
    if problems:
        raise DataError("pictures to be answered", problems)


def _weights(backbone: Backbone, weights: str | None) -> Weights:
    random = weights == "random"
    return locate(backbone, random=random, file=Path(weights) if weights and not random else None)


def _evaluate(
    images: ImageSet, index: NDArray[np.int64], proba: NDArray[np.float64], measured_on: MeasuredOn, *, seed: int
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


def _honest(tuned: FineTuned, images: ImageSet, val: NDArray[np.int64], test: NDArray[np.int64]) -> Answered:
    """What the honest figure is measured on."""
    if len(test):
        return test, tuned.predict_proba([images.paths[i] for i in test]), MeasuredOn(kind="split", split="test")
    return val, tuned.last_proba, MeasuredOn(kind="split", split="val", epoch="last")


def _all_held_out(
    tuned: FineTuned, val: NDArray[np.int64], test: NDArray[np.int64], proba: NDArray[np.float64]
) -> tuple[Answered, ...]:
    """Validation and test together, where the plan chose nothing on validation: several times as many pictures."""
    if not len(test) or any(phase.keep == "best" or phase.patience for phase in tuned.plan.phases):
        return ()
    every = np.concatenate([val, test])
    return ((every, np.concatenate([tuned.last_proba, proba]), MeasuredOn(kind="all held out", n=len(every))),)


class _Teller:
    """Turns what the loop shows into lines, and tells each once; a run that goes on begins with the epochs it has."""

    def __init__(self, tell: Tell, num_classes: int) -> None:
        self.tell, self.num_classes, self.count = tell, num_classes, 0

    def __call__(self, summaries: Sequence[Summary], history: History) -> None:
        lines = [f"phase {number} {describe(summary)}" for number, summary in enumerate(summaries, start=1)]
        lines.append(_initial(history, self.num_classes))
        lines += map(epoch_line, history.epochs)
        for line in lines[self.count :]:
            self.tell(line)
        self.count = len(lines)


def _initial(history: History, num_classes: int) -> str:
    return (
        f"Before training: validation loss {history.initial_loss:.4f}, accuracy {history.initial_accuracy:.4f} "
        f"(guessing evenly: {np.log(num_classes):.4f}, {1 / num_classes:.4f})."
    )


def _phase_verdicts(history: History, n_val: int) -> tuple[str, ...]:
    """What the curves said when each phase but the last was over."""
    ends = [phase[-1].epoch for phase in history.phases[:-1]]
    return tuple(verdict(replace(history, epochs=history.epochs[:end]), n_val=n_val).text for end in ends)


def _transfer(images: ImageSet, train: NDArray[np.int64], answered: Answered) -> Transfer:
    index, proba, _ = answered
    return transfer(
        proba,
        images.y[index],
        [images.paths[i] for i in index],
        train_paths=[images.paths[i] for i in train],
        train_y=images.y[train],
    )


def _write_predictions(folder: Path, images: ImageSet, index: NDArray[np.int64], proba: NDArray[np.float64]) -> None:
    held_out = gallery.held_out(images, index, proba)
    write_held_out(folder / "predictions.csv", held_out)
    y, predicted = images.y[index], proba.argmax(axis=1)
    unfinished = folder / ".predictions.part"
    with unfinished.open("wb") as arrays:
        np.savez(
            arrays,
            path=np.array(held_out.names),
            classes=np.array(images.classes),
            y=y,
            predicted=predicted,
            proba=proba,
        )
    unfinished.replace(folder / "predictions.npz")
