"""A job's key changes with everything that its weights depend on, and with nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headstart import device
from headstart.backbones import catalog
from headstart.backbones.space import NetworkSpec
from headstart.backbones.weights import locate
from headstart.finetune import job as module
from headstart.finetune.job import Job
from headstart.finetune.plan import Lora, Phase, Plan
from headstart.images.folder import ImageSet, scan
from headstart.images.grey_levels import Levels
from headstart.probe.heads import LinearHead
from pictures import write_folder

TINY = catalog.get("test_efficientnet.r160_in1k")
PLAN = Plan(size=64, phases=(Phase(epochs=2),))
TRAIN, VAL = np.arange(4), np.arange(4, 6)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    root: Path = write_folder(tmp_path_factory.mktemp("named") / "photos", {"rings": 4, "stripes": 4}, side=40)
    return scan(root)


def job_of(images: ImageSet, **changed: Any) -> Job:
    """Options of the network and of the job, where they differ."""
    network = {"backbone": TINY, "weights": locate(TINY, random=True), "cache": Path("nowhere")}
    network |= {name: changed.pop(name) for name in ("backbone", "weights", "device", "precision") if name in changed}
    return Job(**{"network": NetworkSpec(**network), "images": images, "train": TRAIN, "val": VAL, **changed})


def key(images: ImageSet, **changed: Any) -> str:
    return job_of(images, **{"plan": PLAN, "seed": 1, **changed}).key()


def test_the_same_job_has_the_same_key(images: ImageSet) -> None:
    assert key(images) == key(images)


def test_levels_of_deep_pictures_are_in_it(images: ImageSet) -> None:
    keys = {key(replace(images, levels=white and Levels(integers=(0.0, white)))) for white in (None, 1023.0, 4095.0)}
    assert len(keys) == 3


def test_what_takes_no_part_is_not_in_it(images: ImageSet, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installing the package of LoRA changes the key of no job without LoRA."""
    with_lora = replace(PLAN, lora=Lora(rank=2, alpha=4.0))
    keys = []
    for peft in ("1", "2"):
        monkeypatch.setattr(module, "version", lambda package, peft=peft: peft if package == "peft" else "1")
        keys.append([key(images, plan=plan) for plan in (PLAN, with_lora)])
    assert keys[0][0] == keys[1][0]
    assert keys[0][1] != keys[1][1]


def test_everything_that_matters_is_in_it(images: ImageSet, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = locate(TINY, random=True)
    probe = LinearHead(weight=np.ones((2, 2), np.float32), bias=np.zeros(2, np.float32), temperature=1.0)
    keys = [
        key(images),
        key(images, backbone=replace(TINY, crop_pct=0.5)),
        key(images, weights=replace(weights, sha256="0" * 64)),
        key(replace(images, y=1 - images.y)),
        key(images, train=VAL, val=TRAIN),
        key(images, train=np.arange(3), val=np.arange(3, 6)),
        key(images, plan=replace(PLAN, balanced=True)),
        key(images, seed=2),
        key(images, probe=probe),
        key(images, device="cuda"),
        key(images, precision="f32"),
    ]
    bf16 = module.computes_in_bf16()
    for target, name, changed in (
        (module, "LOOP", module.LOOP + 1),
        (module.transforms, "VARIED_ALGORITHM", 0),
        (module.transforms, "ALGORITHM", 0),
        (module.decode, "DECODER", "another"),
        (module, "computes_in_bf16", lambda: not bf16),
        (module, "version", lambda package: f"{package} 99"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(target, name, changed)
            keys.append(key(images))
    assert len(set(keys)) == len(keys) == 17


def test_where_it_trains_is_in_it(images: ImageSet, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = []
    for seen in (None, "cuda", "mps"):
        monkeypatch.setattr(device, "accelerator", lambda seen=seen: seen)
        keys.append(key(images, device="auto"))
    assert len(set(keys)) == 3


def test_the_precision_of_what_learns_is_one_property_on_every_device(images: ImageSet) -> None:
    def evaluates_in(**options: Any) -> str:
        return job_of(images, plan=PLAN, **options).evaluates_in

    precisions = ("auto", "bf16", "f32")
    assert [evaluates_in(device="cuda", precision=word) for word in precisions] == ["bf16", "bf16", "f32"]
    assert {evaluates_in(device=where, precision=word) for where in ("torch", "mps") for word in precisions} == {"f32"}
