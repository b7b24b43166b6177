"""A fine-tuned network as it is served, beside the pretrained one it came from; what both share runs once."""

from __future__ import annotations

import copy
from typing import cast

import torch
from torch import Tensor, nn

from headstart.backbones import network
from headstart.backbones.catalog import Backbone


class TunedNetwork(nn.Module):
    """Pictures in, rows of features out: ``last`` of the pretrained network, ``tuned`` of the fine-tuned one.

    uint8 (n, s, s, 3) → ``last`` (n, num_features), on which what is unfamiliar can be told as before, and ``tuned``
    (n, d), what the last linear layer of the fine-tuned network reads. Where the head reads the last map, ``last`` is
    that map's mean over all positions. Holds copies: what is trained later does not change it.

    Args:
        backbone: whose normalisation applies.
        prefix: what both networks share; None for nothing.
        pretrained: the rest of the pretrained network; None where the prefix is all of it.
        tuned: the same part after training; None likewise.
        body: the head without its last linear layer.
        size: side in pixels of the pictures.
    """

    def __init__(
        self,
        backbone: Backbone,
        *,
        prefix: nn.Module | None,
        pretrained: nn.Module | None,
        tuned: nn.Module | None,
        body: nn.Module,
        size: int,
    ) -> None:
        super().__init__()
        self.normalise = network.Normalise(backbone)
        self.prefix, self.pretrained, self.tuned, self.body = (
            copy.deepcopy(part or nn.Identity()).cpu().eval().requires_grad_(False)
            for part in (prefix, pretrained, tuned, body)
        )
        with torch.inference_mode():
            last, tuned_rows = self(torch.zeros(1, size, size, 3, dtype=torch.uint8))
        self.widths = {"last": int(last.shape[1]), "tuned": int(tuned_rows.shape[1])}

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """``(last, tuned)`` of a batch of decoded pictures."""
        shared = self.prefix(self.normalise(pictures))
        last = cast("Tensor", self.pretrained(shared))
        return last.mean((2, 3)) if last.ndim == 4 else last, self.body(self.tuned(shared))
