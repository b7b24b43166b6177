"""The network that learns: a pretrained backbone with a head on it, and which of its tensors each phase changes."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from headstart.backbones import network
from headstart.backbones.catalog import Backbone
from headstart.backbones.split import GlobalAverage, Split, TunedNetwork, count_run, split
from headstart.backbones.weights import Weights
from headstart.errors import OptionError, Problem
from headstart.finetune import lora
from headstart.finetune.plan import Head, Phase, Plan
from headstart.probe.heads import LinearHead

State = dict[str, Tensor]
"""Tensors by name: the head's begin with ``head.``, the backbone's with ``backbone.``."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """How big the network is with its head, and how much of it a phase trains. What never runs is not counted.

    torch counts parameters without the statistics of batch norms; some published counts hold them.
    """

    train_from: str
    total: int
    """Numbers in parameters, head included."""
    trainable: int
    trainable_tensors: int
    head: int
    """Numbers in the parameters of the head, which always learn."""
    base: int
    """Numbers in the parameters of the backbone alone, as far as the head reads it."""
    batch_norm_statistics: int
    """Running means and variances of the backbone, which no gradient changes."""
    adapters: int = 0
    """Numbers in low-rank adapters, which ``total`` holds and ``base`` does not: they are merged in the end."""

    @property
    def total_with_statistics(self) -> int:
        """As Keras counts."""
        return self.total + self.batch_norm_statistics

    @property
    def base_with_statistics(self) -> int:
        """The backbone alone, as Keras counts."""
        return self.base + self.batch_norm_statistics


class Trainable:
    """Backbone and head; cut, counted, saved and restored phase by phase.

    Args:
        backbone: whose normalisation the plan may replace.
        weights: of the backbone.
        plan: what to do.
        num_classes: of the pictures.
        seed: of a fresh head.
        probe: a fitted linear head, where the plan begins with one.

    Raises:
        OptionError: a head or a ``train_from`` that this network cannot have; all of them at once.
        WeightsError: the weights cannot be read or do not fit.
    """

    def __init__(
        self,
        backbone: Backbone,
        weights: Weights,
        plan: Plan,
        *,
        num_classes: int,
        seed: int = 0,
        probe: LinearHead | None = None,
    ) -> None:
        self.backbone = replace(backbone, mean=plan.mean or backbone.mean, std=plan.std or backbone.std)
        self.plan = plan
        self.network = network.build(backbone, weights, size=plan.size)
        self.adapters = lora.attach(self.network, plan.lora, name=backbone.name, seed=seed) if plan.lora else ()
        self.stages = tuple(stage.name for stage in network.stages(self.network))
        self._reads_map = plan.head.reads != "features"
        self._dropping: list[nn.Dropout] = []
        problems = [] if plan.backbone_dropout is None else self._drop(*plan.backbone_dropout)
        splits: list[Split] = []
        for number, phase in enumerate(plan.phases, start=1):
            try:
                splits.append(self._split(phase.train_from))
            except OptionError as error:
                problems += [replace(problem, found=f"{problem.found} in phase {number}") for problem in error.problems]
        whole = self._nothing_learns().prefix
        assert whole is not None
        with torch.inference_mode():
            shape = tuple(whole(torch.zeros(1, 3, plan.size, plan.size)).shape[1:])
        try:
            self.head = build_head(plan.head, shape, num_classes, seed=seed, probe=probe)
        except OptionError as error:
            problems += error.problems
        if problems:
            raise OptionError("plan of fine-tuning for this network", problems)
        self._both = nn.ModuleDict({"head": self.head, "backbone": self.network})
        self.splits = tuple(splits)
        self._changing = sorted({name for cut in splits for name in self._state_names(cut)})
        self.start: State = {}
        """The tensors before any training; filled in by who trains: where only shapes are asked there are none."""

    def summary(self, phase: int) -> Summary:
        """Counts for the phase at position ``phase`` of the plan."""
        parameters = dict(self.network.named_parameters())
        trained = [parameters[name] for name in self.splits[phase].trained] + list(self.head.parameters())
        base = count_run(self.network, reads_map=self._reads_map)
        head = sum(p.numel() for p in self.head.parameters())
        adapters = sum(parameters[name].numel() for name in self.adapters)
        return Summary(
            train_from=self.plan.phases[phase].train_from,
            total=base.total + head,
            head=head,
            trainable=sum(p.numel() for p in trained),
            trainable_tensors=len(trained),
            base=base.total - adapters,
            adapters=adapters,
            batch_norm_statistics=base.batch_norm_statistics,
        )

    def whole(self, x: Tensor) -> Tensor:
        """Normalised images (n, 3, s, s) to logits, through backbone and head."""
        prefix = self._nothing_learns().prefix
        assert prefix is not None
        logits: Tensor = self.head(prefix(x))
        return logits

    def suffix(self, phase: int) -> nn.Module:
        """What is trained in a phase, head included: it takes the map that crosses the cut, or uint8 pictures."""
        cut = self.splits[phase]
        before = [network.Normalise(self.backbone)] if cut.prefix is None else []
        after = [] if cut.suffix is None else [cut.suffix]
        return nn.Sequential(*before, *after, self.head)

    def served(
        self, state: State, *, temperature: float = 1.0, joined: bool = False
    ) -> tuple[TunedNetwork, LinearHead]:
        """The network with the tensors ``state`` as it is deployed, and its last linear layer.

        Beside the fine-tuned rows it gives those of the pretrained network; what no phase changes runs once for both.
        ``joined`` lets that layer read both rows: its logits are the mean of the fine-tuned network's and of the
        pretrained one's with the head that training began with, which must read features without layers between.
        """
        learning = [cut for cut in self.splits if cut.trained]
        cut = min(learning, key=lambda cut: cut.at) if learning else self._nothing_learns()
        self.load(self.start)
        pretrained = copy.deepcopy(cut.suffix)
        self.load(state)
        body = self.head[:-1]
        both = TunedNetwork(self.backbone, cut, pretrained=pretrained, body=body, size=self.plan.size, joined=joined)
        weight, bias = self._last_layer(state)
        if joined:
            before, its_bias = self._last_layer(self.start)
            weight, bias = np.concatenate([before, weight], axis=1) / 2, (its_bias + bias) / 2
        if self.plan.head.logit == "one":  # a sigmoid is a softmax over half the logit either way
            weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
        return both, LinearHead(weight=np.ascontiguousarray(weight.T), bias=bias.copy(), temperature=temperature)

    def _last_layer(self, state: State) -> tuple[NDArray[Any], NDArray[Any]]:
        """Its weight (k, d) and its bias (k,)."""
        weight, bias = (state[f"head.{len(self.head) - 1}.{name}"].numpy() for name in ("weight", "bias"))
        return weight, bias

    def settle(self, *states: State) -> tuple[State, ...]:
        """The same states as those of the ordinary network, which this is from now on: adapters become plain weights.

        Without adapters nothing changes.
        """
        if not self.adapters:
            return states
        learned, adapted = [name for cut in self.splits for name in cut.trained], lora.adapted(self.network)
        layers = [layer for layer in adapted if any(name.startswith(f"{layer}.") for name in learned)]
        plain: list[State] = []
        for state in (*states, self.start):
            self.load(state)
            tensors = lora.merged(self.network).state_dict()
            head = {name: value for name, value in state.items() if name.startswith("head.")}
            plain.append({**head, **{f"backbone.{name}.weight": _copy(tensors[f"{name}.weight"]) for name in layers}})
        lora.merge(self.network)
        self.adapters, self._changing = (), [f"{name}.weight" for name in sorted(layers)]
        places = [cut.at for cut in self.splits]
        self.splits = tuple(self._split(phase.train_from) for phase in self.plan.phases)
        assert [cut.at for cut in self.splits] == places, "maps that were kept would be given to another suffix"
        *settled, self.start = plain
        return tuple(settled)

    def begin(self, phase: int) -> dict[str, nn.Parameter]:
        """Let gradients reach what the phase trains, and nothing else; returns the backbone's part by name."""
        trained = set(self.splits[phase].trained)
        for name, parameter in self.network.named_parameters():
            parameter.requires_grad_(name in trained)
        return {name: parameter for name, parameter in self.network.named_parameters() if name in trained}

    def mode(self, options: Phase) -> None:
        """Training mode for the head, dropouts the plan names and, if the phase says so, batch norms that learn."""
        self.network.eval()
        self.head.train()
        for module in self.network.modules():
            if isinstance(module, _BatchNorm):
                learns = any(parameter.requires_grad for parameter in module.parameters())
                module.train(learns and options.batch_norm == "train")
        for dropout in self._dropping:
            dropout.train()

    def eval(self) -> None:
        """Inference mode for everything."""
        self._both.eval()

    def state(self) -> State:
        """Copies, on the CPU, of all tensors that any phase of the plan changes."""
        tensors = self._both.state_dict()
        return {name: _copy(tensors[name]) for name in self._names()}

    def load(self, state: State) -> None:
        """The inverse of `state`."""
        tensors = self._both.state_dict()
        for name in self._names():
            tensors[name].copy_(state[name])

    def to(self, device: str) -> None:
        """Move everything to ``device``."""
        self._both.to(device)
        # Channels last in memory trains lite0 1.3 times as fast as a whole on a CPU, 1.5 times from blocks.5, and never
        # slower. A rule, not a timing at each run: the last bits differ, and the same seed is to give the same weights.
        self.network.to(memory_format=torch.channels_last)

    def _drop(self, name: str, share: float) -> list[Problem]:
        """Let the dropouts of a module of the backbone drop; says if there is none."""
        module = dict(self.network.named_modules()).get(name, nn.Identity())
        self._dropping = [layer for layer in module.modules() if isinstance(layer, nn.Dropout)]
        for dropout in self._dropping:
            dropout.p = share
        expected = f"dropouts in {name!r} of the backbone"
        missing = Problem(expected=expected, found="none", todo="leave backbone_dropout out")
        return [] if self._dropping else [missing]

    def _nothing_learns(self) -> Split:
        return split(self.network, "head", reads_map=self._reads_map)

    def _split(self, train_from: str) -> Split:
        """The backbone cut there; where it has adapters, they are all that learns."""
        cut, dropout = split(self.network, train_from, reads_map=self._reads_map), self.plan.backbone_dropout
        if cut.suffix is None and dropout is not None:  # what is dropped is another share at each step
            return replace(split(self.network, dropout[0], reads_map=self._reads_map), trained=())
        if not self.adapters or cut.suffix is None:
            return cut
        trained = tuple(name for name in cut.trained if name in self.adapters)
        if not trained:
            todo = "begin earlier, or leave lora out"
            problem = Problem(expected="attention with adapters after the cut", found=repr(train_from), todo=todo)
            raise OptionError("train_from", [problem])
        return replace(cut, trained=trained)

    def _names(self) -> list[str]:
        return [f"head.{name}" for name in self.head.state_dict()] + [f"backbone.{name}" for name in self._changing]

    def _state_names(self, cut: Split) -> set[str]:
        """What training after the cut may change: what learns, and the statistics of batch norms that do."""
        names = set(cut.trained)
        for path, module in self.network.named_modules():
            if any(f"{path}.{name}" in cut.trained for name, _ in module.named_parameters(recurse=False)):
                names |= {f"{path}.{name}" for name, _ in module.named_buffers(recurse=False)}
        return names


def _copy(tensor: Tensor) -> Tensor:
    return tensor.detach().to("cpu", copy=True).contiguous()


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
        for layer in (*layers, last):
            if head.start == "glorot" and isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)
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
    if head.start == "probe" and (probe is None or probe.weight.shape != (shape[0], num_classes)):
        expected = f"a probe of {shape[0]} features and {num_classes} classes to begin with"
        found = "none" if probe is None else "one of {} and {}".format(*probe.weight.shape)
        todo = 'fit the probe on the last layer alone, or use start="fresh"'
        problems.append(Problem(expected=expected, found=found, todo=todo))
    if head.reads != "features" and len(shape) != 3:
        todo = 'use reads="features"'
        problems.append(Problem(expected="a last map (c, h, w)", found=f"tokens {tuple(shape)}", todo=todo))
    if problems:
        raise OptionError("head", problems)
