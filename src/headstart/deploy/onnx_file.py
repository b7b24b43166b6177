"""An ONNX file that may come from anywhere: looked through before a runtime is given it.

Nothing outside of the file is opened: tensors in other files are refused, and so are operations that are not ONNX's own
and functions of the file's making. What a graph may compute is limited to the operations that networks are made of,
without loops, and the constants in it to what the file holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from headstart.deploy.manifest import COPY, KEY, Manifest
from headstart.deploy.onnx_graph import INPUT, OUTPUTS
from headstart.deploy.onnx_nodes import OPSET, import_onnx
from headstart.errors import ModelError
from headstart.untrusted import file_in

MOST_BYTES = (2 << 30) - 1
"""Of a file: what the format (protocol buffers) can hold in one piece."""
MOST_NODES = 100_000
"""Operations in a graph. Chosen: the deepest networks of timm have a few thousand."""
REFUSED = frozenset({"If", "Loop", "Scan", "SequenceMap"})
"""Operations with a graph of their own."""


def read(path: Path) -> tuple[bytes, Manifest]:
    """The bytes of an exported file, and its manifest.

    Raises:
        ModelError: no such file, larger than `MOST_BYTES`, none of ours, or with anything in it that no model needs.
        MissingPackageError: onnx is not installed.
    """
    onnx, what = import_onnx(), f"{path} is no model that headstart exported, or is damaged"
    try:
        content = file_in(path.parent, path.name, most=MOST_BYTES).read_bytes()
        model = onnx.ModelProto.FromString(content)
        _check(onnx, model)
    except Exception as error:  # protocol buffers raise kinds of their own
        found = (str(error).strip() or type(error).__name__).splitlines()[0]
        expected = "an ONNX file with the whole model in it"
        raise ModelError.of(what, expected=expected, found=found, todo=COPY) from error
    manifest = next(entry.value for entry in model.metadata_props if entry.key == KEY)
    return content, Manifest.from_json(manifest, what)


def _check(onnx: Any, model: Any) -> None:
    """Raise ValueError with what is wrong with a model."""
    if sum(entry.key == KEY for entry in model.metadata_props) != 1:
        raise ValueError("no manifest in its metadata")
    if (
        model.functions
        or model.training_info
        or [(each.domain, each.version) for each in model.opset_import] != [("", OPSET)]
    ):
        raise ValueError("other operations than ONNX's own")
    graph = model.graph
    if len(graph.node) > MOST_NODES:
        raise ValueError(f"{len(graph.node):,} operations, more than {MOST_NODES:,}")
    if [value.name for value in graph.input] != [INPUT] or [value.name for value in graph.output] != [*OUTPUTS]:
        raise ValueError("other inputs or outputs than a model has")
    for node in graph.node:
        if node.domain or node.op_type in REFUSED:
            raise ValueError(f"the operation {node.domain} {node.op_type}")
    for tensor in _tensors(graph):
        if tensor.data_location != onnx.TensorProto.DEFAULT or tensor.external_data:
            raise ValueError(f"the tensor {tensor.name!r}, which lies in another file")
    if graph.sparse_initializer:
        raise ValueError("sparse tensors")


def _tensors(graph: Any) -> Iterator[Any]:
    """Every tensor of a graph that has no graphs within it; raises ValueError where it has."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if (
                attribute.HasField("g")
                or attribute.graphs
                or attribute.HasField("sparse_tensor")
                or attribute.sparse_tensors
            ):
                raise ValueError(f"a graph or a sparse tensor in the operation {node.op_type}")
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
