from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from headstart.backbones.space import NetworkSpec
from headstart.errors import DataError
from headstart.finetune.job import Job
from headstart.finetune.loop import finetune
from headstart.finetune.plan import Augment, Optimiser, Phase, Plan
from headstart.finetune.result import FineTuned
from headstart.finetune.verdict import joined
from headstart.images.folder import scan
from headstart.images.transforms import View, load


@pytest.fixture(scope="module")
def tuned(photos: Path, cache: Path) -> FineTuned:
    images = scan(photos)
    network = NetworkSpec.named("test_efficientnet.r160_in1k", "random", cache=cache, device="torch")
    val = np.arange(len(images)) % 4 == 0
    phase = Phase(train_from="blocks.4", epochs=3, keep="best", optimiser=Optimiser(name="adam", lr=3e-3))
    plan = Plan(size=32, mode="squash", augment=Augment(kind="none"), phases=(phase,))
    job = Job(network=network, images=images, train=np.flatnonzero(~val), val=np.flatnonzero(val), plan=plan)
    return finetune(job)


def test_the_plan_says_which_weights_are_used(tuned: FineTuned) -> None:
    assert tuned.chosen == "best"
    chosen = tuned.val_proba()
    assert chosen.shape == (len(tuned.activations.job.val), 2)
    np.testing.assert_array_equal(chosen, tuned.val_proba("best"))


def test_files_get_the_probabilities_the_run_measured(tuned: FineTuned, photos: Path) -> None:
    images = scan(photos)
    val = [images.paths[i] for i in range(0, len(images), 4)]
    np.testing.assert_allclose(tuned.predict_proba(val, weights="last"), tuned.last_proba, atol=5e-3)


def test_files_that_cannot_be_read_are_named(tuned: FineTuned, tmp_path: Path) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"bad\.jpg"):
        tuned.predict_proba([tmp_path / "bad.jpg"])


def test_it_is_served_beside_the_pretrained_network_as_it_was_measured(tuned: FineTuned, photos: Path) -> None:
    images = scan(photos)
    space, head = tuned.deploy(joined=True)
    pictures = [load(images.paths[i], space.geometry)[0][None] for i in tuned.activations.job.val]
    rows = np.concatenate([batch["tuned"] for batch in space.runtime.run(iter(pictures))])
    expected = joined(tuned.val_proba(tuned.mixed(0.0)), tuned.val_proba())
    np.testing.assert_allclose(head.predict_proba(rows), expected, atol=5e-3)
    alone, one = tuned.deploy()
    assert head.weight.shape == (2 * one.weight.shape[0], 2)
    assert space.key(View.CENTRE, "tuned") != alone.key(View.CENTRE, "tuned")
