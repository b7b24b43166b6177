from __future__ import annotations

import multiprocessing
import pickle
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart.backbones import catalog
from headstart.backbones.space import NetworkSpec, SpaceSpec
from headstart.backbones.weights import locate
from headstart.features.extract import extract
from headstart.images.transforms import View


def spec_in(cache: Path) -> SpaceSpec:
    backbone = catalog.get("efficientnet_lite0")
    return NetworkSpec(backbone=backbone, weights=locate(backbone), cache=cache).at(224)


def rows_of(spec: SpaceSpec, paths: list[Path]) -> NDArray[np.float32]:
    rows = [rows for _, rows in extract(paths, spec.open())]
    return np.stack([row[View.CENTRE]["last"] for row in rows if not isinstance(row, str)])


def test_another_process_opens_the_same_space(cache: Path, photos: Path) -> None:
    paths, spec = sorted(photos.rglob("*.jpeg"))[:20], spec_in(cache)
    assert pickle.loads(pickle.dumps(spec)) == spec
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        elsewhere = pool.apply(rows_of, (spec, paths))
    assert np.array_equal(elsewhere, rows_of(spec, paths))
