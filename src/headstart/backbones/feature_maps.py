"""The maps that the rows of a saved graph were pooled from: they say where in the image a number came from.

Nothing is kept for this. A graph holds its maps on the way to its rows; here the operations that pool them are found
by walking back from the rows, and the maps are read out of a copy of the graph. The graph that extracts features
stays as it is, and no torch is needed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from headstart.arrays import Floats, Pixels
from headstart.backbones import graph, graph_folder
from headstart.backbones.runtime import Outputs

Statistic = Literal["mean", "max", "std"]

_SHAPE_ONLY = frozenset({"Convert", "Reshape", "Squeeze", "Unsqueeze"})
_STATISTICS: dict[str, Statistic] = {"ReduceMean": "mean", "ReduceMax": "max", "Sqrt": "std"}
_CHANNELS_LAST = {(4, (2, 3)): False, (3, (2,)): False, (4, (1, 2)): True, (3, (1,)): True}
"""By the number of axes of a map, and those that are pooled over."""
_VARIANCE = ("Add", "ReduceMean", "Power", "Subtract")
"""What lies between the square root of a standard deviation and the map, see `network.FrozenNetwork`."""


@dataclass(frozen=True, kw_only=True)
class PooledMap:
    """A stretch of a row and the map it was pooled from."""

    statistic: Statistic
    positions: NDArray[np.float32]
    """(channels, height, width)."""

    def parts(self, weight: Floats) -> Floats:
        """What each position contributes to ``weight`` (channels,) · row: (height, width), and the mean is that number.

        A mean is shared out as it is; a maximum comes from the one place where it is reached; a standard deviation σ
        is the mean of ``((x − μ)² + ε) / σ``.
        """
        channels, height, width = self.positions.shape
        x = self.positions.reshape(channels, -1).astype(np.float64)
        count = x.shape[1]
        if self.statistic == "mean":
            return (weight @ x).reshape(height, width)
        if self.statistic == "max":
            parts = np.bincount(x.argmax(axis=1), weights=weight * x.max(axis=1) * count, minlength=count)
            return np.asarray(parts, np.float64).reshape(height, width)
        squares = (x - x.mean(axis=1, keepdims=True)) ** 2 + 1e-12
        return np.asarray((weight / np.sqrt(squares.mean(axis=1))) @ squares, np.float64).reshape(height, width)


@dataclass(frozen=True, kw_only=True)
class MapGraph:
    """A copy of a saved graph that gives, besides its rows, the maps that one of them was pooled from.

    It computes in float32, one image at a time.
    """

    compiled: Any
    names: list[str]
    """Of the rows, which are the first outputs; the maps follow."""
    pools: list[tuple[Statistic, int, bool]]
    """For each stretch of the row how it was pooled, which of the maps, and whether its channels come last."""

    def run(self, image: Pixels) -> tuple[Outputs, list[PooledMap]]:
        """The rows (d,) of a decoded image (size, size, 3), and the maps in the order of the row they make up."""
        request = self.compiled.create_infer_request()  # its own, so that several threads may run the graph
        request.infer({0: image[None]})
        values = [np.array(request.get_output_tensor(i).data[0], np.float32) for i in range(len(self.compiled.outputs))]
        rows, maps = values[: len(self.names)], values[len(self.names) :]
        pooled = [
            PooledMap(statistic=statistic, positions=_laid_out(maps[i], channels_last))
            for statistic, i, channels_last in self.pools
        ]
        return dict(zip(self.names, rows, strict=True)), pooled


def open_maps(folder: Path, output: str, *, size: int) -> MapGraph | None:
    """The maps behind the row ``output`` of a model's graph; None where they cannot be told apart.

    That is so where the model holds no graph (it was saved without OpenVINO), and where something other than pooling
    stands between the last map and the row: a class token, a normalisation, a dense layer.
    """
    if not (graph.available() and (folder / "graph.xml").is_file()):
        return None
    model = graph.read_graph(folder, [1, size, size, 3], graph_folder.describe(folder)["widths"])
    names = [row.get_any_name() for row in model.outputs]
    source = model.output(output).get_node().input_value(0)
    node = _behind_shapes(source)
    stretches = node.input_values() if node.get_type_name() == "Concat" else [source]
    pools = [pool for pool in map(_pool, stretches) if pool is not None]
    if len(pools) < len(stretches):
        return None
    maps = list(dict.fromkeys(value for _, value, _ in pools))  # mean, maximum, deviation share one
    model.add_outputs(maps)
    of_map = [(statistic, maps.index(value), channels_last) for statistic, value, channels_last in pools]
    compiled = graph.import_openvino().Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return MapGraph(compiled=compiled, names=names, pools=of_map)


def _laid_out(value: NDArray[np.float32], channels_last: bool) -> NDArray[np.float32]:
    """A map as (channels, height, width), whichever way it lies; flattened positions are those of a square."""
    if channels_last:
        value = np.moveaxis(value, -1, 0)
    if value.ndim == 3:
        return value
    side = math.isqrt(value.shape[1])
    return value.reshape(value.shape[0], side, side)


def _behind_shapes(source: Any) -> Any:
    """The first operation behind ``source`` that does more than change a shape."""
    node = source.get_node()
    while node.get_type_name() in _SHAPE_ONLY:
        node = node.input_value(0).get_node()
    return node


def _pool(source: Any) -> tuple[Statistic, Any, bool] | None:
    """Statistic, map and whether its channels come last, for a stretch of a row.

    None where something else than pooling over all positions of a square image's map makes it.
    """
    pooling = _behind_shapes(source)
    statistic = _STATISTICS.get(pooling.get_type_name())
    if statistic is None:
        return None
    if statistic == "std":
        difference = pooling
        for expected in _VARIANCE:
            difference = difference.input_value(0).get_node()
            if difference.get_type_name() != expected:
                return None
        value, pooling = difference.input_value(0), _behind_shapes(difference.input_value(1))
        if pooling.get_type_name() != "ReduceMean":
            return None
    else:
        value = pooling.input_value(0)
    over, shape = pooling.input_value(1).get_node(), value.get_partial_shape()
    if over.get_type_name() != "Constant" or shape.is_dynamic:
        return None
    axes = tuple(sorted(int(axis) % len(shape) for axis in np.atleast_1d(over.get_data())))
    channels_last = _CHANNELS_LAST.get((len(shape), axes))
    if channels_last is None or (len(axes) == 1 and math.isqrt(count := shape[axes[0]].get_length()) ** 2 != count):
        return None
    return statistic, value, channels_last
