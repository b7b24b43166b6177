"""Pretrained networks as torch modules: built, frozen, cut, counted. The only module that knows timm."""

from __future__ import annotations

import inspect
import math
import threading
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import timm
import torch
from timm.layers import get_notrace_functions, get_notrace_modules
from timm.models import get_pretrained_cfg, is_model, list_pretrained
from torch import Tensor, fx, nn

from headstart.backbones import state_dicts
from headstart.backbones.pretrained import Backbone, Hub, unknown
from headstart.backbones.weights import Weights


def record(name: str) -> Backbone:
    """The record of any network timm knows, from what timm publishes about it.

    Raises:
        OptionError: timm does not know ``name``; the message offers close names. A place from which timm would
            fetch a description of a network (``hf-hub:…``, ``local-dir:…``) is no name.
    """
    try:
        cfg = get_pretrained_cfg(name) if ":" not in name and is_model(name) else None
    except RuntimeError:  # a known architecture with a tag it does not have
        cfg = None
    if cfg is None:
        raise unknown(name, list_pretrained())
    architecture = f"{cfg.architecture}.{cfg.tag}" if cfg.tag else cfg.architecture
    with torch.device("meta"):
        parameters = count_parameters(timm.create_model(cfg.architecture)).total
    source = Hub(repo_id=cfg.hf_hub_id, file=cfg.hf_hub_filename or Hub.file) if cfg.hf_hub_id else None
    return Backbone(
        name=architecture,
        architecture=architecture,
        licence=cfg.license or "unknown",
        parameters=parameters,
        input_size=cfg.input_size[-1],
        crop_pct=cfg.crop_pct,
        interpolation=cfg.interpolation,
        mean=cfg.mean,
        std=cfg.std,
        top1=None,
        source=source,
    )


def build(backbone: Backbone, weights: Weights, *, size: int | None = None, num_classes: int = 0) -> nn.Module:
    """The network of ``backbone`` in evaluation mode, with ``weights`` loaded, in float32 on the CPU.

    Normalised float32 (n, 3, s, s) → pooled features (n, num_features), or logits (n, num_classes).

    Args:
        backbone: what to build.
        weights: from `headstart.backbones.weights.locate`.
        size: side in pixels of its images, for networks that must know (transformers); the backbone's
            own if not given.
        num_classes: 0 for no classifier. One of another size than the file's starts afresh, seeded by the
            hash of the weights.

    Raises:
        WeightsError: the file cannot be read safely, or its tensors do not fit.
    """
    model = untrained(backbone, size=size, num_classes=num_classes, seed=int(weights.sha256[:8], 16))
    if weights.path is not None:
        state_dicts.load(
            model, state_dicts.read(weights.path), what=f"weights {weights.path} for the backbone {backbone.name}"
        )
    return model.eval()


def untrained(backbone: Backbone, *, size: int | None = None, num_classes: int = 0, seed: int = 0) -> nn.Module:
    """`build` with random weights, which are the same for the same ``seed``."""
    options: dict[str, Any] = {"num_classes": num_classes}
    cfg = get_pretrained_cfg(backbone.architecture)
    if cfg is not None and cfg.fixed_input_size:
        options["img_size"] = size or backbone.input_size
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = cast("nn.Module", timm.create_model(backbone.architecture, pretrained=False, **options))
    return model.eval()


def takes_any_size(backbone: Backbone) -> bool:
    """Whether timm says that the network is the same for images of every size."""
    cfg = get_pretrained_cfg(backbone.architecture)
    return cfg is not None and not cfg.fixed_input_size


@dataclass(frozen=True, kw_only=True)
class ParameterCount:
    """How big a network is."""

    total: int
    """Numbers in parameters."""
    batch_norm_statistics: int
    """Numbers in running means and variances: no gradient changes them, but training mode would."""


def count_parameters(module: nn.Module) -> ParameterCount:
    """Count what ``module`` holds."""
    running = (value for name, value in module.named_buffers() if name.endswith(("running_mean", "running_var")))
    return ParameterCount(
        total=sum(value.numel() for value in module.parameters()),
        batch_norm_statistics=sum(value.numel() for value in running),
    )


# ---------------------------------------------------------------- frozen: images in, features out


class FrozenModule(nn.Module):
    """What a runtime runs: decoded images in, rows out.

    uint8 (n, s, s, 3), RGB → a tuple of float32 (n, width), in the order of ``widths``.
    """

    widths: dict[str, int]
    """Width of each output."""


