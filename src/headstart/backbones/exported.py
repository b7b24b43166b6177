"""A saved network as an ONNX graph, made by torch from its tensors."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from headstart.backbones import saved
from headstart.backbones.network import FrozenModule
from headstart.errors import ModelError

IMAGES = "images"
"""Name of the graph's input: whole grey levels, float32 (n, size, size, 3)."""
EXAMPLES = 2
"""Images that the network is traced with: of one, torch takes the batch for a constant."""


class _Rows(nn.Module):
    """Some of the rows of a frozen network."""

    def __init__(self, frozen: FrozenModule, names: Sequence[str]) -> None:
        super().__init__()
        self.frozen = frozen
        self.positions = [list(frozen.widths).index(name) for name in names]

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        rows = self.frozen(images)
        return tuple(rows[position] for position in self.positions)


def network_to_onnx(folder: Path, rows: Sequence[str], *, opset: int) -> bytes:
    """The network in ``folder`` as the bytes of an ONNX file, for any number of images.

    Args:
        folder: of `saved.write`.
        rows: which of its outputs, by which names.
        opset: version of ONNX's operators.

    Raises:
        ModelError: as `saved.read`; or the network has operations that ONNX has not, or more than 2 GB of tensors.
    """
    frozen, identity = saved.read(folder)
    size, stream = int(identity["size"]), io.BytesIO()
    example = torch.zeros(EXAMPLES, size, size, 3)
    options: dict[str, Any] = {
        "f": stream,
        "input_names": [IMAGES],
        "output_names": list(rows),
        "dynamic_axes": {name: {0: "n"} for name in (IMAGES, *rows)},
        "opset_version": opset,
        # the other exporter needs a package more, and leaves no single file
        "dynamo": False,
    }
    try:
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that this exporter is the older one; what tracing takes for constant
            torch.onnx.export(_Rows(frozen, rows), (example,), **options)
    except RuntimeError as error:
        found = str(error).strip().splitlines()[0]
        expected = f"a network that can be written as ONNX {opset}, in one file of at most 2 GB"
        raise ModelError.of(
            f"network {folder}", expected=expected, found=found, todo="choose another backbone"
        ) from error
    return stream.getvalue()
