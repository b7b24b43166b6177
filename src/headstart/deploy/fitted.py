"""What a fit leads to: the model to deploy, and what can honestly be claimed of it.

That is measured on a split the model never saw, or is of the procedure that made it, out of fold.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from headstart.abstain.abstention import AbstentionReport, learn_abstention, measure_abstention
from headstart.abstain.costs import read_costs
from headstart.arrays import Floats, Index
from headstart.backbones.space import NetworkSpec
from headstart.backbones.weights import origin_of
from headstart.deploy.model import FAMILIAR, Model
from headstart.evaluation.measured_on import MeasuredOn, Split
from headstart.evaluation.metrics import Evaluation, evaluate
from headstart.features.table import FeatureTable
from headstart.finetune.trial import Selection
from headstart.images.folder import ImageSet
from headstart.options import FitOptions
from headstart.probe.choice import Choice, nested_proba, repeats_for
from headstart.probe.trials import ProbeOptions

SPLITS: tuple[Split, ...] = ("test", "val")
"""Held-out splits, the one to be quoted first."""


def assemble(
    table: FeatureTable, network: NetworkSpec, choice: Choice, selection: Selection, options: FitOptions
) -> Model:
    """The model of ``selection``, which knows when not to answer and what it was trained on.

    Raises:
        OptionError: the file of costs does not fit the classes.
    """
    images, train = table.images, np.flatnonzero(table.images.split == "train")
    kept = selection.trial if selection.fine_tuned else None
    abstention = learn_abstention(  # from answers of a network or head that did not know the picture
        table.through(selection.space).rows(selection.space.geometry.size, FAMILIAR, train),
        images.y[train],
        images.classes,
        proba=kept.tuned if kept else choice.proba,
        held_out=np.searchsorted(train, kept.index) if kept else None,
        groups=images.groups[train],
        costs=None if options.cost is None else read_costs(Path(options.cost), images.classes),
        seed=options.random_state,
    )
    counts = np.bincount(images.y[train], minlength=len(images.classes))
    training = {
        "pictures": len(train),
        "class_counts": dict(zip(images.classes, counts.tolist(), strict=True)),
        "fingerprint": images.fingerprint(),
        "random_state": options.random_state,
        "head": str(choice.candidate),
        "strength": choice.strength,
        "fine_tuned": selection.fine_tuned,
    }
    return Model(
        classes=images.classes,
        space=selection.space,
        output=selection.output,
        head=selection.head,
        backbone=origin_of(network.backbone, network.weights),
        training=training,
        notes=selection.space.runtime.notes,
        abstention=abstention,
    )


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """An evaluation, what abstaining would give on the same pictures, and what both were computed from."""

    evaluation: Evaluation
    abstention: AbstentionReport
    index: Index = field(repr=False)
    """(n,) positions in the image set."""
    proba: Floats = field(repr=False)
    """(n, k) probabilities; the mean over repeats where there were several."""


def measure(
    model: Model,
    images: ImageSet,
    index: Index,
    proba: Floats,
    measured_on: MeasuredOn,
    *,
    seed: int = 0,
    new: bool,
    novelty: Floats | None = None,
) -> Measurement:
    """Measure answers on labelled pictures that the model, or each of the models, had not seen.

    Args:
        model: the deployed one, and what it says about its answers.
        images: the pictures, labelled by the classes of the model.
        index: (n,) those of them that were answered.
        proba: (repeats, n, k) calibrated probabilities.
        measured_on: what these pictures are.
        seed: of resampling.
        new: whether the deployed model was trained on none of these pictures; else each is answered out of fold.
        novelty: (n,) of new pictures, as the model measures it; None where it does not.
    """
    y, groups = images.y[index], images.groups[index]
    counts = np.array([model.training["class_counts"][name] for name in model.classes])
    majority = int(counts.argmax())
    evaluation = evaluate(proba, y, model.classes, measured_on=measured_on, majority=majority, groups=groups, seed=seed)
    report = measure_abstention(
        model.abstention,
        proba,
        y,
        measured_on=measured_on,
        prior=counts / counts.sum(),
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
    pictures that were held out to choose it: what is used, and beside it both networks as they are. Else out of fold:
    the whole procedure with all its choices is repeated inside every outer fold (Cawley and Talbot 2010).
    """
    images, seed = table.images, options.seed
    if held_out := [split for split in SPLITS if (images.split == split).any()]:
        return tuple(_on_split(table, model, split, seed) for split in held_out)
    if selection.trial is not None and selection.fine_tuned:
        trial, held_out_pictures = selection.trial, MeasuredOn(kind="held out")
        answers = (
            (trial.procedure, held_out_pictures),
            (trial.tuned, replace(held_out_pictures, answers="fine-tuned")),
            (trial.probe, replace(held_out_pictures, answers="frozen")),
        )
        return tuple(
            measure(model, images, trial.index, proba[None], measured_on, seed=seed, new=False)
            for proba, measured_on in answers
        )
    train = np.flatnonzero(images.split == "train")
    within = tuple(size for size in options.sizes if size not in choice.beyond_budget)
    repeats = repeats_for(len(train))
    proba = nested_proba(table, train, replace(options, sizes=within), repeats=repeats)
    measured_on = MeasuredOn(kind="cross-validation", folds=options.n_splits, repeats=repeats)
    return (measure(model, images, train, proba, measured_on, seed=seed, new=False),)


def _on_split(table: FeatureTable, model: Model, split: Split, seed: int) -> Measurement:
    images, size = table.images, model.space.geometry.size
    index = np.flatnonzero(images.split == split)
    served = table.through(model.space)
    X, familiar = (served.rows(size, output, index) for output in (model.output, FAMILIAR))
    novelty = model.abstention.novelty.measure(familiar) if model.abstention.novelty else None
    proba, measured_on = model.head.predict_proba(X)[None], MeasuredOn(kind="split", split=split)
    return measure(model, images, index, proba, measured_on, seed=seed, new=True, novelty=novelty)
