"""A network layer by layer, as it runs: names, shapes of what comes out, parameters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from headstart.finetune.trainable import Trainable


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A layer of a network."""

    name: str
    """In the network, as timm has it; those of the head begin with ``head.``."""
    kind: str
    """Name of its class."""
    shape: tuple[int, ...]
    """Of what comes out: (n, h, w, c) of a map, as Keras has it, else as the layer gives it."""
    parameters: int
    """Numbers that a gradient may change."""
    statistics: int
    """Running means and variances, which Keras counts as parameters."""


def layers(trainable: Trainable, *, batch_size: int) -> tuple[Layer, ...]:
    """Every layer that runs, backbone first, in the order of running.

    Args:
        trainable: on any device, also on ``meta``, where tensors have shapes and no content.
        batch_size: n of the shapes.
    """
    noted: list[Layer] = []

    def note(name: str, module: nn.Module, _inputs: Any, output: Tensor) -> None:
        shape = tuple(output.shape)
        parameters = sum(value.numel() for value in module.parameters())
        running = (value for key, value in module.named_buffers() if key.startswith("running_"))
        noted.append(
            Layer(
                name=name,
                kind=type(module).__name__,
                shape=(shape[0], *shape[2:], shape[1]) if len(shape) == 4 else shape,
                parameters=parameters,
                statistics=sum(value.numel() for value in running),
            )
        )

    handles = [module.register_forward_hook(partial(note, name)) for name, module in _named(trainable)]
    try:
        with torch.inference_mode():
            trainable.eval()
            trainable.whole(torch.zeros(batch_size, 3, trainable.plan.size, trainable.plan.size))
    finally:
        for handle in handles:
            handle.remove()
    return tuple(noted)


def _named(trainable: Trainable) -> Iterator[tuple[str, nn.Module]]:
    """Layers with parameters of their own, and those that hold no others, but for the ones that do nothing."""
    for prefix, part in (("", trainable.network), ("head.", trainable.head)):
        inside: set[str] = set()  # of a layer that is listed whole
        for name, module in part.named_modules():
            if not name or any(name.startswith(f"{outer}.") for outer in inside) or isinstance(module, nn.Identity):
                continue
            own = any(True for _ in module.parameters(recurse=False))
            if own or not any(True for _ in module.children()):
                inside.add(name)
                yield f"{prefix}{name}", module
