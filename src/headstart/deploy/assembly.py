"""A model to deploy, put together from the network and head that were chosen and the images they were chosen on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from headstart.abstain.abstention import Abstention, learn_abstention
from headstart.abstain.costs import read_costs
from headstart.backbones.space import NetworkSpec
from headstart.backbones.weights import origin_of
from headstart.deploy.model import FAMILIAR, Model
from headstart.features.table import FeatureTable
from headstart.finetune.trial import Selection
from headstart.options import FitOptions
from headstart.probe.choice import Choice


def assemble(
    table: FeatureTable, network: NetworkSpec, choice: Choice, selection: Selection, options: FitOptions
) -> Model:
    """The model of ``selection``, which knows when not to answer and what it was trained on.

    Raises:
        OptionError: the file of costs does not fit the classes.
    """
    return Model(
        classes=table.images.classes,
        space=selection.space,
        output=selection.output,
        head=selection.head,
        backbone=origin_of(network.backbone, network.weights),
        training=_training_facts(table, choice, selection, options),
        notes=selection.space.runtime.notes,
        abstention=_abstention(table, choice, selection, options),
    )


def _abstention(table: FeatureTable, choice: Choice, selection: Selection, options: FitOptions) -> Abstention:
    """When not to answer, from training images that the network or the head answered without knowing them."""
    images, train = table.images, np.flatnonzero(table.images.split == "train")
    kept = selection.trial if selection.fine_tuned else None
    return learn_abstention(
        table.through(selection.space).rows(selection.space.geometry.size, FAMILIAR, train),
        images.y[train],
        images.classes,
        proba=kept.tuned if kept else choice.proba,
        held_out=np.searchsorted(train, kept.index) if kept else None,
        groups=images.groups[train],
        costs=None if options.cost is None else read_costs(Path(options.cost), images.classes),
        seed=options.random_state,
    )


def _training_facts(table: FeatureTable, choice: Choice, selection: Selection, options: FitOptions) -> dict[str, Any]:
    images = table.images
    counts = np.bincount(images.y[images.split == "train"], minlength=len(images.classes))
    return {
        "pictures": int(counts.sum()),
        "class_counts": dict(zip(images.classes, counts.tolist(), strict=True)),
        "fingerprint": images.fingerprint(),
        "random_state": options.random_state,
        "head": str(choice.candidate),
        "strength": choice.strength,
        "fine_tuned": selection.fine_tuned,
    }
