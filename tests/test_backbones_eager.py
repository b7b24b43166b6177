"""Torch itself as the runtime."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from headstart.backbones import catalog, weights
from headstart.backbones.runtime import LEAST_PARITY, Runtime, RuntimeNote, synthetic_images
from headstart.backbones.space import NetworkSpec, SavedSpec
from headstart.errors import MissingPackageError, OptionError

BACKBONE = catalog.get("test_resnet.r160_in1k")
WEIGHTS = weights.locate(BACKBONE, random=True)
SIZE = 64


def prepared(folder: Path, *, device: str = "torch", precision: str = "auto") -> Runtime:
    spec = NetworkSpec(backbone=BACKBONE, weights=WEIGHTS, cache=folder, device=device, precision=precision)
    return spec.prepare(SIZE)


def rows(of: Runtime, *batches: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.concatenate([part["depths"] for part in of.run(iter(batches))])


def test_torch_is_its_own_reference_and_leaves_no_graph(tmp_path: Path) -> None:
    made = prepared(tmp_path)
    assert made.name == "torch f32 cpu"
    assert made.parity > 0.999999
    assert made.notes == ()
    assert list(tmp_path.iterdir()) == []


def test_a_row_depends_on_its_picture_alone(tmp_path: Path) -> None:
    made, images = prepared(tmp_path), synthetic_images(SIZE)
    whole = rows(made, images[:4], images[4:])
    assert np.array_equal(rows(made, images[:3], images[3:4], images[4:]), whole)
    assert np.array_equal(rows(made, images[::-1][:4].copy(), images[::-1][4:].copy())[::-1], whole)


def test_bf16_keeps_parity_under_another_key(tmp_path: Path) -> None:
    half = prepared(tmp_path, precision="bf16")
    assert half.name == "torch bf16 cpu"
    assert LEAST_PARITY <= half.parity < 1
    assert half.key != prepared(tmp_path).key


def test_a_saved_torch_runtime_runs_in_openvino(tmp_path: Path) -> None:
    made = prepared(tmp_path)
    made.save(tmp_path / "model")
    reopened = SavedSpec.of(tmp_path / "model", device="openvino", precision="f32").prepare(SIZE)
    assert reopened.name == "openvino f32"
    images = synthetic_images(SIZE)[:4]
    np.testing.assert_allclose(rows(reopened, *images[:, None]), rows(made, images), rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(rows(made, images), rows(prepared(tmp_path), images))  # saving changed nothing


def test_without_openvino_torch_does_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    made = prepared(tmp_path, device="auto" if not torch.cuda.is_available() else "torch")
    assert made.name.startswith("torch f32")
    if not torch.cuda.is_available():
        assert made.notes == (RuntimeNote(what="no openvino"),)
    made.save(tmp_path / "model")
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["network.json", "network.safetensors"]
    reopened = SavedSpec.of(tmp_path / "model", device="torch").prepare(SIZE)
    images = synthetic_images(SIZE)[:4]
    assert np.array_equal(rows(reopened, images), rows(made, images))
    with pytest.raises(MissingPackageError, match="pip install openvino"):
        SavedSpec.of(tmp_path / "model", device="openvino").prepare(SIZE)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError) as caught:
        prepared(tmp_path, device="cuda")
    (problem,) = caught.value.problems
    assert problem.expected.startswith("a device torch sees: cpu")
    assert problem.found == "cuda"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_on_a_gpu_bf16_keeps_parity(tmp_path: Path) -> None:
    made = prepared(tmp_path, device="cuda")
    assert made.name == "torch bf16 cuda"
    assert made.parity >= LEAST_PARITY