class Normalise(nn.Module):
    """uint8 (n, s, s, 3) in [0, 255] → float32 (n, 3, s, s), less the backbone's mean, over its std."""

    mean: Tensor
    std: Tensor

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(backbone.mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(backbone.std).view(1, 3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Normalise a batch of decoded images."""
        return (images.permute(0, 3, 1, 2).float() / 255 - self.mean) / self.std


_reading = threading.local()
"""``maps``: the list that the forward pass of this thread fills; absent or None where it reads no maps."""


def _note_map(_block: nn.Module, _inputs: Any, output: Tensor) -> None:
    """A forward hook. Each thread has a list of its own, so that several may use one network at a time."""
    maps = getattr(_reading, "maps", None)
    if maps is not None:
        maps.append(output)


class FrozenNetwork(FrozenModule):
    """Images in, two rows of features each out, in one forward pass.

    uint8 (n, s, s, 3) → ``last`` (n, num_features), what the network's own classifier would see, and
    ``depths`` (n, D): of each block, and then of the final map, in network order, the mean, the maximum and the
    standard deviation of every channel over all positions. Whoever changes what they mean raises
    `headstart.backbones.space.OUTPUTS_VERSION`.

    ``model`` is taken, not copied; a hook that does nothing outside `forward` stays on its blocks.
    """

    def __init__(self, backbone: Backbone, model: nn.Module, *, size: int) -> None:
        super().__init__()
        self.backbone, self.size = backbone, size
        self.normalise = Normalise(backbone)
        self.model = cast("Any", model.eval().requires_grad_(False))
        self._blocks = _depth_modules(self.model)
        for name in self._blocks:
            block = self.model.get_submodule(name)
            if _note_map not in block._forward_hooks.values():  # another FrozenNetwork may hold this model too
                block.register_forward_hook(_note_map)
        probe = torch.randint(0, 256, (1, size, size, 3), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
        with torch.inference_mode():
            final, stages = self._maps(self.normalise(probe))
            last_map = _positions(self.model, final)
            # The last stage of a ResNet is its final map: once is enough.
            self._with_final = not (stages and torch.equal(stages[-1], last_map))
            last, depths = self(probe)
        self.widths = {"last": int(last.shape[1]), "depths": int(depths.shape[1])}
        named = [*zip(self._blocks, stages, strict=True), *([("final map", last_map)] if self._with_final else [])]
        self.depth_channels = tuple((name, int(positions.shape[1])) for name, positions in named)
        """Of ``depths``: each block's name and channels c, for 3·c numbers, in order."""

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """``(last, depths)`` of a batch of decoded images."""
        final, maps = self._maps(self.normalise(images))
        if self._with_final:
            maps.append(_positions(self.model, final))
        depths = torch.cat([statistic for positions in maps for statistic in _statistics(positions)], dim=1)
        return self.model.forward_head(final, pre_logits=True), depths

    def _maps(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The final map as timm hands it on, and the blocks' as (n, channels, positions)."""
        captured: list[Tensor] = []
        _reading.maps = captured
        try:
            final = self.model.forward_features(x)
        finally:
            _reading.maps = None
        return final, [_positions(self.model, out) for out in captured]


def freeze(backbone: Backbone, weights: Weights, *, size: int) -> FrozenNetwork:
    """The network of ``backbone`` with ``weights``, frozen, for images of ``size`` pixels."""
    return FrozenNetwork(backbone, build(backbone, weights, size=size), size=size)


def _positions(model: Any, final: Tensor) -> Tensor:
    """The final map as (n, channels, positions), whichever way the architecture lays it out."""
    if final.ndim == 3:  # tokens (n, prefix + positions, channels); class and register tokens are no positions
        return final[:, getattr(model, "num_prefix_tokens", 0) :].transpose(1, 2)
    channels_last = str(getattr(model, "output_fmt", "NCHW")) == "NHWC"
    return final.flatten(1, 2).transpose(1, 2) if channels_last else final.flatten(2)


def _statistics(positions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, maximum and standard deviation over the last axis of (n, channels, positions).

    The mean is subtracted before squaring: E[x²] − E[x]² would cancel in low precision.
    """
    positions = positions.float()  # on a GPU maps may come in bf16
    mean = positions.mean(2)
    variance = (positions - mean.unsqueeze(2)).square().mean(2)
    return mean, positions.amax(2), (variance + 1e-12).sqrt()


def _depth_modules(model: Any) -> list[str]:
    """Whose maps are read: every block; of a transformer's equal blocks four, evenly spaced.

    All blocks, not only the last at each reduction that timm lists: on fabric with defects of a few pixels that is
    worth 0.914 → 0.939 (2,000 images, 384 pixels, five folds). Where a network is a bare chain of convolutions
    (VGG), timm's list is taken.
    """
    blocks = [stage for stage in stages(model) if any(True for _ in model.get_submodule(stage.name).children())]
    if not blocks:
        return [str(stage["module"]) for stage in model.feature_info if stage["reduction"] >= 4]
    if len(blocks) > 4 and len({block.reduction for block in blocks}) == 1:
        blocks = [blocks[math.ceil(len(blocks) * quarter / 4) - 1] for quarter in (1, 2, 3, 4)]
    return [block.name for block in blocks]


# ---------------------------------------------------------------- cut: what is frozen, what is trained


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A part of a network before which it can be split, and the map that comes out of it."""

    name: str
    reduction: int
    """Pixels of the image per position of the map, along one side."""


def stages(model: nn.Module) -> tuple[Stage, ...]:
    """The parts of ``model`` in the order they run, from the stem to the last map before pooling.

    A container is opened where timm's own list of features reaches into it (``blocks`` of an EfficientNet,
    not ``layer1`` of a ResNet); parts without weights, or that only normalise, are passed over.
    """
    info = cast("Any", model).feature_info
    parts: dict[str, nn.Module] = {}
    for name, child in model.named_children():
        opened = any(stage["module"].startswith(f"{name}.") for stage in info)
        parts |= {f"{name}.{key}": part for key, part in child.named_children()} if opened else {name: child}
    size = _image_size(model)
    noted: list[Stage] = []

    def note(name: str, _module: nn.Module, _inputs: Any, output: Tensor) -> None:
        if output.ndim == 4 and output.shape[2] > 1:  # (n, c, h, w) or (n, h, w, c), images being square
            noted.append(Stage(name=name, reduction=2 ** round(math.log2(size / output.shape[2]))))
        elif output.ndim == 3:  # tokens
            noted.append(Stage(name=name, reduction=info[-1]["reduction"]))

    handles = [
        part.register_forward_hook(partial(note, name))
        for name, part in parts.items()
        if any(True for _ in part.parameters()) and "norm" not in type(part).__name__.lower()
    ]
    with torch.inference_mode():
        model(torch.zeros(1, 3, size, size))
    for handle in handles:
        handle.remove()
    return tuple(noted)


def _image_size(model: Any) -> int:
    """Side in pixels of the images ``model`` was built for."""
    fixed = getattr(getattr(model, "patch_embed", None), "img_size", None)
    return int((fixed or model.pretrained_cfg["input_size"])[-1])


class _Tracer(fx.Tracer):
    """torch.fx's tracer, which takes whole the modules timm declares untraceable, and those with an adapter."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        whole = is_wrapped(m) or isinstance(m, tuple(get_notrace_modules()))
        return whole or super().is_leaf_module(m, module_qualified_name)


def is_wrapped(module: nn.Module) -> bool:
    """Whether an adapter was put around ``module``, which then stands inside it."""
    return isinstance(getattr(module, "base_layer", None), nn.Module)


def trace(model: nn.Module, method: str = "forward") -> tuple[list[fx.Node], fx.Node]:
    """The operations of ``model.<method>`` on a batch, in order, and the one whose value it returns."""
    _, *optional = inspect.signature(getattr(model, method)).parameters.values()
    tracer = _Tracer(autowrap_functions=tuple(get_notrace_functions()))
    tracer.traced_func_name = method
    with warnings.catch_warnings():  # of the tracer, about the arguments it is told to take as constants
        warnings.simplefilter("ignore")
        graph = tracer.trace(model, concrete_args={parameter.name: parameter.default for parameter in optional})
    _, *constants = (node for node in graph.nodes if node.op == "placeholder")
    checks = set(constants)  # the tracer also inserts assertions that the constants keep their values
    kept: list[fx.Node] = []
    for node in graph.nodes:
        if checks.intersection([node, *node.all_input_nodes]):
            checks.add(node)
        elif node.op != "output":
            kept.append(node)
    return kept, graph.output_node().args[0]  # type: ignore[return-value]


def crossing(before: Sequence[fx.Node], after: Sequence[fx.Node]) -> list[fx.Node]:
    """Values computed before that are used after."""
    used = {value for node in after for value in node.all_input_nodes}
    return [node for node in before if node in used]


def part(model: nn.Module, nodes: Sequence[fx.Node], *, begin: fx.Node | None, end: fx.Node) -> nn.Module:
    """A module that runs ``nodes``, given the value of ``begin`` (None: they begin with the input themselves)."""
    graph = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {} if begin is None else {begin: graph.placeholder("x")}
    for node in nodes:
        copies[node] = graph.node_copy(node, copies.__getitem__)
    graph.output(copies[end])
    return fx.GraphModule(model, graph).eval()
