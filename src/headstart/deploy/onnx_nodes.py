"""Operations of ONNX, one after the other, from which a graph is made."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from headstart.errors import MissingPackageError

OPSET = 17
"""Of ONNX's own operators. The oldest with all that is used, so that old runtimes can read it."""
IR_VERSION = 8
"""Of the file format, the one that came with `OPSET`."""


def import_onnx() -> Any:
    """The ``onnx`` module. Raises MissingPackageError."""
    try:
        import onnx
        import onnx.compose
    except ImportError as error:
        raise MissingPackageError("onnx", "an ONNX file", 'pip install "headstart[onnx]"') from error
    return onnx


def import_onnxruntime() -> Any:
    """The ``onnxruntime`` module, unable to report its use to anyone. Raises MissingPackageError.

    From version 1.29 on it writes an identifier of the machine to the disk and sends what it runs to its makers, by
    default, without asking, and from its first import on: what forbids it must be there before.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingPackageError("onnxruntime", "an ONNX file", 'pip install "headstart[onnx]"') from error
    onnxruntime.disable_telemetry_events()  # on Windows, where the system collects them
    return onnxruntime


class Nodes:
    """Operations and constants in the order they were added, under names that begin with ``prefix``."""

    def __init__(self, prefix: str) -> None:
        self._onnx, self._prefix = import_onnx(), prefix
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []

    def constant(self, value: ArrayLike, dtype: DTypeLike) -> str:
        """The name of a constant array."""
        name = f"{self._prefix}/constant_{len(self.initializers)}"
        self.initializers.append(self._onnx.numpy_helper.from_array(np.asarray(value, dtype, order="C"), name))
        return name

    def number(self, value: float) -> str:
        """The name of a number in double precision."""
        return self.constant(value, np.float64)

    def integers(self, *values: int) -> str:
        """The name of a list of whole numbers."""
        return self.constant(values, np.int64)

    def add(self, operator: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Add an operation; the name of its value, ``output`` if given."""
        name = f"{self._prefix}/{operator.lower()}_{len(self.nodes)}"
        node = self._onnx.helper.make_node(operator, inputs, [output or name], name=name, **attributes)
        self.nodes.append(node)
        return output or name

    def cast(self, value: str, dtype: DTypeLike) -> str:
        """The same values in another type."""
        return self.add("Cast", value, to=self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def part(self, vector: str, *positions: int) -> str:
        """These entries of a vector; of a single position it is a number."""
        index = self.constant(positions[0], np.int64) if len(positions) == 1 else self.integers(*positions)
        return self.add("Gather", vector, index)

    def stacked(self, numbers: Sequence[str]) -> str:
        """A vector of numbers."""
        axis = self.integers(0)
        return self.add("Concat", *(self.add("Unsqueeze", number, axis) for number in numbers), axis=0)
