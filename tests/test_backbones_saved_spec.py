"""A saved network is the same network, wherever it is opened."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from headstart.backbones import catalog
from headstart.backbones.runtime import synthetic_images
from headstart.backbones.space import SavedSpec
from headstart.device import accelerator
from headstart.errors import ModelError, OptionError
from networks import rows, small

LITE0 = catalog.get("efficientnet_lite0")
GPU = accelerator() is not None


def test_a_saved_graph_is_the_same_runtime(cache: Path, tmp_path: Path) -> None:
    first = small(cache)
    first.save(tmp_path)
    kept = SavedSpec.of(tmp_path, device="openvino", precision="f32").prepare(64)
    assert (kept.key, kept.name, kept.widths) == (first.key, first.name, first.widths)
    images = synthetic_images(64)
    assert np.array_equal(rows(kept, images), rows(first, images))
    np.testing.assert_allclose(rows(kept.single(), images), rows(first, images), rtol=1e-4, atol=1e-4)
    with pytest.raises(ModelError, match="expected: a network for pictures of 96 pixels\n   found: 64"):
        SavedSpec.of(tmp_path).prepare(96)


def test_a_network_without_a_graph_says_so_where_openvino_is_asked_for(tmp_path: Path) -> None:
    small(tmp_path).save(tmp_path / "model")
    (tmp_path / "model" / "graph.json").unlink()
    with pytest.raises(ModelError, match=r"found: no graph\n   to do: choose the device torch"):
        SavedSpec.of(tmp_path / "model", device="openvino").prepare(64)


def test_threads_of_the_cpu_can_be_limited(tmp_path: Path) -> None:
    small(tmp_path).save(tmp_path / "model")
    limited = SavedSpec.of(tmp_path / "model", device="openvino", precision="f32", threads=1).prepare(64)
    assert limited._compiled().get_property("INFERENCE_NUM_THREADS") == 1  # type: ignore[attr-defined]
    before = torch.get_num_threads()
    try:
        SavedSpec.of(tmp_path / "model", device="torch", threads=1).prepare(64)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
    with pytest.raises(OptionError, match="expected: 1 or more\n   found: 0"):
        SavedSpec.of(tmp_path / "model", threads=0).prepare(64)
