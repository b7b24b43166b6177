"""A small network of timm with random weights, made ready, and its rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart.backbones import catalog, conversion, graph, network, weights
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


VIT = "test_vit.r160_in1k"  # tokens, so `last` is a slice of memory, which once was saved wrongly
VIT_IDENTITY = {"network": VIT, "size": 160}


def write_vit(folder: Path) -> Path:
    """A small transformer with random weights as a graph, in a new folder."""
    backbone = catalog.get(VIT)
    folder.mkdir()
    conversion.write(network.freeze(backbone, weights.locate(backbone, random=True), size=160), VIT_IDENTITY, folder)
    return folder


def compiled_in_f32(folder: Path) -> graph.OpenVinoRuntime:
    """The graph in ``folder``, which runs in float32 without a note."""
    compiled, notes = graph.compile_graph(folder, precision="f32")
    assert compiled is not None
    assert notes == ()
    return compiled


def copied(runtime: graph.OpenVinoRuntime, folder: Path) -> Path:
    """A copy of the files of a graph."""
    runtime.save(folder)
    return folder
