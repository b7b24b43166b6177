"""A run's name changes with everything that its weights depend on, and with nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from headstart.backbones import catalog
from headstart.backbones.weights import locate
from headstart.finetune import run_key as module
from headstart.finetune.plan import Lora, Phase, Plan
from headstart.finetune.run_key import run_key, trains_on
from headstart.images.folder import ImageSet, scan
from headstart.probe.heads import LinearHead
from pictures import write_folder

TINY = catalog.get("test_efficientnet.r160_in1k")
PLAN = Plan(size=64, phases=(Phase(epochs=2),))
TRAIN, VAL = np.arange(4), np.arange(4, 6)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    root: Path = write_folder(tmp_path_factory.mktemp("named") / "photos", {"rings": 4, "stripes": 4}, side=40)
    return scan(root)


def test_the_same_run_has_the_same_name(images: ImageSet) -> None:
    names = {run_key(TINY, locate(TINY, random=True), images, TRAIN, VAL, PLAN, seed=1) for _ in range(2)}
    assert len(names) == 1


def test_what_takes_no_part_is_not_in_it(images: ImageSet, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installing the package of LoRA changes the name of no run without LoRA."""
    with_lora = replace(PLAN, lora=Lora(rank=2, alpha=4.0))
    names = []
    for peft in ("1", "2"):
        monkeypatch.setattr(module, "version", lambda package, peft=peft: peft if package == "peft" else "1")
        names.append(
            [run_key(TINY, locate(TINY, random=True), images, TRAIN, VAL, plan, seed=1) for plan in (PLAN, with_lora)]
        )
    assert names[0][0] == names[1][0]
    assert names[0][1] != names[1][1]


def test_everything_that_matters_is_in_it(images: ImageSet, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = locate(TINY, random=True)
    probe = LinearHead(weight=np.ones((2, 2), np.float32), bias=np.zeros(2, np.float32), temperature=1.0)
    other_labels = replace(images, y=1 - images.y)
    names = [
        run_key(TINY, weights, images, TRAIN, VAL, PLAN, seed=1),
        run_key(replace(TINY, crop_pct=0.5), weights, images, TRAIN, VAL, PLAN, seed=1),
        run_key(TINY, replace(weights, sha256="0" * 64), images, TRAIN, VAL, PLAN, seed=1),
        run_key(TINY, weights, other_labels, TRAIN, VAL, PLAN, seed=1),
        run_key(TINY, weights, images, VAL, TRAIN, PLAN, seed=1),
        run_key(TINY, weights, images, np.arange(3), np.arange(3, 6), PLAN, seed=1),
        run_key(TINY, weights, images, TRAIN, VAL, replace(PLAN, balanced=True), seed=1),
        run_key(TINY, weights, images, TRAIN, VAL, PLAN, seed=2),
        run_key(TINY, weights, images, TRAIN, VAL, PLAN, seed=1, probe=probe),
        run_key(TINY, weights, images, TRAIN, VAL, PLAN, seed=1, device="cuda"),
        run_key(TINY, weights, images, TRAIN, VAL, PLAN, seed=1, precision="f32"),
    ]
    bf16 = module.computes_in_bf16()
    for target, name, changed in (
        (module, "LOOP", module.LOOP + 1),
        (module.augment, "ALGORITHM", 0),
        (module.transforms, "ALGORITHM", 0),
        (module.decode, "DECODER", "another"),
        (module, "computes_in_bf16", lambda: not bf16),
        (module, "version", lambda package: f"{package} 99"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(target, name, changed)
            names.append(run_key(TINY, weights, images, TRAIN, VAL, PLAN, seed=1))
    assert len(set(names)) == len(names) == 17


def test_where_it_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    for seen, auto in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr("torch.cuda.is_available", lambda seen=seen: seen)
        assert [trains_on(device) for device in ("auto", "openvino", "torch", "cuda", "mps")] == [
            auto, "cpu", "cpu", "cuda", "mps",
        ]  # fmt: skip
