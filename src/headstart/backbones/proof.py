"""Torch's rows of made-up images, kept beside a graph: what a runtime of the graph must give.

They are computed a thread of the CPU for each image, so that they are the same however many threads torch has.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from headstart.backbones.runtime import IMAGES, Outputs, synthetic_images
from headstart.errors import ModelError
from headstart.files import replacing
from headstart.images.threads import in_order
from headstart.untrusted import read_tensors

if TYPE_CHECKING:
    from torch import Tensor

    from headstart.backbones.network import FrozenModule

FEW = 2
"""Made-up images on which a graph is looked at in float32 at another size: what is wrong there is wrong on all."""
SAME = 1e-5
"""Largest relative distance of rows in float32 that are of one network. Measured on AVX-512 with ten networks of
`pretrained.all`, each at two sizes: at most 2e-6, because two runtimes add the same numbers in another order. A padding
that is off by one pixel makes 0.17 or more."""


def rows(frozen: FrozenModule, size: int, *, count: int = IMAGES) -> Outputs:
    """The rows that ``frozen``, which is on the CPU, gives for `runtime.synthetic_images` of ``size`` pixels."""
    import torch

    def of_one(image: Tensor) -> list[np.ndarray]:
        torch.set_num_threads(1)  # of this thread of Python
        with torch.inference_mode():
            return [output.numpy() for output in frozen(image[None])]

    before = torch.get_num_threads()
    try:
        parts = list(in_order(of_one, torch.from_numpy(synthetic_images(size, count))))
    finally:
        torch.set_num_threads(before)
    # joined, they are contiguous: safetensors writes the memory as it lies
    return {
        name: np.concatenate(outputs) for name, outputs in zip(frozen.widths, zip(*parts, strict=True), strict=True)
    }


def write(folder: Path, name: str, rows: Outputs) -> None:
    """Write rows into a file of ``folder``."""
    from safetensors.numpy import save_file

    with replacing(folder / name) as file:
        save_file(rows, file)


def read(folder: Path, name: str, widths: Mapping[str, int]) -> Outputs:
    """The rows in a file of ``folder``; raises ValueError unless they are those of a network of such ``widths``."""
    tensors = read_tensors(folder, name)
    found, expected = ({n: rows.shape for n, rows in tensors.items()}, {n: (IMAGES, w) for n, w in widths.items()})
    if found != expected:
        raise ValueError(f"rows {found}, where {expected} were expected")
    return tensors


def require_same(rows: Outputs, reference: Outputs) -> None:
    """Raise ModelError where rows (n, d) lie further than `SAME` from those of the reference, of any output."""
    for name, expected in reference.items():
        distance = float(np.linalg.norm(rows[name] - expected) / np.linalg.norm(expected))
        if not distance <= SAME:
            raise ModelError.of(
                f"graph: {name}",
                expected=f"rows within {SAME:.0e} of the network's, relative to their length",
                found=f"{distance:.1e}",
                todo="use torch's own",
            )
