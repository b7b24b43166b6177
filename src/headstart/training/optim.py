"""A plan's optimiser and schedule as torch's: groups of parameters, and the rate at each step."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import nn

from headstart.training.plan import Optimiser, Schedule

ONE_CYCLE_RISE = 0.3
ONE_CYCLE_START, ONE_CYCLE_END = 1 / 25, 1 / 250_000


def optimiser_for(
    options: Optimiser, head: Sequence[nn.Parameter], trunk: Mapping[str, nn.Parameter], stages: Sequence[str]
) -> torch.optim.Optimizer:
    """An optimiser over the head and the part of the trunk that learns.

    Each group of parameters has a ``height``, its rate where `rate` gives 1: the head's is ``lr``, and each stage
    further down has ``layer_decay`` times that of the stage above it.

    Args:
        options: from the plan.
        head: its parameters.
        trunk: those that learn, by name, in the network's order.
        stages: names of the network's stages, in order, which say how deep a parameter lies.
    """
    depths = _depths(list(trunk), stages)
    found: dict[tuple[int, bool], list[nn.Parameter]] = {}
    for depth, parameter in [(0, p) for p in head] + [(depths[name], p) for name, p in trunk.items()]:
        # A bias or a normalisation has no direction to shrink along.
        found.setdefault((depth, parameter.ndim > 1), []).append(parameter)
    groups = [
        {
            "params": parameters,
            "height": options.lr * options.layer_decay**depth,
            "weight_decay": options.weight_decay if decays else 0.0,
        }
        for (depth, decays), parameters in sorted(found.items())
    ]
    if options.name == "sgd":
        return torch.optim.SGD(groups, lr=options.lr, momentum=options.momentum)
    if options.name == "rmsprop":
        # Keras' constants: torch's own forget ten times more slowly.
        return torch.optim.RMSprop(groups, lr=options.lr, alpha=0.9, eps=1e-7, momentum=options.momentum)
    kind = torch.optim.Adam if options.name == "adam" else torch.optim.AdamW
    return kind(groups, lr=options.lr)


def set_rate(optimiser: torch.optim.Optimizer, factor: float) -> None:
    """Give each group ``factor`` times its height."""
    for group in optimiser.param_groups:
        group["lr"] = factor * group["height"]


def rate(schedule: Schedule, step: int, *, steps_per_epoch: int, epochs: int) -> float:
    """Share of its height that the learning rate has at ``step`` (from 0) of a phase, in [0, 1].

    A function of the step alone, so that a run that goes on after an interruption needs nothing but its step.
    """
    total = steps_per_epoch * epochs
    if schedule.name == "one-cycle":  # Smith and Topin 2019, rising and falling along cosines
        rise = max(round(total * (schedule.warmup or ONE_CYCLE_RISE)), 1)
        if step < rise:
            return _along_cosine(ONE_CYCLE_START, 1.0, step / rise)
        return _along_cosine(1.0, ONE_CYCLE_END, (step - rise) / max(total - rise, 1))
    rise = round(total * schedule.warmup)
    if step < rise:
        return (step + 1) / (rise + 1)
    if schedule.name == "cosine":
        return _along_cosine(1.0, 0.0, (step - rise) / max(total - rise, 1))
    if schedule.name == "step":
        return schedule.gamma ** (step // steps_per_epoch // schedule.step_size)
    return 1.0


def _along_cosine(begin: float, end: float, share: float) -> float:
    return end + (begin - end) * (1 + math.cos(math.pi * share)) / 2


def _depths(names: Sequence[str], stages: Sequence[str]) -> dict[str, int]:
    """How many stages below the head each parameter lies, 1 for the last; between two stages belongs to the first."""
    positions: dict[str, int] = {}
    position = 0
    for name in names:
        within = [i for i, stage in enumerate(stages) if name.startswith(f"{stage}.")]
        position = within[0] if within else position
        positions[name] = position
    return {name: len(stages) - position for name, position in positions.items()}
