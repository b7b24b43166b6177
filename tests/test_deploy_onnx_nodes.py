from __future__ import annotations

import builtins
from typing import Any

import numpy as np
import onnx
import pytest

from headstart.deploy.onnx_nodes import Nodes, import_onnx
from headstart.errors import MissingPackageError


def test_values_have_names_of_their_own_and_constants_keep_type_and_rank() -> None:
    nodes = Nodes("part")
    total = nodes.add("Add", nodes.number(1.5), nodes.number(2.0))
    nodes.add("Neg", total, output="result")
    assert [node.output[0] for node in nodes.nodes] == ["part/add_0", "result"]
    values = [onnx.numpy_helper.to_array(each) for each in nodes.initializers]
    assert [value.item() for value in values] == [1.5, 2.0]
    assert {(value.dtype, value.ndim) for value in values} == {(np.dtype(np.float64), 0)}


def test_without_onnx_the_error_has_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **named: Any) -> Any:
        if name.partition(".")[0] == "onnx":
            raise ImportError(name)
        return real(name, *args, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingPackageError, match=r'pip install "headstart\[onnx\]"'):
        import_onnx()
