"""Low-rank adapters on the attention of a vision transformer (Hu et al. 2021), by the package ``peft``.

A layer ``W x + b`` becomes ``(W + alpha / rank · B A) x + b`` with A (rank, d) and B (d', rank): A and B learn, W stays
as it was. B begins at zero, so that nothing changes before the first step. At the end the product is added to W: what
is deployed is the ordinary network.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

from headstart.backbones import network
from headstart.errors import MissingPackageError, OptionError, Problem
from headstart.finetune.plan import Lora

INSTALL = 'pip install "headstart[lora]"'


def attach(model: nn.Module, options: Lora, *, name: str, seed: int) -> tuple[str, ...]:
    """Put adapters on the attention of ``model``, in place; returns the names of their parameters, in network order.

    Args:
        model: from `headstart.backbones.network.build`.
        options: rank, alpha and the layers, from the plan.
        name: of the backbone, for the error.
        seed: of A.

    Raises:
        MissingPackageError: ``peft`` is not installed.
        OptionError: the network has no attention, or none with such layers.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise MissingPackageError("peft", "low-rank adaptation (LoRA)", INSTALL) from error
    layers = _attention_layers(model)
    chosen = [layer for layer in layers if layer.rpartition(".")[2] in options.targets]
    if not chosen:
        raise OptionError("lora", [_no_such_layers(layers, options, name)])
    config = LoraConfig(r=options.rank, lora_alpha=options.alpha, lora_dropout=0.0, target_modules=chosen)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        inject_adapter_in_model(config, model)
    inside = tuple(f"{layer}.lora_" for layer in chosen)
    return tuple(parameter for parameter, _ in model.named_parameters() if parameter.startswith(inside))


def adapted(module: nn.Module) -> tuple[str, ...]:
    """Names of the layers of ``module`` that have adapters."""
    return tuple(name for name, layer in module.named_modules() if network.is_wrapped(layer))


def merge(module: nn.Module) -> None:
    """Add every adapter of ``module`` to the weights it stands on and take it off, in place."""
    for name in adapted(module):
        layer: Any = module.get_submodule(name)
        layer.merge(safe_merge=True)
        above, _, last = name.rpartition(".")
        setattr(module.get_submodule(above), last, layer.get_base_layer())


def merged(module: nn.Module) -> nn.Module:
    """``module`` itself where it has no adapters; else a copy in which they are merged."""
    if not adapted(module):
        return module
    ordinary = copy.deepcopy(module)
    merge(ordinary)
    return ordinary


def _attention_layers(model: nn.Module) -> list[str]:
    """Names of the linear layers of attention that run as layers: some networks use the weights of theirs directly."""
    nodes, _ = network.trace(model)
    layers = []
    for node in nodes:
        name = str(node.target)
        if node.op == "call_module" and isinstance(model.get_submodule(name), nn.Linear):
            above = type(model.get_submodule(name.rpartition(".")[0])).__name__.lower()
            if "attention" in above or "attn" in above:
                layers.append(name)
    return layers


def _no_such_layers(layers: list[str], options: Lora, name: str) -> Problem:
    expected = f"attention with linear layers called {' or '.join(options.targets)}, as vision transformers have"
    if not layers:
        todo = "choose a vision transformer, such as vit_tiny_patch16_224, or leave lora out"
        return Problem(expected=expected, found=f"none in {name}", todo=todo)
    names = ", ".join(dict.fromkeys(layer.rpartition(".")[2] for layer in layers))
    return Problem(expected=expected, found=f"{names} in {name}", todo="choose the targets among these")
