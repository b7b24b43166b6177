"""How the upper part of a network is fine-tuned in a trial: where it begins, with which numbers, and how long it takes.

The numbers were set by hand and not searched. What they lead to is measured by ``benchmarks/never_worse.py``.
"""

from __future__ import annotations

from typing import Any

from headstart.backbones.space import NetworkSpec
from headstart.finetune.plan import Augment, Head, Optimiser, Phase, Plan, Schedule

EPOCHS = 6
LEARNING_RATE = 3e-4
WEIGHT_DECAY = 0.01
WARMUP = 0.1
"""Share of all steps in which the rate rises; along a cosine it then falls to 0."""
VIEWS = 2
"""Fixed random crops of each picture, of which an epoch shows one."""
CLIP = 1.0
"""Greatest norm of the gradient."""
STEP = 3
"""Passes forward that a step of training costs: one itself, and about two for the gradient."""
TRAININGS = 2
"""One with some pictures held out, and one with all."""


def plan_for(network: NetworkSpec, size: int, *, balanced: bool) -> Plan:
    """Few epochs at a low rate, on fixed views of ``size`` pixels, from the probe of the last layer."""
    from headstart.backbones.network import build

    phase = Phase(
        train_from=upper_part(build(network.backbone, network.weights, size=size)),
        epochs=EPOCHS,
        optimiser=Optimiser(name="adamw", lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY),
        schedule=Schedule(name="cosine", warmup=WARMUP),
        batch_size=32,
        clip=CLIP,
    )
    return Plan(
        size=size,
        head=Head(start="probe"),
        augment=Augment(kind="crop", views=VIEWS),
        phases=(phase,),
        balanced=balanced,
    )


def upper_part(model: Any) -> str:
    """Where training begins: after the first stage whose map has a sixteenth of the picture's side.

    What lies below sees edges and textures, costs most, and gains least (Yosinski et al. 2014). Of networks whose
    stages are all alike, transformers, the last quarter is trained.
    """
    from headstart.backbones import network

    stages = network.stages(model)
    if len({stage.reduction for stage in stages}) == 1:
        return stages[-max(len(stages) // 4, 1)].name
    deep = [stage.name for stage in stages if stage.reduction >= 16]
    return deep[1] if len(deep) > 1 else stages[-1].name


def seconds_for(n: int, rate: float) -> float:
    """About how long trial and final training of n pictures take, where the frozen network does ``rate`` a second.

    It counts every step as one of the whole network, of which less is trained.
    """
    return TRAININGS * n * (VIEWS + EPOCHS * STEP) / rate
