"""The honest figures of a model: on a split it never saw, or of the procedure that made it, out of fold."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from headstart.abstain.abstention import Abstention, AbstentionReport, measure_abstention
from headstart.deploy.model import FAMILIAR, Model
from headstart.evaluation.measured_on import MeasuredOn, Split
from headstart.evaluation.metrics import Evaluation, evaluate
from headstart.features.table import FeatureTable
from headstart.finetune.trial import Selection, Trial
from headstart.images.folder import ImageSet
from headstart.probe.choice import Choice, nested_proba, repeats_for
from headstart.probe.trials import ProbeOptions

SPLITS: tuple[Split, ...] = ("test", "val")
"""Held-out splits, the one to be quoted first."""


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """An evaluation, what abstaining would give on the same pictures, and what both were computed from."""

    evaluation: Evaluation
    abstention: AbstentionReport
    index: NDArray[np.int64] = field(repr=False)
    """(n,) positions in the image set."""
    proba: NDArray[np.float64] = field(repr=False)
    """(n, k) probabilities; the mean over repeats where there were several."""


def measure(
    proba: NDArray[np.float64],
    y: NDArray[np.int64],
    index: NDArray[np.int64],
    *,
    abstention: Abstention,
    class_counts: NDArray[np.int64],
    groups: NDArray[np.int64],
    measured_on: MeasuredOn,
    classes: tuple[str, ...],
    seed: int,
    new: bool,
    novelty: NDArray[np.float64] | None = None,
) -> Measurement:
    """Measure answers on labelled pictures that the model, or each of the models, had not seen.

    Args:
        proba: (repeats, n, k) calibrated probabilities.
        y: (n,) class indices.
        index: (n,) where these pictures stand among those they were taken from.
        abstention: what the model says about its answers.
        class_counts: (k,) training pictures of each class.
        groups: (n,) which pictures count as one draw.
        measured_on: what these pictures are.
        classes: (k,) names.
        seed: of resampling.
        new: whether the deployed model was trained on none of these pictures; else each is answered out of fold.
        novelty: (n,) of new pictures, as the model measures it; None where it does not.
    """
    evaluation = evaluate(
        proba, y, classes, measured_on=measured_on, majority=int(class_counts.argmax()), groups=groups, seed=seed
    )
    report = measure_abstention(
        abstention,
        proba,
        y,
        measured_on=measured_on,
        prior=class_counts / class_counts.sum(),
        new=new,
        novelty=novelty,
        groups=groups,
    )
    return Measurement(evaluation=evaluation, abstention=report, index=index, proba=proba.mean(axis=0))


def measure_fit(
    table: FeatureTable, model: Model, choice: Choice, selection: Selection, options: ProbeOptions
) -> tuple[Measurement, ...]:
    """Everything that can be claimed of a model that was just fitted, the measurement to be quoted first.

    On the test split, then on the validation split, if there are any. Else, for a fine-tuned network, on the training
    pictures that were held out to choose it. Else out of fold: the whole procedure with all its choices is repeated
    inside every outer fold (Cawley and Talbot 2010).
    """
    images = table.images
    if held_out := [split for split in SPLITS if (images.split == split).any()]:
        return tuple(_on_split(table, model, split, options.seed) for split in held_out)
    if selection.trial is not None and selection.fine_tuned:
        return _on_trial(images, model, selection.trial, options.seed)
    train = np.flatnonzero(images.split == "train")
    within = tuple(size for size in options.sizes if size not in choice.beyond_budget)
    repeats = repeats_for(len(train))
    proba = nested_proba(table, train, replace(options, sizes=within), repeats=repeats)
    measured_on = MeasuredOn(kind="cross-validation", folds=options.n_splits, repeats=repeats)
    return (_measured(images, model, proba, train, measured_on, options.seed),)


def _on_split(table: FeatureTable, model: Model, split: Split, seed: int) -> Measurement:
    images, size = table.images, model.space.geometry.size
    index = np.flatnonzero(images.split == split)
    served = table.through(model.space)
    X, familiar = (served.rows(size, output, index) for output in (model.output, FAMILIAR))
    novelty = model.abstention.novelty.measure(familiar) if model.abstention.novelty else None
    proba = model.head.predict_proba(X)[None]
    return _measured(images, model, proba, index, MeasuredOn(kind="split", split=split), seed, novelty=novelty)


def _on_trial(images: ImageSet, model: Model, trial: Trial, seed: int) -> tuple[Measurement, ...]:
    """What is used, on the pictures that were held out to choose it; beside it both networks as they are."""
    return (
        _measured(images, model, trial.procedure[None], trial.index, MeasuredOn(kind="held out"), seed),
        _measured(
            images, model, trial.tuned[None], trial.index, MeasuredOn(kind="held out", answers="fine-tuned"), seed
        ),
        _measured(images, model, trial.probe[None], trial.index, MeasuredOn(kind="held out", answers="frozen"), seed),
    )


def _measured(
    images: ImageSet,
    model: Model,
    proba: NDArray[np.float64],
    index: NDArray[np.int64],
    measured_on: MeasuredOn,
    seed: int,
    *,
    novelty: NDArray[np.float64] | None = None,
) -> Measurement:
    return measure(
        proba,
        images.y[index],
        index,
        abstention=model.abstention,
        class_counts=np.bincount(images.y[images.split == "train"], minlength=len(images.classes)),
        groups=images.groups[index],
        measured_on=measured_on,
        classes=images.classes,
        seed=seed,
        new=novelty is not None,
        novelty=novelty,
    )
