"""Whether the file of an OpenVINO graph holds a network and nothing else, before OpenVINO is given it.

The format is XML beside a file of numbers (docs.openvino.ai, "OpenVINO IR format"). Of what it allows, networks need
operations of the published sets; graphs within graphs, operations of extensions and XML's entities are refused.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any
from xml.parsers import expat

MOST_XML = 64 << 20
"""Bytes. Chosen: the deepest networks of timm have some 5 MB."""
_OPERATIONS = re.compile(r"opset\d{1,2}")
_WITHIN = frozenset({"If", "Loop", "TensorIterator"})
_BYTES = {
    "f64": 8, "f32": 4, "f16": 2, "bf16": 2, "i64": 8, "i32": 4, "i16": 2, "i8": 1,
    "u64": 8, "u32": 4, "u16": 2, "u8": 1, "boolean": 1,
}  # fmt: skip
"""Of a number, by the type of a constant."""


def check(xml: Path, numbers: Path) -> None:
    """Look through a graph's XML; ``numbers`` is the file that its constants lie in.

    Raises:
        ValueError: no XML; entities; an operation that is of no published set or holds a graph of its own; a constant
            that does not lie in the file, or has another size than its shape.
    """
    parser = expat.ParserCreate()
    parser.StartElementHandler = _Elements(numbers.stat().st_size)
    parser.StartDoctypeDeclHandler = _refuse
    try:
        with xml.open("rb") as file:
            parser.ParseFile(file)
    except expat.ExpatError as error:
        raise ValueError(f"no XML: {error}") from error


class _Elements:
    """Looks at each element as it begins."""

    def __init__(self, size: int) -> None:
        self._size, self._layer = size, ""

    def __call__(self, name: str, attributes: dict[str, str]) -> None:
        if name == "layer":
            self._layer = attributes.get("type", "")
            if self._layer in _WITHIN or not _OPERATIONS.fullmatch(attributes.get("version", "")):
                raise ValueError(f"the operation {self._layer} of {attributes.get('version')}")
        elif name == "data" and self._layer == "Const":
            offset, size = int(attributes.get("offset", -1)), int(attributes.get("size", -1))
            shape = [int(side) for side in attributes.get("shape", "").split(",") if side]
            expected = math.prod(shape) * _BYTES.get(attributes.get("element_type", ""), 0)
            if min(offset, size, *shape, 0) < 0 or size != expected or offset + size > self._size:
                raise ValueError(f"a constant that is not in {self._size} bytes: {attributes}")


def _refuse(*_: Any) -> None:
    raise ValueError("a document type, which a graph does not need")
