from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from torch import nn

from headstart.backbones import catalog, conversion, network
from headstart.backbones.feature_maps import PooledMap, open_maps
from headstart.backbones.runtime import synthetic_images
from headstart.backbones.split import TunedNetwork, split
from headstart.backbones.weights import locate
from headstart.classifier import ImageClassifier


@pytest.mark.parametrize("statistic", ["mean", "max", "std"])
def test_the_parts_of_a_pooled_number_have_it_as_their_mean(statistic: str) -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(5, 4, 6)).astype(np.float32)
    weight = rng.normal(size=5)
    flat = x.reshape(5, -1).astype(np.float64)
    row = {"mean": flat.mean(1), "max": flat.max(1), "std": flat.std(1)}[statistic]
    parts = PooledMap(statistic=statistic, positions=x).parts(weight)  # type: ignore[arg-type]
    assert parts.shape == (4, 6)
    assert parts.mean() == pytest.approx(weight @ row, abs=1e-9)


def test_a_maximum_belongs_to_the_place_where_it_is_reached() -> None:
    x = np.zeros((1, 3, 3), np.float32)
    x[0, 2, 1] = 4.0
    parts = PooledMap(statistic="max", positions=x).parts(np.array([0.5]))
    assert np.flatnonzero(parts).tolist() == [7]


@pytest.mark.parametrize(("output", "stretches"), [("last", 1), ("depths", 24)])
def test_a_saved_graph_gives_its_rows_and_what_they_were_pooled_from(
    fitted: ImageClassifier, tmp_path: Path, output: str, stretches: int
) -> None:
    fitted.model_.space.runtime.save(tmp_path)
    maps = open_maps(tmp_path, output, size=224)
    assert maps is not None
    rows, pooled = maps.run(synthetic_images(224, 1)[0])
    assert len(pooled) == stretches
    weight = np.random.default_rng(0).normal(size=len(rows[output]))
    ends = np.cumsum([len(one.positions) for one in pooled])
    parts = [one.parts(part) for one, part in zip(pooled, np.split(weight, ends[:-1]), strict=True)]
    assert ends[-1] == len(weight)
    assert sum(float(part.mean()) for part in parts) == pytest.approx(float(weight @ rows[output]), abs=1e-3)


def test_the_graph_that_extracts_features_stays_as_it_was(fitted: ImageClassifier, tmp_path: Path) -> None:
    fitted.model_.space.runtime.save(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    open_maps(tmp_path, "last", size=224)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert set(fitted.model_.space.runtime.widths) == {"last", "depths"}


def test_without_a_graph_there_are_no_maps(tmp_path: Path) -> None:
    assert open_maps(tmp_path, "last", size=224) is None


@pytest.mark.parametrize(("body", "exact"), [(nn.Dropout(), True), (nn.ReLU(), False)])
def test_a_fine_tuned_row_is_taken_apart_only_where_nothing_follows_the_pooling(
    tmp_path: Path, body: nn.Module, exact: bool
) -> None:
    backbone = catalog.get("test_efficientnet.r160_in1k")
    model = network.build(backbone, locate(backbone, random=True), size=64)
    parts = split(model, "blocks.4")
    tuned = TunedNetwork(backbone, parts, pretrained=parts.suffix, body=nn.Sequential(body), size=64)
    conversion.write(tuned, {"size": 64}, tmp_path)
    maps = open_maps(tmp_path, "tuned", size=64)
    assert (maps is not None) == exact
    if maps is not None:
        rows, pooled = maps.run(synthetic_images(64, 1)[0])
        assert pooled[0].positions.mean((1, 2)) == pytest.approx(rows["tuned"], abs=1e-4)
