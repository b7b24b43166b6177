"""A model as one ONNX graph: from a uint8 picture of any size to calibrated probabilities and what is said about them.

::

    image (n, h, w, 3) uint8, resized and cut, network:
        head, logits (n, k), probabilities (n, k), unsure (n,)
        distance to the nearest class, novelty (n,), unfamiliar (n,)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from headstart.abstain.novelty import FAMILIAR, Novelty
from headstart.deploy.manifest import KEY, Manifest
from headstart.deploy.model import Model
from headstart.deploy.onnx_nodes import IR_VERSION, OPSET, Nodes, import_onnx
from headstart.deploy.onnx_resize import resized
from headstart.features.rows import SHORTEST
from headstart.versions import version

INPUT = "image"
PRODUCER = "headstart export"
"""Stands at the beginning of every file, so that one of ours is told from any other."""
OUTPUTS = {
    "probabilities": np.float32,
    "logits": np.float32,
    "novelty": np.float32,
    "unsure": np.bool_,
    "unfamiliar": np.bool_,
}
"""Of the graph, in order, with their types: (n, k) where they are `WIDE`, else (n,)."""
WIDE = ("probabilities", "logits")
"""Outputs with a number for each class."""
NETWORK = "network/"
"""What names of the network's nodes and tensors begin with."""


def rows_of(model: Model) -> list[str]:
    """The network's rows that a model reads: those of its head, and those by which a picture is familiar."""
    return list(dict.fromkeys([model.output, FAMILIAR]))


def whole_graph(model: Model, network: bytes, manifest: Manifest) -> Any:
    """The ONNX model of ``model``, in one piece.

    Args:
        model: what is exported.
        network: its network, from `headstart.backbones.exported.network_to_onnx`, with the rows of `rows_of`.
        manifest: what is to be said in its metadata.
    """
    onnx = import_onnx()
    nodes = Nodes("picture")
    square = resized(nodes, INPUT, model.space.geometry)
    inner = onnx.compose.add_prefix(onnx.load_model_from_string(network), NETWORK)
    before = [*nodes.nodes, onnx.helper.make_node("Identity", [square], [inner.graph.input[0].name])]
    after = Nodes("answer")
    rows = {name: NETWORK + name for name in rows_of(model)}
    _answers(after, model, rows)
    k = len(model.classes)
    shapes = {name: ["n", k] if name in WIDE else ["n"] for name in OUTPUTS}
    value, dtype = onnx.helper.make_tensor_value_info, onnx.helper.np_dtype_to_tensor_dtype
    graph = onnx.helper.make_graph(
        [*before, *inner.graph.node, *after.nodes],
        "classifier",
        [value(INPUT, onnx.TensorProto.UINT8, ["n", "h", "w", 3])],
        [value(name, dtype(np.dtype(kind)), shapes[name]) for name, kind in OUTPUTS.items()],
        [*nodes.initializers, *inner.graph.initializer, *after.initializers],
    )
    built = onnx.helper.make_model(
        graph,
        producer_name=PRODUCER,
        producer_version=version("headstart"),
        ir_version=IR_VERSION,
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
    )
    onnx.helper.set_model_props(built, {KEY: manifest.to_json()})
    return built


def _answers(nodes: Nodes, model: Model, rows: dict[str, str]) -> None:
    """Add the outputs of the graph; ``rows`` are names of the network's rows, by what they are."""
    head, abstention = model.head, model.abstention
    weight, bias = nodes.constant(head.weight, np.float32), nodes.constant(head.bias, np.float32)
    logits = nodes.add("Add", nodes.add("MatMul", rows[model.output], weight), bias, output="logits")
    cooled = nodes.add("Div", logits, nodes.constant(head.temperature, np.float32))
    proba = nodes.add("Softmax", cooled, axis=-1, output="probabilities")
    best = nodes.add("ReduceMax", proba, axes=[-1], keepdims=0)
    # a model that has not learned it is never unsure: no probability is below 0
    nodes.add("Less", best, nodes.constant(abstention.sure_from or 0.0, np.float32), output="unsure")
    if abstention.novelty is None:
        nothing = nodes.add("Mul", best, nodes.constant(np.nan, np.float32))
        novelty = nodes.add("Identity", nothing, output="novelty")
    else:
        novelty = _novelty(nodes, abstention.novelty, rows[FAMILIAR])
    nodes.add("Greater", novelty, nodes.constant(1.0, np.float32), output="unfamiliar")


def _novelty(nodes: Nodes, learned: Novelty, rows: str) -> str:
    """`headstart.abstain.novelty.Novelty.measure` of rows (n, d), in double precision where the runtime has it.

    With u a row of unit length, μ a mean and A the axes, the squared distance is the sum of u·u, −2u·μ and μ·μ, each
    less the same product of Au and Aμ, over the ridge.
    """
    means, axes = learned.means.astype(np.float64), learned.axes.astype(np.float64)
    on_axes = means @ axes.T
    of_means = (np.einsum("kd,kd->k", means, means) - np.einsum("kr,kr->k", on_axes, on_axes)) / learned.ridge
    wide = nodes.cast(rows, np.float64)
    length = nodes.add("ReduceL2", wide, axes=[-1], keepdims=1)
    unit = nodes.add("Div", wide, nodes.add("Max", length, nodes.number(SHORTEST)))
    on = nodes.add("MatMul", unit, nodes.cast(nodes.constant(learned.axes.T, np.float32), np.float64))
    own = nodes.add("Sub", *(nodes.add("ReduceSumSquare", each, axes=[-1], keepdims=1) for each in (unit, on)))
    to_means = nodes.add(
        "Sub",
        nodes.add("MatMul", unit, nodes.cast(nodes.constant(learned.means.T, np.float32), np.float64)),
        nodes.add("MatMul", on, nodes.constant(on_axes.T, np.float64)),
    )
    both = nodes.add("Sub", own, nodes.add("Mul", to_means, nodes.number(2.0)))
    squares = nodes.add(
        "Add", nodes.add("Div", both, nodes.number(learned.ridge)), nodes.constant(of_means, np.float64)
    )
    nearest = nodes.add("ReduceMin", squares, axes=[-1], keepdims=0)
    distance = nodes.add("Sqrt", nodes.add("Max", nearest, nodes.number(0.0)))
    relative = nodes.cast(nodes.add("Div", distance, nodes.number(learned.limit)), np.float32)
    return nodes.add("Identity", relative, output="novelty")
