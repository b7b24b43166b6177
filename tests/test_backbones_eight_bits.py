"""Convolutions in 8 bits: the rows of the network nearly, kept with a model, and refused where they do not belong."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from headstart.backbones import eight_bits, graph, proof
from headstart.backbones.runtime import LEAST_PARITY_INT8, RuntimeNote, agreement, synthetic_images
from headstart.backbones.space import NetworkSpec, SavedSpec
from headstart.cache_folder import clear
from headstart.errors import ModelError, OptionError
from headstart.files import sha256
from headstart.untrusted import read_tensors
from networks import rows, small, write_vit

LITE0 = "efficientnet_lite0"


def lite0(cache: Path, precision: str, size: int = 224) -> graph.OpenVinoRuntime:
    runtime = NetworkSpec.named(LITE0, cache=cache, device="openvino", precision=precision).prepare(size)
    assert isinstance(runtime, graph.OpenVinoRuntime)
    return runtime


@pytest.fixture(scope="module")
def folder(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network saved as it runs in 8 bits. Read only."""
    made = tmp_path_factory.mktemp("saved") / "network"
    lite0(cache, "int8").save(made)
    return made


@pytest.mark.parametrize("size", [224, 160])
def test_rows_in_8_bits_are_nearly_those_in_float32(cache: Path, size: int) -> None:
    rounded, exact = lite0(cache, "int8", size), lite0(cache, "f32", size)
    assert (rounded.name, rounded.notes) == ("openvino int8", ())
    assert rounded.key != exact.key
    images = synthetic_images(size)
    ours, theirs = rows(rounded, images), rows(exact, images)
    assert LEAST_PARITY_INT8 <= agreement({"all": ours}, {"all": theirs}) < 0.99999
    assert LEAST_PARITY_INT8 <= rounded.parity < 0.99999
    np.testing.assert_array_equal(rows(rounded, images[::-1].copy())[::-1], ours)


def test_a_shift_that_rounding_makes_is_taken_back(cache: Path, tmp_path: Path) -> None:
    """Without it the rows lie further from those in float32."""
    lite0(cache, "int8").save(tmp_path)
    measured = read_tensors(tmp_path, eight_bits.FILE)
    assert any(np.abs(measured[name]).max() > 0.01 for name in measured if name.endswith(".shift"))
    images, exact = synthetic_images(224), rows(lite0(cache, "f32"), synthetic_images(224))
    core = graph.import_openvino().Core()
    off = []
    for kept in (1.0, 0.0):
        model = graph.read_graph(tmp_path, [1, 224, 224, 3], {"last": 1280, "depths": 6192})
        shifts = {name: values * (kept if name.endswith(".shift") else 1) for name, values in measured.items()}
        eight_bits.apply(model, shifts, graph.import_openvino().opset13)
        compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        found = np.vstack([np.hstack([np.array(part) for part in compiled([each[None]]).values()]) for each in images])
        off.append(np.linalg.norm(found - exact))
    assert off[0] < 0.9 * off[1]


def test_a_saved_network_computes_as_it_was_saved(cache: Path, folder: Path) -> None:
    images = synthetic_images(224)
    opened = SavedSpec.of(folder).prepare(224)
    assert (opened.name, opened.notes) == ("openvino int8", ())
    np.testing.assert_array_equal(rows(opened, images), rows(lite0(cache, "int8"), images))
    exact = SavedSpec.of(folder, precision="f32").prepare(224)
    assert exact.name == "openvino f32"
    np.testing.assert_array_equal(rows(exact, images), rows(lite0(cache, "f32"), images))


def test_a_network_saved_in_float32_stays_so(cache: Path, tmp_path: Path) -> None:
    lite0(cache, "int8")
    lite0(cache, "f32").save(tmp_path)
    assert not (tmp_path / eight_bits.FILE).exists()
    assert SavedSpec.of(tmp_path, precision="f32").prepare(224).name == "openvino f32"
    opened = SavedSpec.of(tmp_path, precision="int8").prepare(224)  # nothing is written into a model
    assert opened.name != "openvino int8"
    assert RuntimeNote(what="no int8") in opened.notes
    assert not (tmp_path / eight_bits.FILE).exists()


@pytest.mark.parametrize("precision", ["f32", "int8"])
def test_what_is_saved_does_not_depend_on_what_else_was_measured(cache: Path, tmp_path: Path, precision: str) -> None:
    spec = NetworkSpec.named(LITE0, cache=cache, device="openvino", precision=precision)
    for name, before in (("first", ()), ("later", ("f32", "int8", "bf16"))):
        alone = replace(spec, cache=tmp_path / f"cache {name}")
        for other in before:
            replace(alone, precision=other).prepare(224)
        alone.prepare(224).save(tmp_path / name)
    files = sorted(path.name for path in (tmp_path / "first").iterdir())
    assert files == sorted(path.name for path in (tmp_path / "later").iterdir())
    assert all((tmp_path / "first" / name).read_bytes() == (tmp_path / "later" / name).read_bytes() for name in files)


def test_what_was_measured_on_another_network_is_refused(cache: Path, folder: Path, tmp_path: Path) -> None:
    other = shutil.copytree(folder, tmp_path / "other")
    proof.write(other, eight_bits.FILE, {"Convolution_1.range": np.zeros(2, np.float32)})
    with pytest.raises(ModelError, match=r"int8\.safetensors"):
        SavedSpec.of(other, device="openvino").prepare(224)
    document = json.loads((other / "graph.json").read_text())
    document["sha256"][eight_bits.FILE] = sha256(other / eight_bits.FILE)
    document["parity"] = {}
    (other / "graph.json").write_text(json.dumps(document))
    with pytest.raises(ModelError, match=r"int8\.safetensors is of another graph"):
        SavedSpec.of(other, device="openvino").prepare(224)


def test_a_network_without_convolutions_computes_as_before(tmp_path: Path) -> None:
    compiled, notes = graph.compile_graph(write_vit(tmp_path / "vit"), precision="int8", cached=True)
    assert compiled is not None
    assert compiled.precision != "int8"
    assert notes[0] == RuntimeNote(what="no int8")


def test_a_network_that_8_bits_would_spoil_is_not_rounded(cache: Path) -> None:
    """Either it keeps parity or it says by how much it strays."""
    runtime = small(cache, precision="int8")
    if runtime.precision == "int8":
        assert runtime.parity >= LEAST_PARITY_INT8
    else:
        assert runtime.notes[0].what == "strays"
        assert runtime.notes[0].parity < LEAST_PARITY_INT8


def test_only_openvino_has_8_bits(cache: Path) -> None:
    with pytest.raises(OptionError, match="expected: the device openvino"):
        small(cache, device="torch", precision="int8")


def test_clearing_the_cache_takes_it_away(tmp_path: Path) -> None:
    small(tmp_path, precision="int8")
    assert list(tmp_path.glob(f"graphs/*/{eight_bits.FILE}"))
    assert clear(tmp_path).refused == {}
    assert list(tmp_path.iterdir()) == []
