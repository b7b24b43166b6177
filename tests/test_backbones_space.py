from __future__ import annotations

import json
import multiprocessing
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from headstart.backbones import catalog, graph, network
from headstart.backbones.space import NetworkSpec, SavedSpec, SpaceSpec, opened
from headstart.backbones.split import split
from headstart.backbones.tuned import TunedNetwork
from headstart.backbones.weights import locate
from headstart.errors import ModelError
from headstart.features.extract import extract
from headstart.images.transforms import Geometry, View


def spec_in(cache: Path) -> SpaceSpec:
    backbone = catalog.get("efficientnet_lite0")
    return NetworkSpec(backbone=backbone, weights=locate(backbone), cache=cache).at(224)


def rows_of(spec: SpaceSpec, paths: list[Path], output: str = "last") -> NDArray[np.float32]:
    rows = [rows for _, rows in extract(paths, spec)]
    return np.stack([row[View.CENTRE][output] for row in rows if not isinstance(row, str)])


def test_another_process_opens_the_same_space(cache: Path, photos: Path) -> None:
    paths, spec = sorted(photos.rglob("*.jpeg"))[:20], spec_in(cache)
    assert pickle.loads(pickle.dumps(spec)) == spec
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        elsewhere = pool.apply(rows_of, (spec, paths))
    assert np.array_equal(elsewhere, rows_of(spec, paths))


@pytest.fixture
def tuned(tmp_path: Path) -> Path:
    """A fine-tuned network and its graph, as a model directory holds them."""
    backbone = catalog.get("test_efficientnet.r160_in1k")
    before, after = (network.build(backbone, locate(backbone, random=True), size=64) for _ in range(2))
    cut = split(after, "blocks.4")
    with torch.no_grad():
        for name in cut.trained:
            after.get_parameter(name).mul_(1.5)
    made = TunedNetwork(backbone, cut, pretrained=split(before, "blocks.4").suffix, body=nn.Sequential(), size=64)
    graph.write(made, {"size": 64}, tmp_path)
    return tmp_path


@pytest.mark.parametrize("device", ["openvino", "torch"])
def test_another_process_opens_the_space_of_a_fine_tuned_network(tuned: Path, photos: Path, device: str) -> None:
    paths = sorted(photos.rglob("*.jpeg"))[:20]
    spec = SpaceSpec(network=SavedSpec.of(tuned, device=device), geometry=Geometry(size=64, mode="squash"))
    assert pickle.loads(pickle.dumps(spec)) == spec
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        elsewhere = pool.apply(rows_of, (spec, paths, "tuned"))
    assert np.array_equal(elsewhere, rows_of(spec, paths, "tuned"))
    assert spec.size == 64


def test_a_spec_is_opened_once_in_a_process(tuned: Path) -> None:
    spec = SpaceSpec(network=SavedSpec.of(tuned), geometry=Geometry(size=64))
    assert opened(spec) is opened(pickle.loads(pickle.dumps(spec)))
    assert opened(opened(spec)) is opened(spec)


def test_a_network_that_was_replaced_is_not_opened_under_the_old_spec(tuned: Path) -> None:
    spec = SpaceSpec(network=SavedSpec.of(tuned), geometry=Geometry(size=64))
    document = json.loads((tuned / "network.json").read_text())
    (tuned / "network.json").write_text(json.dumps({**document, "mean": [0.0, 0.0, 0.0]}))
    with pytest.raises(ModelError, match="open the model again: it was replaced"):
        spec.open()
    with pytest.raises(ModelError, match="expected: a network for pictures of 32 pixels"):
        SpaceSpec(network=SavedSpec.of(tuned), geometry=Geometry(size=32)).open()
