"""A plan's optimiser and schedule as torch's: groups of parameters, and the rate at each step."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from headstart.finetune.plan import Optimiser, Schedule

ONE_CYCLE_RISE = 0.3
ONE_CYCLE_START, ONE_CYCLE_END = 1 / 25, 1 / 250_000


def optimiser_for(
    options: Optimiser, head: Sequence[nn.Parameter], backbone: Mapping[str, nn.Parameter], stages: Sequence[str]
) -> torch.optim.Optimizer:
    """An optimiser over the head and the part of the backbone that learns.

    Each group of parameters has a ``height``, its rate where `rate` gives 1: the head's is ``lr``, and each stage
    further down has ``layer_decay`` times that of the stage above it.

    Args:
        options: from the plan.
        head: its parameters.
        backbone: those that learn, by name, in the network's order.
        stages: names of the network's stages, in order, which say how deep a parameter lies.
    """
    depths = _depths(backbone, stages)
    by_depth: dict[tuple[int, bool], list[nn.Parameter]] = {}
    for depth, parameter in [(0, p) for p in head] + [(depths[name], p) for name, p in backbone.items()]:
        # A bias or a normalisation has no direction to shrink along.
        by_depth.setdefault((depth, parameter.ndim > 1), []).append(parameter)
    groups = [
        {
            "params": parameters,
            "height": options.lr * options.layer_decay**depth,
            "weight_decay": options.weight_decay if decays else 0.0,
        }
        for (depth, decays), parameters in sorted(by_depth.items())
    ]
    if options.name == "sgd":
        return torch.optim.SGD(groups, lr=options.lr, momentum=options.momentum)
    if options.name == "rmsprop":
        return RMSprop(groups, lr=options.lr, momentum=options.momentum)
    kind = torch.optim.Adam if options.name == "adam" else torch.optim.AdamW
    return kind(groups, lr=options.lr)


class RMSprop(torch.optim.Optimizer):
    """Tieleman and Hinton 2012, as Keras has it: v ← ρv + (1 − ρ)g², m ← μm + lr · g / √(v + ε), θ ← θ − m.

    torch's own forgets ten times more slowly (ρ = 0.99) and adds ε after the root, where it is too small to hold back
    steps along gradients below √ε ≈ 3e-4: of fine-tuning at a low rate, most of them.

    Args:
        groups: of parameters, each with its ``weight_decay``, which adds that share of θ to g.
        lr: of every group, until `set_rate`.
        momentum: μ, in [0, 1).
    """

    def __init__(self, groups: list[dict[str, Any]], *, lr: float, momentum: float = 0.0) -> None:
        super().__init__(groups, {"lr": lr, "rho": 0.9, "eps": 1e-7, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move every parameter that has a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, parameter.grad, group)

    def _move(self, parameter: Tensor, gradient: Tensor, group: Mapping[str, Any]) -> None:
        state, rho = self.state[parameter], group["rho"]
        if not state:
            state["square_avg"] = torch.zeros_like(parameter)
            if group["momentum"]:
                state["momentum"] = torch.zeros_like(parameter)
        if group["weight_decay"]:
            gradient = gradient.add(parameter, alpha=group["weight_decay"])
        state["square_avg"].mul_(rho).addcmul_(gradient, gradient, value=1 - rho)
        scale = state["square_avg"].add(group["eps"]).sqrt_()
        if not group["momentum"]:
            parameter.addcdiv_(gradient, scale, value=-group["lr"])
            return
        state["momentum"].mul_(group["momentum"]).addcdiv_(gradient, scale, value=group["lr"])
        parameter.sub_(state["momentum"])


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


def _depths(names: Iterable[str], stages: Sequence[str]) -> dict[str, int]:
    """How many stages below the head each parameter lies, 1 for the last; between two stages belongs to the first."""
    depths, position = {}, 0
    for name in names:
        position = next((i for i, stage in enumerate(stages) if name.startswith(f"{stage}.")), position)
        depths[name] = len(stages) - position
    return depths
