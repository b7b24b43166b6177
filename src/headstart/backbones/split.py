"""A network split for fine-tuning: what is frozen is computed once, what learns is trained, and how both are served."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import Any, cast

import torch
from torch import Tensor, fx, nn

from headstart.backbones import network
from headstart.backbones.pretrained import Backbone
from headstart.errors import OptionError


@dataclass(frozen=True, kw_only=True)
class Split:
    """A network in two parts, such that ``suffix(prefix(x))`` is the whole, and what of it learns.

    The parts hold the network's own modules: training the suffix trains the network.
    """

    at: int
    """How many operations the prefix holds: two splits of one network at the same place are the same."""
    prefix: nn.Module | None
    """None: it would do nothing."""
    suffix: nn.Module | None
    """None: likewise."""
    trained: tuple[str, ...]
    """Names of the parameters that only what comes after the cut uses."""
    train_from: str
    """What `split` was told, for splitting another copy of the network at the same place."""
    reads_map: bool

    def tensors(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """By timm's names the tensors of both parts, and those of the suffix."""
        prefix, suffix = ({} if part is None else _tensors(part) for part in (self.prefix, self.suffix))
        return {**prefix, **suffix}, suffix


def split(model: nn.Module, train_from: str, *, reads_map: bool = False) -> Split:
    """Split ``model`` so that everything from ``train_from`` on can learn and as much as can be is computed once.

    Any module will do: the cut is made at the last place before it where a single map crosses, and what lies between
    is left out of ``trained``. The network is traced and its list of operations split in two.

    Args:
        model: from `network.build`, without a classifier.
        train_from: name of a module; ``last:N`` for the last N of `network.stages`; ``layers:N`` for the last N
            convolutions and linear layers; ``fraction:F`` for the fewest last stages that hold at least the share F of
            the parameters of all; ``all``; ``head`` or ``none`` for nothing.
        reads_map: the whole ends with the last map, not with pooled features.

    Raises:
        OptionError: no such module runs; names modules that will do.
    """
    whole = Headless(model, reads_map=reads_map)
    made_by = partial(Split, train_from=train_from, reads_map=reads_map)
    every = tuple(name for name, _ in model.named_parameters())
    if train_from in ("head", "none"):
        return made_by(at=-1, prefix=whole, suffix=None, trained=())
    if train_from == "all":
        return made_by(at=0, prefix=None, suffix=whole, trained=every)
    nodes, result = network.trace(model, "forward_features" if reads_map else "forward")
    begin = _first_module(model, train_from, nodes)
    first = next((i for i, node in enumerate(nodes) if begin in node.meta.get("nn_module_stack", {})), None)
    if first is None:
        names = ", ".join(stage.name for stage in network.stages(model))
        todo = f"choose one of {names}, last:N, layers:N, fraction:F, head, none, all"
        raise OptionError.of("train_from", expected="the name of a module that runs", found=repr(train_from), todo=todo)
    frozen = _parameters(model, nodes[:first])
    trained = tuple(name for name in every if name in _parameters(model, nodes[first:]) - frozen)
    at = next(i for i in range(first, 0, -1) if len(network.crossing(nodes[:i], nodes[i:])) == 1)
    if at == 1:  # only the image itself
        return made_by(at=0, prefix=None, suffix=whole, trained=trained)
    crossing = network.crossing(nodes[:at], nodes[at:])[0]
    return made_by(
        at=at,
        prefix=network.part(model, nodes[:at], begin=None, end=crossing),
        suffix=network.part(model, nodes[at:], begin=crossing, end=result),
        trained=trained,
    )


def count_run(model: nn.Module, *, reads_map: bool) -> network.ParameterCount:
    """Count what runs of a network: where the head reads the last map, what would come after it does not.

    Args:
        model: from `network.build`, without a classifier.
        reads_map: as for `split`.
    """
    count = network.count_parameters(model)
    if not reads_map:
        return count
    nodes, _ = network.trace(model, "forward_features")
    run = {str(node.target).partition(".")[0] for node in nodes if node.op in ("call_module", "get_attr")}
    passed = [network.count_parameters(child) for name, child in model.named_children() if name not in run]
    return network.ParameterCount(
        total=count.total - sum(part.total for part in passed),
        batch_norm_statistics=count.batch_norm_statistics - sum(part.batch_norm_statistics for part in passed),
    )


