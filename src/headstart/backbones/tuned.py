"""A fine-tuned network as it is served, beside the pretrained one it came from; what both share runs once."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from headstart.backbones import network
from headstart.backbones.pretrained import Backbone
from headstart.backbones.split import Headless, Split


class GlobalAverage(nn.Module):
    """(n, c, h, w) → (n, c): the mean over all positions."""

    def forward(self, x: Tensor) -> Tensor:
        """Average each channel."""
        return x.mean((2, 3))


LAYERS: Mapping[str, type[nn.Module]] = {
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
    that map's mean over all positions. Holds copies: what is trained later does not change it.

    Args:
        backbone: whose normalisation applies.
        cut: the fine-tuned network; what comes before the cut is that of the pretrained one too.
        pretrained: what came after the cut before training; None where the prefix is all of it.
        body: the head without its last linear layer, of `LAYERS`.
        size: side in pixels of the images.
    """

    def __init__(
        self, backbone: Backbone, cut: Split, *, pretrained: nn.Module | None, body: nn.Sequential, size: int
    ) -> None:
        super().__init__()
        self.backbone, self.size = backbone, size
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
        last = cast("Tensor", self.pretrained(shared))
        return last.mean((2, 3)) if last.ndim == 4 else last, self.body(self.tuned(shared))

    def layers(self) -> list[str]:
        """Names of the layers of ``body``, see `LAYERS`."""
        names = {kind: name for name, kind in LAYERS.items()}
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

    Raises KeyError for a layer that is not one of `LAYERS`, or whose tensors are missing.
    """
    body = nn.Sequential()
    for number, name in enumerate(layers):
        shape = tensors[f"{number}.weight"].shape if name == "linear" else ()  # (out, in)
        body.append(LAYERS[name](*reversed(shape)))
    return body
