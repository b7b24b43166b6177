from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from headstart.deploy import smaller
from headstart.deploy.export import Exported, in_onnx, in_openvino, write_openvino
from headstart.deploy.portable import open_onnx, open_openvino
from headstart.deploy.verify import golden_agreement
from pictures import scene


@pytest.fixture(scope="module")
def exported(small_onnx: Path) -> Exported:
    portable = open_onnx(small_onnx)
    return Exported(content=small_onnx.read_bytes(), manifest=portable.manifest, golden=golden_agreement(portable))


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_a_smaller_file_proves_itself_by_its_own_answers(precision: str, exported: Exported, tmp_path: Path) -> None:
    pictures = [scene(seed) for seed in range(4)]
    small = smaller.half(exported) if precision == "fp16" else smaller.int8(exported, pictures)
    (tmp_path / "small.onnx").write_bytes(small.content)
    portable = open_onnx(tmp_path / "small.onnx")
    assert portable.manifest.precision == precision
    assert golden_agreement(portable).largest < 1e-5
    first = golden_agreement(open_onnx(tmp_path / "small.onnx"))
    assert 0 < small.golden.largest < (0.02 if precision == "fp16" else 0.5)
    assert first.holds


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_it_stays_small_in_openvino_and_answers_there_as_it_was_proven(
    precision: str, exported: Exported, tmp_path: Path
) -> None:
    write_openvino(exported, tmp_path / "f32.xml")
    pictures = [scene(seed) for seed in range(4)]
    small = (
        smaller.half(exported, in_openvino) if precision == "fp16" else smaller.int8(exported, pictures, in_openvino)
    )
    write_openvino(small, tmp_path / "small.xml")
    there = golden_agreement(open_openvino(tmp_path / "small.xml"))
    assert there.largest < 1e-5
    assert golden_agreement(in_onnx(small)).holds  # in 8 bits another runtime answers a little otherwise
    assert (tmp_path / "small.bin").stat().st_size < 0.7 * (tmp_path / "f32.bin").stat().st_size


def test_half_precision_changes_the_network_alone_and_takes_half_its_room(exported: Exported) -> None:
    small = smaller.half(exported)
    before, after = (
        {each.name: onnx.numpy_helper.to_array(each) for each in onnx.load_from_string(content).graph.initializer}
        for content in (exported.content, small.content)
    )
    own = [name for name in before if not name.startswith("network/")]
    for name in own:
        np.testing.assert_array_equal(after[name], before[name])
    size = {True: 0, False: 0}
    for values, narrow in ((before, False), (after, True)):
        size[narrow] = sum(array.nbytes for name, array in values.items() if name.startswith("network/"))
    assert size[True] < 0.55 * size[False]
