"""The convolutions of a graph in 8 bits, which most processors compute faster, without a picture of the user's.

Weights are rounded by the channel that they give, and what a convolution reads by the whole map (Jacob et al. 2018,
"Quantization and training of neural networks for efficient integer-arithmetic-only inference"). The ranges, and the
shift that rounded weights make on average, which is taken back (Nagel et al. 2019, "Data-free quantization through
weight equalization and bias correction"), are measured on made-up images. So they belong to the network, as its
weights do, and its rows can be kept and compared whatever the pictures.

The first convolution, which reads pixels, and grouped ones, which have few products, stay in float32.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.arrays import Pixels
from headstart.backbones import proof
from headstart.backbones.runtime import synthetic_images
from headstart.files import sha256

FILE = "int8.safetensors"
CALIBRATED_ON = 16
"""Made-up images whose maps decide what 8 bits hold."""
Measured = dict[str, NDArray[np.float32]]
"""By the name of a convolution ``NAME.range`` (2,), the least and the largest number that it reads, and ``NAME.shift``
(c,), what rounded weights add to each channel that it gives."""

_STEPS = 254
"""Between the least and the largest weight that 8 bits can hold, zero in their middle."""
_ROOM = 2.0
"""How far beyond the largest weight these lie. Processors without VNNI add products two at a time in 16 bits, in which
weights of all 8 bits overflow: the rows of lite0 then have a cosine of 0.96 to those of a processor with it. With the
half of the range rows are the same on both, bit for bit (OpenVINO 2026.4, AVX-512 with and without VNNI)."""


def measure(core: Any, model: Any, images: Pixels) -> Measured:
    """Ranges and shifts of a graph in float32 as OpenVINO has it, for images of one size (n, s, s, 3).

    Raises:
        ValueError: it has no convolution that 8 bits would make faster.
    """
    convolutions = list(_rounded(model))
    if not convolutions:
        raise ValueError("no convolution to compute in 8 bits")
    outputs = len(model.outputs)
    model.add_outputs([each.input_value(0) for each in convolutions])
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    ends = [(np.inf, -np.inf)] * len(convolutions)
    means: list[Any] = [0.0] * len(convolutions)
    for image in images:
        for i, values in enumerate(list(compiled([image[None]]).values())[outputs:]):
            ends[i] = min(ends[i][0], values.min()), max(ends[i][1], values.max())
            means[i] = means[i] + values.mean(axis=(0, 2, 3), dtype=np.float64) / len(images)
    measured: Measured = {}
    for each, limits, mean in zip(convolutions, ends, means, strict=True):
        name, weight = each.get_friendly_name(), _weight(each).astype(np.float64)
        most = _most(weight)
        rounded = np.round((weight + most) / (2 * most) * _STEPS) / _STEPS * 2 * most - most
        measured[f"{name}.range"] = np.array(limits, np.float32)
        measured[f"{name}.shift"] = ((rounded - weight).sum(axis=(2, 3)) @ mean).astype(np.float32)
    return measured


def apply(model: Any, measured: Measured, operations: Any) -> None:
    """Round in ``model``, in place, what was measured; OpenVINO then computes these convolutions in 8 bits.

    ``operations`` is a published set of them, such as ``openvino.opset13``.

    Raises:
        ValueError: it was measured on another graph.
    """
    found = {each.get_friendly_name(): each for each in _rounded(model)}
    if measured.keys() != {f"{name}.{what}" for name in found for what in ("range", "shift")}:
        raise ValueError(f"{FILE} is of another graph")
    for name, each in found.items():
        weight, shift = _weight(each), measured[f"{name}.shift"]
        if measured[f"{name}.range"].shape != (2,) or shift.shape != weight.shape[:1]:
            raise ValueError(f"{FILE} does not fit {name}")
        least, largest = _levels(*measured[f"{name}.range"].tolist())
        read, most = each.input_value(0), _most(weight)
        consumers = list(each.output(0).get_target_inputs())
        limits = [operations.constant(np.full((1, 1, 1, 1), end, np.float32)) for end in (least, largest)] * 2
        each.input(0).replace_source_output(operations.fake_quantize(read, *limits, levels=256).output(0))
        limits = [operations.constant(end.astype(np.float32)) for end in (-most, most)] * 2
        rounded = operations.fake_quantize(each.input_value(1), *limits, levels=_STEPS + 1)
        each.input(1).replace_source_output(rounded.output(0))
        centred = operations.subtract(each.output(0), operations.constant(shift.reshape(1, -1, 1, 1)))
        for consumer in consumers:
            consumer.replace_source_output(centred.output(0))


def prepare(folder: Path, hashes: dict[str, str], core: Any, model: Any, size: int) -> bool:
    """Measure ``model`` for images of ``size`` pixels and keep that in ``folder``, its hash among ``hashes`` by file.

    False, and nothing is kept, where 8 bits would make nothing faster. Raises OSError.
    """
    try:
        measured = measure(core, model, synthetic_images(size, CALIBRATED_ON))
    except ValueError:
        return False
    proof.write(folder, FILE, measured)
    hashes[FILE] = sha256(folder / FILE)
    return True


def _rounded(model: Any) -> Iterator[Any]:
    """The convolutions to compute in 8 bits, in order."""
    found = [each for each in model.get_ordered_ops() if each.get_type_name() == "Convolution"]
    for each in found[1:]:
        if each.input_value(1).get_node().get_type_name() == "Constant" and len(each.input_value(1).get_shape()) == 4:
            yield each


def _weight(convolution: Any) -> NDArray[np.float32]:
    """(out, in, height, width)"""
    return np.asarray(convolution.input_value(1).get_node().get_data(), np.float32)


def _most(weight: NDArray[Any]) -> NDArray[Any]:
    """The largest number that the weights of each channel (out, 1, 1, 1) can be rounded to."""
    most: NDArray[Any] = np.abs(weight).max(axis=(1, 2, 3), keepdims=True) * _ROOM
    return most.clip(1e-9)


def _levels(least: float, largest: float) -> tuple[float, float]:
    """The ends of 256 levels, zero among them, over a range: without a sign where nothing is negative."""
    if least >= 0:
        return 0.0, max(largest, 1e-6)
    step = max(-least / 128, largest / 127, 1e-9)
    return -128 * step, 127 * step
