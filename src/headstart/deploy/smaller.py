"""An ONNX file with the numbers of its network kept in fewer bits; resizing, head and novelty stay as they are."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from headstart.arrays import Pixels
from headstart.deploy.export import Exported, in_onnx
from headstart.deploy.manifest import KEY, Manifest, Precision
from headstart.deploy.onnx_graph import INPUT, NETWORK, PRODUCER
from headstart.deploy.onnx_nodes import import_onnx, import_onnxruntime
from headstart.deploy.portable import Portable
from headstart.deploy.verify import golden_agreement
from headstart.versions import version

Opened = Callable[[Exported], Portable]
"""Opens what was exported in the runtime that will answer, whose answers for the golden pictures it must give again."""
LEAST_NUMBERS = 256
"""Of a tensor that is kept in half precision: what is smaller saves nothing."""


def half(exported: Exported, opened: Opened = in_onnx) -> Exported:
    """Its network's tensors in half precision, which the file itself widens: computed is in float32 as before."""
    onnx = import_onnx()
    model = onnx.load_model_from_string(exported.content)
    narrow, casts = [], []
    for tensor in model.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if not tensor.name.startswith(NETWORK) or values.dtype != np.float32 or values.size < LEAST_NUMBERS:
            narrow.append(tensor)
            continue
        name = f"{tensor.name}/half"
        limit = np.finfo(np.float16).max
        narrow.append(onnx.numpy_helper.from_array(np.clip(values, -limit, limit).astype(np.float16), name))
        casts.append(onnx.helper.make_node("Cast", [name], [tensor.name], name=name, to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.initializer.extend(narrow)
    model.graph.node.extend(nodes)
    return _restated(exported, model, "fp16", opened)


def int8(exported: Exported, pictures: Iterable[Pixels], opened: Opened = in_onnx) -> Exported:
    """Its network computed in whole numbers of 8 bits, whose ranges come from pictures (h, w, 3).

    The first convolution and those of one channel each stay in float32: they have few numbers, and rounding them costs
    most (of 153 pictures of ants and bees 96.1 % kept their label with them in 8 bits, 99.3 % without).
    """
    import_onnxruntime()
    from onnxruntime import quantization

    graph = import_onnx().load_model_from_string(exported.content).graph
    before = logging.getLogger().level
    logging.getLogger().setLevel(logging.ERROR)  # it advises to prepare the file, which the export has done
    try:
        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder) / "f32.onnx", Path(folder) / "int8.onnx"
            source.write_bytes(exported.content)
            quantization.quantize_static(
                str(source),
                str(target),
                _Reader(pictures),
                quant_format=quantization.QuantFormat.QDQ,
                per_channel=True,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
                op_types_to_quantize=["Conv", "MatMul", "Gemm"],
                nodes_to_exclude=[*_sensitive(graph), *(n.name for n in graph.node if not n.name.startswith(NETWORK))],
            )
            model = import_onnx().load(target)
    finally:
        logging.getLogger().setLevel(before)
    own = [each for each in model.opset_import if each.domain == ""]
    del model.opset_import[:]
    model.opset_import.extend(own)
    return _restated(exported, model, "int8", opened)


def _sensitive(graph: Any) -> list[str]:
    """Names of the first convolution, and of those whose filters see one channel (depthwise)."""
    channels = {tensor.name: tensor.dims[1] for tensor in graph.initializer if len(tensor.dims) > 1}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    return [
        node.name for position, node in enumerate(convolutions) if position == 0 or channels.get(node.input[1]) == 1
    ]


class _Reader:
    """Gives the pictures one by one, as the library that measures ranges asks for them."""

    def __init__(self, pictures: Iterable[Pixels]) -> None:
        self._pictures = iter(pictures)

    def get_next(self) -> dict[str, Any] | None:
        """The next picture as an input; None where there is none."""
        pixels = next(self._pictures, None)
        return None if pixels is None else {INPUT: pixels[None]}


def _restated(exported: Exported, model: Any, precision: Precision, opened: Opened) -> Exported:
    """The file of ``model``, whose golden answers are its own; `Exported.golden` compares them with the first ones."""
    onnx = import_onnx()
    said = replace(exported.manifest, precision=precision)
    model.producer_name, model.producer_version = PRODUCER, version("headstart")
    portable = opened(replace(exported, content=_with(model, said), manifest=said))
    golden = golden_agreement(portable)
    answers = portable.answers(said.decoded())
    manifest = replace(
        said,
        golden=tuple(
            replace(
                picture,
                probabilities=tuple(answer.proba.tolist()),  # type: ignore[union-attr]
                novelty=answer.novelty,
                unsure=bool(answer.unsure),
                unfamiliar=bool(answer.unfamiliar),
            )
            for picture, answer in zip(said.golden, answers, strict=True)
        ),
    )
    onnx.checker.check_model(model)
    return Exported(content=_with(model, manifest), manifest=manifest, golden=golden)


def _with(model: Any, manifest: Manifest) -> bytes:
    del model.metadata_props[:]
    import_onnx().helper.set_model_props(model, {KEY: manifest.to_json()})
    content: bytes = model.SerializeToString()
    return content
