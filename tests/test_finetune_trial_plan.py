from __future__ import annotations

from pathlib import Path

import pytest

from headstart.backbones import catalog, network
from headstart.backbones.space import NetworkSpec
from headstart.backbones.weights import locate
from headstart.finetune.trial_plan import EPOCHS, plan_for, seconds_for, upper_part


@pytest.mark.parametrize(
    ("name", "expected"), [("efficientnet_lite0", "blocks.4"), ("resnet18", "layer4"), ("test_vit", "blocks.")]
)
def test_the_upper_part_of_a_network(name: str, expected: str) -> None:
    backbone = catalog.get(name)
    assert upper_part(network.build(backbone, locate(backbone, random=True))).startswith(expected)


def test_the_plan_begins_with_the_probe_above_the_frozen_part(tmp_path: Path) -> None:
    backbone = catalog.get("test_efficientnet")
    spec = NetworkSpec(backbone=backbone, weights=locate(backbone, random=True), cache=tmp_path)
    plan = plan_for(spec, 64, balanced=True)
    (phase,) = plan.phases
    assert (plan.size, plan.balanced, plan.head.start) == (64, True, "probe")
    assert (phase.epochs, phase.train_from.startswith("blocks.")) == (EPOCHS, True)


def test_seconds_grow_with_pictures_and_fall_with_the_rate() -> None:
    assert seconds_for(100, 40.0) == 2 * 100 * (2 / 40 + 6 * 3 / 40)
    assert seconds_for(200, 80.0) == seconds_for(100, 40.0)
