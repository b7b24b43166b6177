"""A small model with drawn numbers, of a real network, which can be saved, loaded and exported in seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from headstart.abstain.abstention import learn_abstention
from headstart.backbones.space import Space
from headstart.deploy.model import Model
from headstart.images.transforms import Geometry
from headstart.probe.heads import LinearHead
from networks import rows, small
from pictures import draw

CLASSES = ("rings", "stripes", "blobs <&> é")
SIZE = 64


def write_model(folder: Path, cache: Path, *, output: str = "depths", geometry: Geometry | None = None) -> Path:
    """A model of three classes that has learned when not to answer; returns its folder."""
    runtime = small(cache, size=SIZE)
    rng, geometry = np.random.default_rng(0), geometry or Geometry(size=SIZE)
    pictures = np.stack([draw(kind, seed, side=SIZE) for kind in ("rings", "stripes", "blobs") for seed in range(12)])
    y, both = np.repeat(np.arange(3), 12), rows(runtime, pictures)
    last = runtime.widths["last"]
    X = both[:, :last] if output == "last" else both[:, last:]
    weight = (rng.normal(size=(X.shape[1], 3)) / X.std() / np.sqrt(X.shape[1])).astype(np.float32)
    head = LinearHead(weight=weight, bias=-(X.mean(axis=0) @ weight), temperature=0.7)
    abstention = learn_abstention(both[:, :last], y, CLASSES, proba=head.predict_proba(X))
    training = {"pictures": 36, "class_counts": dict.fromkeys(CLASSES, 12)}
    Model(
        classes=CLASSES,
        space=Space(runtime=runtime, geometry=geometry),
        output=output,
        head=head,
        backbone={"name": "test_resnet", "licence": "apache-2.0"},
        training=training,
        abstention=abstention,
    ).save(folder)
    return folder