def _first_module(model: nn.Module, train_from: str, nodes: Sequence[fx.Node]) -> str:
    """Name of the module that ``last:N``, ``layers:N``, ``fraction:F`` or a name begins with."""
    kind, _, amount = train_from.partition(":")
    if kind == "layers":
        called = [str(node.target) for node in nodes if node.op == "call_module"]
        return [name for name in called if _is_layer(model.get_submodule(name))][-int(amount) :][0]
    if kind not in ("last", "fraction"):
        return train_from
    names = [stage.name for stage in network.stages(model)]
    if kind == "last":
        return names[-int(amount) :][0]
    sizes = [_size(model.get_submodule(name)) for name in reversed(names)]
    held = zip(reversed(names), accumulate(sizes), strict=True)
    return next((name for name, numbers in held if numbers >= float(amount) * sum(sizes)), names[0])


def _size(module: nn.Module) -> int:
    """Numbers in its own parameters, adapters left out: with them or merged, the same cut is made."""
    return sum(value.numel() for name, value in module.named_parameters() if ".lora_" not in name)


def _is_layer(module: nn.Module) -> bool:
    """What ``layers:N`` counts; with an adapter it is the same layer."""
    return isinstance(module, (nn.Conv2d, nn.Linear)) or network.is_wrapped(module)


class Headless(nn.Module):
    """A network up to where a head is put on: pooled features (n, num_features), or its last map."""

    def __init__(self, model: nn.Module, *, reads_map: bool) -> None:
        super().__init__()
        self.model = cast("Any", model)
        self.reads_map = reads_map

    def forward(self, x: Tensor) -> Tensor:
        """Normalised images (n, 3, s, s) to what the head reads."""
        output: Tensor = self.model.forward_features(x) if self.reads_map else self.model(x)
        return output


def _parameters(model: nn.Module, nodes: Sequence[fx.Node]) -> set[str]:
    """Names of the parameters that ``nodes`` use."""
    used: set[str] = set()
    for node in nodes:
        target = str(node.target)
        if node.op == "get_attr":
            used.add(target)
        elif node.op == "call_module":
            used |= {f"{target}.{name}" for name, _ in model.get_submodule(target).named_parameters()}
    return used


class FrozenPrefix(network.FrozenModule):
    """Images in, the maps that cross one or more cuts out: uint8 (n, s, s, 3) → float32 (n, numbers of a map) each.

    Holds copies: what is trained later does not change it.

    Args:
        backbone: whose normalisation applies.
        parts: the network up to the first cut, from there to the next, and so on.
        size: side in pixels of the images.
    """

    def __init__(self, backbone: Backbone, *parts: nn.Module, size: int) -> None:
        super().__init__()
        self.normalise = network.Normalise(backbone)
        self.parts = nn.ModuleList(copy.deepcopy(part).cpu().eval().requires_grad_(False) for part in parts)
        with torch.inference_mode():
            maps = self._maps(torch.zeros(1, size, size, 3, dtype=torch.uint8))
        self.shapes = {f"map{number}": tuple(map_.shape[1:]) for number, map_ in enumerate(maps)}
        self.widths = {name: math.prod(shape) for name, shape in self.shapes.items()}

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """The maps of a batch of decoded images, each flattened to a row."""
        return tuple(map_.flatten(1) for map_ in self._maps(images))

    def _maps(self, images: Tensor) -> list[Tensor]:
        x, maps = self.normalise(images), []
        for part in self.parts:
            x = part(x)
            maps.append(x)
        return maps


class GlobalAverage(nn.Module):
    """(n, c, h, w) → (n, c): the mean over all positions."""

    def forward(self, x: Tensor) -> Tensor:
        """Average each channel."""
        return x.mean((2, 3))


