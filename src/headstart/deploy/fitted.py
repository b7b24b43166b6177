"""The model to deploy, put together from what was trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headstart.abstain.abstention import Abstention
from headstart.backbones.space import NetworkSpec
from headstart.backbones.weights import origin_of
from headstart.deploy.model import Model
from headstart.finetune.trial import Selection
from headstart.images.folder import ImageSet


def assemble(
    images: ImageSet, network: NetworkSpec, selection: Selection, how: Mapping[str, Any], abstention: Abstention | None
) -> Model:
    """The model of ``selection``, which knows when not to answer and what it was trained on.

    Args:
        images: those of the split ``train`` were trained on.
        network: the pretrained one.
        selection: what is deployed.
        how: what else is to be kept about its training, in plain JSON types.
        abstention: when not to answer; None where that was not learned.
    """
    counts = images.train_counts.tolist()
    training = {
        "pictures": sum(counts),
        "class_counts": dict(zip(images.classes, counts, strict=True)),
        "fingerprint": images.fingerprint(),
        **how,
    }
    return Model(
        classes=images.classes,
        label_dtype=images.label_dtype,
        space=selection.space,
        output=selection.output,
        head=selection.head,
        backbone=origin_of(network.backbone, network.weights),
        training=training,
        notes=selection.space.runtime.notes,
        abstention=abstention or Abstention(),
    )
