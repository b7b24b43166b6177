"""Which maps a phase trains on: the same rows for every phase, views that take turns, plain ones for validation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from headstart.backbones.space import NetworkSpec
from headstart.finetune.activations import CHECKED, ActivationCache
from headstart.finetune.job import Job
from headstart.finetune.notes import Note
from headstart.finetune.phase_activations import PhaseActivations
from headstart.finetune.plan import Augment, Phase, Plan
from headstart.finetune.trainable import Trainable
from headstart.finetune.views import PLAIN
from headstart.images.folder import scan
from headstart.progress import Silent

TINY = "test_efficientnet.r160_in1k"
PLAN = Plan(size=32, mode="squash", augment=Augment(kind="crop", views=2), phases=(Phase(train_from="blocks.4"),))


def maps_of(photos: Path, cache: Path, plan: Plan) -> PhaseActivations:
    images, network = scan(photos), NetworkSpec.named(TINY, "random", cache=cache, device="torch", precision="f32")
    val = np.arange(len(images)) % 4 == 0
    job = Job(network=network, images=images, train=np.flatnonzero(~val), val=np.flatnonzero(val), plan=plan)
    trainable = Trainable(network.backbone, network.weights, plan, num_classes=2)
    return PhaseActivations(job=job, trainable=trainable, progress=Silent())


@pytest.mark.parametrize("views", [2, "fresh"])
def test_views_take_turns_or_are_new_in_every_epoch(photos: Path, cache: Path, views: object) -> None:
    maps = maps_of(photos, cache, replace(PLAN, augment=Augment(kind="crop", views=views)))  # type: ignore[arg-type]
    order = np.arange(6)
    first, second = (dict(maps.wanted(order, epoch)) for epoch in (1, 2))
    assert first.keys() == second.keys()
    assert all(first[row] != second[row] for row in first)
    if views == 2:
        assert set(first.values()) == {0, 1}
    else:
        assert set(first.values()) == {1}


def test_the_maps_of_a_phase_are_kept_and_shared(photos: Path, cache: Path) -> None:
    maps = maps_of(photos, cache, PLAN)
    notes: list[Note] = []
    kept = maps.of(0, notes)
    assert maps.of(0, notes) is kept
    rows = maps.rows(maps.job.val)
    assert len(set(rows)) == 10
    (from_file,) = kept.batches([(row, PLAIN) for row in rows], [10])
    val, images = maps.job.val, maps.job.images
    again = maps.of_files(0, [images.paths[i] for i in val], [images.digests[i] for i in val], [])
    (computed,) = again.batches([(row, PLAIN) for row in range(10)], [10])
    np.testing.assert_array_equal(from_file.numpy(), computed.numpy())
    assert maps.look.geometry.size == 32


def test_a_head_first_plan_runs_the_network_once(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[int] = []
    before = ActivationCache._computed

    def counted(
        maps: ActivationCache, wanted: Sequence[tuple[int, int]], together: Sequence[ActivationCache]
    ) -> Iterator[Any]:
        computed.append(len(wanted))
        return before(maps, wanted, together)

    monkeypatch.setattr(ActivationCache, "_computed", counted)
    maps = maps_of(photos, tmp_path, replace(PLAN, phases=(Phase(train_from="head"), Phase(train_from="blocks.4"))))
    features = maps.of(0, [])
    assert max(computed) > CHECKED
    computed.clear()
    crossing = maps.of(1, [])
    assert set(computed) <= {1, 2, 3, CHECKED}
    split, rows = maps.trainable.splits[1], maps.rows(maps.job.train)
    assert split.suffix is not None
    (x,), (expected,) = (list(one.batches([(row, 0) for row in rows], [len(rows)])) for one in (crossing, features))
    with torch.inference_mode():
        torch.testing.assert_close(split.suffix(x), expected, atol=0.02, rtol=0.02)


def test_frozen_parts_that_training_changes_are_not_run_before_it(photos: Path, cache: Path) -> None:
    phases = (Phase(train_from="blocks.3"), Phase(train_from="head"), Phase(train_from="blocks.4"))
    maps = maps_of(photos, cache, replace(PLAN, phases=phases))
    assert not maps._frozen
