"""The head that a plan puts on a backbone, fresh or as a fitted probe."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from headstart.backbones.split import GlobalAverage
from headstart.errors import OptionError, Problem
from headstart.finetune.plan import Head
from headstart.probe.heads import LinearHead


def build_head(
    head: Head, shape: Sequence[int], num_classes: int, *, seed: int, probe: LinearHead | None = None
) -> nn.Sequential:
    """The head of a plan for backbone outputs of ``shape`` (without the batch): → logits (n, num_classes), or (n, 1).

    Args:
        head: from the plan.
        shape: ``(d,)`` features, or ``(c, h, w)`` of a map.
        num_classes: at least 2.
        seed: of fresh weights.
        probe: what to begin with where the plan says so.

    Raises:
        OptionError: one logit for other than two classes, or a probe that is missing or of other features.
    """
    _check_head(head, shape, num_classes, probe)
    reader: dict[str, list[nn.Module]] = {"features": [], "pooled map": [GlobalAverage()], "map": [nn.Flatten()]}
    layers = reader[head.reads]
    width = shape[0] if head.reads == "pooled map" else int(np.prod(shape))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if head.dropout:
            layers.append(nn.Dropout(head.dropout))
        for hidden in head.hidden:
            layers += [nn.Linear(width, hidden), nn.ReLU()]
            if head.hidden_dropout:
                layers.append(nn.Dropout(head.hidden_dropout))
            width = hidden
        last = nn.Linear(width, 1 if head.logit == "one" else num_classes)
        if head.start == "glorot":
            for dense in (*layers, last):
                if isinstance(dense, nn.Linear):
                    nn.init.xavier_uniform_(dense.weight)
                    nn.init.zeros_(dense.bias)
    if head.start == "probe" and probe is not None:
        weight, bias = probe.weight.T / probe.temperature, probe.bias / probe.temperature  # (k, d), (k,)
        if head.logit == "one":  # softmax over two logits is a sigmoid of their difference
            weight, bias = weight[1:] - weight[:1], bias[1:] - bias[:1]
        with torch.no_grad():
            last.weight.copy_(torch.from_numpy(weight.astype(np.float32)))
            last.bias.copy_(torch.from_numpy(bias.astype(np.float32)))
    return nn.Sequential(*layers, last)


def _check_head(head: Head, shape: Sequence[int], num_classes: int, probe: LinearHead | None) -> None:
    problems = []
    if head.logit == "one" and num_classes != 2:
        todo = 'use logit="per class"'
        problems.append(Problem(expected="two classes for one logit", found=str(num_classes), todo=todo))
    if head.start == "probe":
        expected = f"a probe of {shape[0]} features and {num_classes} classes to begin with"
        found = "none" if probe is None else f"one of {probe.weight.shape[0]} and {probe.weight.shape[1]}"
        if probe is None or probe.weight.shape != (shape[0], num_classes):
            todo = 'fit the probe on the last layer alone, or use start="fresh"'
            problems.append(Problem(expected=expected, found=found, todo=todo))
    if head.reads != "features" and len(shape) != 3:
        todo = 'use reads="features"'
        problems.append(Problem(expected="a last map (c, h, w)", found=f"tokens {tuple(shape)}", todo=todo))
    if problems:
        raise OptionError("head", problems)
