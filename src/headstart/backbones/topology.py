"""The graphs of bundled networks without their numbers, shipped with the package: such a network starts without torch.

A file ``topologies/ARCHITECTURE.json.gz`` holds the graph that conversion from torch gives, where the network's tensors
lie in the file of its published weights, how batch normalisation was folded into the convolutions, and a part of
torch's rows as proof. ``tools/topology.py`` makes it.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.backbones import graph, graph_folder, proof, saved
from headstart.backbones.pretrained import Backbone, Triple
from headstart.backbones.runtime import Outputs, agreement, synthetic_rows
from headstart.backbones.weights import Weights
from headstart.errors import ModelError
from headstart.schema import read_record

FOLDER = Path(__file__).parent / "topologies"
SHIPPED = ("tf_efficientnet_lite0.in1k",)
"""Architectures with a file."""
STEP = 64
"""Of the numbers in a row every so many-th is kept as proof: a graph that strays does so in nearly all of them."""
COUNTER = "num_batches_tracked"
"""Of batch normalisation; nothing computed depends on it."""

Tensors = dict[str, NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A tensor in float32: where it lies in the file of weights, and how timm draws it for an untrained network."""

    shape: tuple[int, ...]
    offset: int
    """Bytes before its first number."""
    strides: tuple[int, ...]
    """Bytes from one number to the next along each axis."""
    mean: float
    std: float
    """Of the normal distribution that it is drawn from; 0 where all its numbers are ``mean``."""


@dataclass(frozen=True, kw_only=True)
class Folded:
    """A convolution and the batch normalisation after it, which are one in the graph."""

    weight: str
    """Name of the convolution's tensor."""
    norm: str
    """The names of the normalisation's tensors begin with it."""
    epsilon: float
    weight_at: int
    """Bytes before its numbers in graph.bin."""
    bias_at: int


@dataclass(frozen=True, kw_only=True)
class Topology:
    """What a file holds; the fields are those of its JSON but for ``sha256``."""

    architecture: str
    weights: str
    """SHA-256 of the file of weights that ``tensors`` lie in."""
    mean: Triple
    std: Triple
    size: int
    """Side in pixels of the images of ``rows``."""
    widths: Mapping[str, int]
    depth_channels: tuple[tuple[str, int], ...]
    tensors: Mapping[str, Stored]
    """By timm's names, without counters."""
    folded: tuple[Folded, ...]
    literals: Mapping[str, str]
    """All else in graph.bin, base64 by the bytes before it."""
    numbers: int
    """Bytes of graph.bin."""
    rows: Mapping[str, tuple[tuple[float, ...], ...]]
    """Of torch's rows of `runtime.synthetic_images` every `STEP`-th number."""
    graph: str
    """graph.xml"""
    made_with: Mapping[str, str]
    """Versions of packages."""
    sha256: str
    """Of the file."""

    def untrained(self) -> Weights:
        """Random weights of the network, drawn by NumPy from the distributions that timm draws them from."""
        name = f"random weights, seed 0, NumPy {np.__version__}, {self.sha256}"
        return Weights(path=None, sha256=hashlib.sha256(name.encode()).hexdigest(), origin="random")

    def read(self, weights: Weights) -> Tensors:
        """The tensors of the network by timm's names.

        Only numbers are read, from where they lie in a file whose hash is known. Raises ModelError for another file.
        """
        counters: Tensors = {f"{each.norm}.{COUNTER}": np.zeros((), np.int64) for each in self.folded}
        if weights.path is None:
            rng = np.random.default_rng(0)
            drawn = {
                name: np.full(t.shape, t.mean, np.float32)
                if t.std == 0
                else np.float32(t.std) * rng.standard_normal(t.shape, np.float32)
                for name, t in self.tensors.items()
            }
            return {**drawn, **counters}
        content = weights.path.read_bytes()
        if (found := hashlib.sha256(content).hexdigest()) != self.weights:
            what, todo = f"weights {weights.path}", "install the package again"
            raise ModelError.of(what, expected=f"SHA-256 {self.weights}", found=found, todo=todo)
        stored = {name: np.ndarray(t.shape, "<f4", content, t.offset, t.strides) for name, t in self.tensors.items()}
        return {**stored, **counters}

    def write(self, backbone: Backbone, weights: Weights, identity: Mapping[str, Any], folder: Path) -> object:
        """Write the files of the network and of a graph for every size into ``folder``.

        ``identity`` is that of the network, with any size. What is returned holds the compiled graph.

        Raises:
            ModelError: published weights do not give torch's rows on this machine.
        """
        tensors, own = self.read(weights), {**identity, "size": self.size}
        (folder / graph_folder.XML).write_text(self.graph, encoding="utf-8", newline="")
        (folder / graph_folder.TENSORS).write_bytes(self._numbers(tensors))
        saved.write_arrays(tensors, backbone, own, self.widths, folder)
        description = graph_folder.write_document(folder, own, self.widths, any_size=True)
        runtime = graph.OpenVinoRuntime(folder, description, size=self.size, precision="f32", threads=None, notes=())
        rows = synthetic_rows(runtime)
        parity = 1.0 if weights.path is None else self.proven(rows)
        proof.write(folder, graph_folder.REFERENCE, rows)
        graph_folder.write_document(folder, own, self.widths, any_size=True, parity={runtime.parity_key: parity})
        return runtime

    def proven(self, rows: Outputs) -> float:
        """How well rows in float32 agree with torch's. Raises ModelError where they are not the same network's."""
        torchs = {name: np.array(values, np.float32) for name, values in self.rows.items()}
        ours = {name: values[:, ::STEP] for name, values in rows.items()}
        proof.require_same(ours, torchs)
        return agreement(ours, torchs)

    def _numbers(self, tensors: Tensors) -> bytes:
        """graph.bin: with γ, β of a batch normalisation and its running μ, σ², weights become w·γ/√(σ² + ε)."""
        numbers = bytearray(self.numbers)

        def put(at: int, content: bytes) -> None:
            numbers[at : at + len(content)] = content

        for at, literal in self.literals.items():
            put(int(at), base64.b64decode(literal))
        for each in self.folded:
            gamma, beta, mu, var = (
                tensors[f"{each.norm}.{name}"] for name in ("weight", "bias", "running_mean", "running_var")
            )
            scale = gamma / np.sqrt(var + np.float32(each.epsilon))
            put(each.weight_at, (tensors[each.weight] * scale[:, None, None, None]).astype("<f4").tobytes())
            put(each.bias_at, (beta - mu * scale).astype("<f4").tobytes())
        return bytes(numbers)


@cache
def named(architecture: str) -> Topology | None:
    """The topology of an architecture, by timm's name with its tag; None where none is shipped."""
    if architecture not in SHIPPED:
        return None
    content = (FOLDER / f"{architecture}.json.gz").read_bytes()
    document = {**json.loads(gzip.decompress(content)), "sha256": hashlib.sha256(content).hexdigest()}
    return read_record(Topology, document, f"topology {architecture}", todo="install again", error=ModelError)


def of(backbone: Backbone, weights: Weights) -> Topology | None:
    """The topology from which this network can be made with these weights; None where torch must make it."""
    known = named(backbone.architecture)
    if known is None or (known.mean, known.std) != (backbone.mean, backbone.std):
        return None
    return known if weights.sha256 in (known.weights, known.untrained().sha256) else None