BODY_LAYERS: Mapping[str, type[nn.Module]] = {
    "mean over positions": GlobalAverage,
    "flatten": nn.Flatten,
    "dropout": nn.Dropout,
    "linear": nn.Linear,
    "relu": nn.ReLU,
}
"""What a head may be made of, by the names that stand in a saved network."""


class TunedNetwork(network.FrozenModule):
    """Images in, rows of features out: ``last`` of the pretrained network, ``tuned`` of the fine-tuned one.

    uint8 (n, s, s, 3) → ``last`` (n, num_features), on which what is unfamiliar can be told as before, and ``tuned``
    (n, d), what the last linear layer of the fine-tuned network reads. Where the head reads the last map, ``last`` is
    that map's mean over all positions. ``joined`` puts ``last`` before the fine-tuned numbers in ``tuned``, for a layer
    that reads both. Holds copies: what is trained later does not change it.

    Args:
        backbone: whose normalisation applies.
        cut: the fine-tuned network; what comes before the cut is that of the pretrained one too.
        pretrained: what came after the cut before training; None where the prefix is all of it.
        body: the head without its last linear layer, of `BODY_LAYERS`.
        size: side in pixels of the images.
        joined: whether ``tuned`` begins with ``last``.
    """

    def __init__(
        self,
        backbone: Backbone,
        cut: Split,
        *,
        pretrained: nn.Module | None,
        body: nn.Sequential,
        size: int,
        joined: bool = False,
    ) -> None:
        super().__init__()
        self.backbone, self.size, self.joined = backbone, size, joined
        self.cut_at, self.train_from, self.reads_map = cut.at, cut.train_from, cut.reads_map
        self.normalise = network.Normalise(backbone)
        self.prefix, self.pretrained, self.tuned, self.body = (
            copy.deepcopy(nn.Identity() if part is None else part).cpu().eval().requires_grad_(False)
            for part in (cut.prefix, pretrained, cut.suffix, body)
        )
        with torch.inference_mode():
            last, tuned_rows = self(torch.zeros(1, size, size, 3, dtype=torch.uint8))
        self.widths = {"last": int(last.shape[1]), "tuned": int(tuned_rows.shape[1])}

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """``(last, tuned)`` of a batch of decoded images."""
        shared = self.prefix(self.normalise(images))
        last, tuned = cast("Tensor", self.pretrained(shared)), self.body(self.tuned(shared))
        last = last.mean((2, 3)) if last.ndim == 4 else last
        return last, torch.cat([last, tuned], dim=1) if self.joined else tuned

    def layers(self) -> list[str]:
        """Names of the layers of ``body``, see `BODY_LAYERS`."""
        names = {kind: name for name, kind in BODY_LAYERS.items()}
        return [names[type(layer)] for layer in cast("nn.Sequential", self.body)]

    def tensors(self) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
        """By timm's names those of the pretrained network and of the fine-tuned part; and those of ``body``.

        They are the network's own: who copies into them changes what it computes.
        """
        prefix, pretrained, tuned = (_tensors(part) for part in (self.prefix, self.pretrained, self.tuned))
        return {**prefix, **pretrained}, tuned, self.body.state_dict()


def _tensors(part: nn.Module) -> dict[str, Tensor]:
    return cast("nn.Module", part.model if isinstance(part, Headless) else part).state_dict()


def build_body(layers: Sequence[str], tensors: Mapping[str, Tensor]) -> nn.Sequential:
    """The ``body`` of a `TunedNetwork` from its `layers` and its tensors by name, which say how wide it is.

    Raises KeyError for a layer that is not one of `BODY_LAYERS`, or whose tensors are missing.
    """
    body = nn.Sequential()
    for number, name in enumerate(layers):
        shape = tensors[f"{number}.weight"].shape if name == "linear" else ()  # (out, in)
        body.append(BODY_LAYERS[name](*reversed(shape)))
    return body
