"""A small network of timm with random weights, made ready, and its rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart.backbones import catalog, weights
from headstart.backbones.runtime import Runtime
from headstart.backbones.space import NetworkSpec

SMALL = catalog.get("test_resnet.r160_in1k")
RANDOM = weights.locate(SMALL, random=True)


def small(
    cache: Path, *, size: int = 64, device: str = "openvino", precision: str = "f32", located: weights.Weights = RANDOM
) -> Runtime:
    spec = NetworkSpec(backbone=SMALL, weights=located, cache=cache, device=device, precision=precision)
    return spec.prepare(size)


def rows(of: Runtime, images: NDArray[np.uint8], batch: int | None = None) -> NDArray[np.float32]:
    step = batch or of.batch
    found = of.run(images[start : start + step] for start in range(0, len(images), step))
    return np.concatenate([np.hstack([part["last"], part["depths"]]) for part in found])
