"""A file that comes from anywhere can at worst be refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from headstart.deploy import onnx_file
from headstart.deploy.manifest import Manifest
from headstart.deploy.portable import open_onnx
from headstart.errors import ModelError

helper = onnx.helper


def another_file(model: Any) -> None:
    tensor = model.graph.initializer[0]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")


def another_file_in_an_attribute(model: Any) -> None:
    tensor = onnx.TensorProto(name="t", data_type=1, dims=[1], data_location=onnx.TensorProto.EXTERNAL)
    model.graph.node.add(op_type="Constant", output=["t"]).attribute.append(helper.make_attribute("value", tensor))


def a_loop(model: Any) -> None:
    model.graph.node.add(op_type="Loop", output=["l"])


def a_graph_within(model: Any) -> None:
    node = model.graph.node.add(op_type="Identity", output=["i"])
    node.attribute.append(helper.make_attribute("body", helper.make_graph([], "g", [], [])))


def another_domain(model: Any) -> None:
    model.graph.node.add(op_type="Read", domain="com.example", output=["r"])


def another_set_of_operators(model: Any) -> None:
    model.opset_import.append(helper.make_opsetid("com.example", 1))


def a_function(model: Any) -> None:
    model.functions.append(helper.make_function("x", "f", [], [], [], []))


def another_input(model: Any) -> None:
    model.graph.input[0].name = "pixels"


def no_manifest(model: Any) -> None:
    del model.metadata_props[:]


def a_manifest_of_something_else(model: Any) -> None:
    model.metadata_props[0].value = '{"format": 1}'


def a_manifest_that_is_no_json(model: Any) -> None:
    model.metadata_props[0].value = "[" * 100_000


def a_tensor_without_numbers(model: Any) -> None:
    model.graph.initializer[0].dims[:] = [1 << 40]


def more_memory_than_there_is(model: Any) -> None:
    """Every picture asks for a petabyte."""
    shape = onnx.numpy_helper.from_array(np.array([1 << 24, 1 << 24]), "huge")
    model.graph.initializer.append(shape)
    model.graph.node.insert(0, helper.make_node("ConstantOfShape", ["huge"], ["vast"]))
    model.graph.node.insert(1, helper.make_node("ReduceSum", ["vast"], ["sum"], keepdims=0))
    last = next(node for node in model.graph.node if node.output[0] == "logits")
    last.output[0] = "almost"
    model.graph.node.append(helper.make_node("Add", ["almost", "sum"], ["logits"]))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (another_file, "which lies in another file"),
        (another_file_in_an_attribute, "which lies in another file"),
        (a_loop, "the operation  Loop"),
        (a_graph_within, "a graph or a sparse tensor in the operation Identity"),
        (another_domain, "the operation com.example Read"),
        (another_set_of_operators, "other operations than ONNX's own"),
        (a_function, "other operations than ONNX's own"),
        (another_input, "other inputs or outputs"),
        (no_manifest, "no manifest"),
        (a_manifest_of_something_else, "classes: a value"),
        (a_manifest_that_is_no_json, "nested too deep"),
        (a_tensor_without_numbers, "to do: export the model again"),
        (more_memory_than_there_is, "to do: export the model again"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_what_no_model_needs_is_refused(
    damage: Callable[[Any], None], said: str, small_onnx: Path, tmp_path: Path
) -> None:
    model = onnx.load(small_onnx)
    damage(model)
    (tmp_path / "it.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match=said):
        list(open_onnx(tmp_path / "it.onnx").answers([np.zeros((4, 4, 3), np.uint8)]))


@pytest.mark.parametrize("content", [b"", b"\0" * 64, b"headstart export", b"\x08\x08\x12\xff\xff\xff\xff\x0f"])
def test_what_is_no_onnx_file_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "it.onnx").write_bytes(content)
    with pytest.raises(ModelError, match="no model that headstart exported, or is damaged"):
        onnx_file.read(tmp_path / "it.onnx")


def test_a_cut_file_and_one_that_is_not_there_are_refused(small_onnx: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.onnx").write_bytes(small_onnx.read_bytes()[:-50_000])
    (tmp_path / "link.onnx").symlink_to("/dev/zero")
    for name in ("cut.onnx", "link.onnx", "missing.onnx"):
        with pytest.raises(ModelError):
            onnx_file.read(tmp_path / name)


def test_what_was_exported_is_read(small_onnx: Path) -> None:
    content, manifest = onnx_file.read(small_onnx)
    assert content == small_onnx.read_bytes()
    assert isinstance(manifest, Manifest)
