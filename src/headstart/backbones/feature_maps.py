"""What the rows of a saved graph were pooled from: the maps, which say where in the picture a number came from.

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

from headstart.backbones import graph
from headstart.backbones.runtime import Rows

Statistic = Literal["mean", "max", "std"]

_SHAPE_ONLY = frozenset({"Convert", "Reshape", "Squeeze", "Unsqueeze"})
_VARIANCE = ("Add", "ReduceMean", "Power", "Subtract")
"""What lies between the square root of a standard deviation and the map, see `network.FrozenNetwork`."""


@dataclass(frozen=True, kw_only=True)
class PooledMap:
    """A stretch of a row and the map it was pooled from."""

    statistic: Statistic
    positions: NDArray[np.float32]
    """(channels, height, width)."""

    def parts(self, weight: NDArray[np.float64]) -> NDArray[np.float64]:
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


class MapGraph:
    """A copy of a saved graph that gives, besides its rows, the maps that one of them was pooled from.

    It computes in float32, one picture at a time.
    """

    def __init__(self, folder: Path, output: str, *, size: int) -> None:
        core = graph.import_openvino().Core()
        model = core.read_model(folder / "graph.xml")
        model.reshape([1, size, size, 3])
        self._names = [output.get_any_name() for output in model.outputs]
        pools = _pools(model.output(output).get_node().input_value(0))
        self.found = bool(pools)
        """Whether the row is pooled from maps in a way that can be taken apart."""
        sources: dict[tuple[str, int], Any] = {}  # mean, maximum and deviation are taken of one map
        self._pools: list[tuple[Statistic, int, bool]] = []
        for statistic, source, channels_last in pools:
            key = source.get_node().get_name(), source.get_index()
            sources.setdefault(key, source)
            self._pools.append((statistic, list(sources).index(key), channels_last))
        if sources:
            model.add_outputs(list(sources.values()))
        self._compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def run(self, image: NDArray[np.uint8]) -> tuple[Rows, list[PooledMap]]:
        """The rows (d,) of a decoded image (size, size, 3), and the maps in the order of the row they make up."""
        request = self._compiled.create_infer_request()  # its own, so that several threads may run the graph
        request.infer({0: image[None]})
        values = [
            np.array(request.get_output_tensor(i).data[0], np.float32) for i in range(len(self._compiled.outputs))
        ]
        rows, maps = values[: len(self._names)], values[len(self._names) :]
        pooled = [
            PooledMap(statistic=statistic, positions=_laid_out(maps[i], channels_last))
            for statistic, i, channels_last in self._pools
        ]
        return dict(zip(self._names, rows, strict=True)), pooled


def open_maps(folder: Path, output: str, *, size: int) -> MapGraph | None:
    """The maps behind the row ``output`` of a model's graph; None where they cannot be told apart.

    That is so where the model holds no graph (it was saved without OpenVINO), and where something other than pooling
    stands between the last map and the row: a class token, a normalisation, a dense layer.
    """
    if not (graph.available() and (folder / "graph.xml").is_file()):
        return None
    maps = MapGraph(folder, output, size=size)
    return maps if maps.found else None


def _laid_out(value: NDArray[np.float32], channels_last: bool) -> NDArray[np.float32]:
    """A map as (channels, height, width), whichever way it lies; flattened positions are those of a square."""
    if channels_last:
        value = np.moveaxis(value, -1, 0)
    if value.ndim == 3:
        return value
    side = math.isqrt(value.shape[1])
    return value.reshape(value.shape[0], side, side)


def _pools(source: Any) -> list[tuple[Statistic, Any, bool]]:
    """Statistic, map and whether its channels come last, for each stretch of the row that ``source`` gives.

    Empty unless every stretch is understood.
    """
    node = _behind_shapes(source)
    parts = (
        [node.input_value(i) for i in range(node.get_input_size())] if node.get_type_name() == "Concat" else [source]
    )
    pools = [_pool(part) for part in parts]
    return [pool for pool in pools if pool] if all(pools) else []


def _behind_shapes(source: Any) -> Any:
    """The first operation behind ``source`` that does more than change a shape."""
    node = source.get_node()
    while node.get_type_name() in _SHAPE_ONLY:
        node = node.input_value(0).get_node()
    return node


def _pool(source: Any) -> tuple[Statistic, Any, bool] | None:
    node = _behind_shapes(source)
    kind = node.get_type_name()
    statistic: Statistic
    if kind == "Sqrt":
        for expected in _VARIANCE:
            node = node.input_value(0).get_node()
            if node.get_type_name() != expected:
                return None
        statistic, pooling, value = "std", _behind_shapes(node.input_value(1)), node.input_value(0)
        if pooling.get_type_name() != "ReduceMean":
            return None
    elif kind in ("ReduceMean", "ReduceMax"):
        statistic, pooling, value = ("mean" if kind == "ReduceMean" else "max"), node, node.input_value(0)
    else:
        return None
    return _checked(statistic, pooling, value)


def _checked(statistic: Statistic, pooling: Any, value: Any) -> tuple[Statistic, Any, bool] | None:
    """Only pooling over all positions of a square picture's map will do."""
    constant = pooling.input_value(1).get_node()
    shape = value.get_partial_shape()
    if constant.get_type_name() != "Constant" or shape.is_dynamic:
        return None
    rank = len(shape)
    axes = tuple(sorted(int(axis) % rank for axis in np.atleast_1d(constant.get_data())))
    if (rank, axes) == (4, (2, 3)) or ((rank, axes) == (3, (2,)) and _square(shape[2].get_length())):
        return statistic, value, False
    if (rank, axes) == (4, (1, 2)) or ((rank, axes) == (3, (1,)) and _square(shape[1].get_length())):
        return statistic, value, True
    return None


def _square(count: int) -> bool:
    return math.isqrt(count) ** 2 == count
