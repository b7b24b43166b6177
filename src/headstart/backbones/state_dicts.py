"""Weights files read into networks: safely, named as timm or torchvision names them, every misfit reported."""

from __future__ import annotations

import inspect
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from headstart.errors import Problem, WeightsError

Tensors = dict[str, Tensor]


def read(path: Path) -> Tensors:
    """The named tensors of a ``.safetensors`` file or of a torch checkpoint, which is never unpickled freely.

    Checkpoints may wrap them (``state_dict``, ``model``, …) and prefix their names (``module.``, …).

    Raises:
        WeightsError: damaged, unsafe, or no tensors inside.
    """
    content: object
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            content = load_file(path)
        else:
            with warnings.catch_warnings():  # of torch, about storages of old checkpoints
                warnings.simplefilter("ignore")
                content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # parsers of foreign files raise whatever they like
        # the first sentence alone: torch's second one is how to load what runs code
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].partition(". ")[0].rstrip(".")
        raise WeightsError.of(
            f"weights {path}",
            expected="a file of tensors only: .safetensors, or .pth/.pt holding a plain state dict",
            found=f"a file that is damaged, or that would run code when loaded: {reason}",
            todo="fetch it again, or save it again with torch.save(model.state_dict(), ...)",
        ) from error
    tensors = _unwrap(content)
    if not tensors:
        expected = "tensors by name, at the top or under state_dict, model_state_dict or model"
        found, todo = f"a {type(content).__name__} without any", "save the network's state_dict()"
        raise WeightsError.of(f"weights {path}", expected=expected, found=found, todo=todo)
    return tensors


def load(model: nn.Module, tensors: Tensors, *, what: str) -> None:
    """Copy ``tensors`` into a timm ``model``, all of it but the classifier, which is copied if its size fits.

    Raises:
        WeightsError: about ``what``; lists every tensor that is missing, unexpected or of another shape.
    """
    expected = model.state_dict()
    classifier = _classifier(model)
    given = _to_timm_names(model, tensors)
    own, found = _shapes(expected, classifier), _shapes(given, classifier)
    names = "every tensor of the network, by timm's or torchvision's name"
    todo = "give the weights of this very architecture, or choose the backbone they belong to"
    if problems := misfits(own, found, of="shape", expected=names, todo=todo):
        ordered = _by_order(expected, tensors, classifier)
        if ordered is None:
            raise WeightsError(what, problems)
        given = ordered
    shapes = {name: value.shape for name, value in expected.items()}
    model.load_state_dict({n: v for n, v in given.items() if shapes.get(n) == v.shape}, strict=False)


def _unwrap(content: object) -> Tensors:
    if not isinstance(content, Mapping):
        return {}
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(content.get(key), Mapping):
            return _unwrap(content[key])
    tensors = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    for prefix in ("_orig_mod.", "module.", "model."):
        if all(name.startswith(prefix) for name in tensors):
            tensors = {name.removeprefix(prefix): value for name, value in tensors.items()}
    return tensors


def _to_timm_names(model: nn.Module, tensors: Tensors) -> Tensors:
    """Rename and reshape with the filter timm itself applies to checkpoints of this family, if it has one.

    Covers torchvision's VGG; its ResNets carry timm's names already.
    """
    family = sys.modules[type(model).__module__]
    renamed = getattr(family, "checkpoint_filter_fn", None) or getattr(family, "_filter_fn", None)
    if renamed is None:
        return tensors
    arguments = (dict(tensors), model)[: len(inspect.signature(renamed).parameters)]
    try:
        return dict(renamed(*arguments))
    except Exception:  # not names the filter knows: the comparison will name what is wrong
        return tensors


def _classifier(model: nn.Module) -> tuple[str, ...]:
    """Prefixes of the names of the classifier's tensors."""
    names = cast("Any", model).pretrained_cfg.get("classifier") or ()
    return tuple(f"{name}." for name in ((names,) if isinstance(names, str) else names))


def _is_counter(name: str) -> bool:
    """Batch norm counts its batches; nothing computed depends on it, and old files leave it out."""
    return name.endswith("num_batches_tracked")


def _shapes(tensors: Tensors, classifier: tuple[str, ...]) -> dict[str, str]:
    """Shapes by name of what must fit: neither the classifier nor the counters."""
    return {n: str(tuple(v.shape)) for n, v in tensors.items() if not n.startswith(classifier) and not _is_counter(n)}


def misfits(
    own: dict[str, str], given: dict[str, str], *, of: str, may_miss: tuple[str, ...] = (), expected: str, todo: str
) -> list[Problem]:
    """A problem for each kind of misfit between a network's ``own`` tensors and those ``given``.

    Both hold, by name, the shape of a tensor, or whatever else of it must be the same; ``of`` says what. Tensors whose
    names begin as ``may_miss`` may be missing.
    """
    kinds = {
        "missing": [name for name in own if name not in given and not name.startswith(may_miss)],
        "that the network does not have": [name for name in given if name not in own],
        f"of another {of}": [f"{n} {given[n]} instead of {own[n]}" for n in own if given.get(n, own[n]) != own[n]],
    }
    return [
        Problem(expected=expected, found=f"{len(tensors)} {kind}: {', '.join(tensors)}", todo=todo)
        for kind, tensors in kinds.items()
        if tensors
    ]


def _by_order(expected: Tensors, tensors: Tensors, classifier: tuple[str, ...]) -> Tensors | None:
    """Match tensors one by one in the order they were registered; None unless every kind and shape agrees.

    The same layers under other names: the bundled lite files, torchvision's MobileNetV2 and EfficientNets.
    """
    wanted = list(_shapes(expected, classifier))
    given = [name for name in tensors if not _is_counter(name)]
    last = given[len(wanted) :]
    if len(given) < len(wanted) or len(last) not in (0, 2):  # 2: weight and bias of a classifier
        return None
    pairs = list(zip(wanted, given, strict=False))
    for name, other in pairs:
        same_kind = name.rpartition(".")[2] == other.rpartition(".")[2]
        if not same_kind or expected[name].shape != tensors[other].shape:
            return None
    wanted_last = [name for name in expected if name.startswith(classifier)]
    return {name: tensors[other] for name, other in [*pairs, *zip(wanted_last, last, strict=False)]}
