"""A phase in training obeys the job's precision, and weighs classes as the plan says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from headstart.backbones import catalog
from headstart.backbones.weights import locate
from headstart.finetune import phase_training
from headstart.finetune.batches import Fitted
from headstart.finetune.checkpoint import Snapshot
from headstart.finetune.job import Job
from headstart.finetune.phase_activations import PhaseActivations
from headstart.finetune.phase_training import PhaseTraining, class_weights, validated
from headstart.finetune.plan import Augment, Phase, Plan
from headstart.finetune.trainable import Trainable
from headstart.images.folder import scan
from headstart.progress import Silent

PLAN = Plan(size=32, mode="squash", augment=Augment(kind="none"), phases=(Phase(train_from="blocks.4", epochs=1),))


def job_of(photos: Path, plan: Plan = PLAN, **options: Any) -> Job:
    images, backbone = scan(photos), catalog.get("test_efficientnet.r160_in1k")
    weights, val = locate(backbone, random=True), np.arange(len(images)) % 4 == 0
    train, val = np.flatnonzero(~val), np.flatnonzero(val)
    return Job(backbone=backbone, weights=weights, images=images, train=train, val=val, plan=plan, **options)


def training_of(job: Job, cache: Path) -> PhaseTraining:
    trainable = Trainable(job.backbone, job.weights, job.plan, num_classes=2)
    activations = PhaseActivations(job=job, trainable=trainable, cache=cache, progress=Silent())
    snapshot = Snapshot(weights=trainable.state(), initial_loss=0.7, initial_accuracy=0.5)
    return PhaseTraining(job=job, trainable=trainable, activations=activations, snapshot=snapshot, cache=cache)


@pytest.mark.parametrize(("precision", "expected"), [("auto", "bf16"), ("bf16", "bf16"), ("f32", "f32")])
def test_a_gpu_computes_in_what_the_job_says(
    photos: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, precision: str, expected: str
) -> None:
    """No GPU is needed: what a step is told to compute in is looked at."""
    told: list[bool] = []

    def fitted(*_: object, bf16: bool, **__: object) -> Fitted:
        told.append(bf16)
        return Fitted(loss=1.0, right=0, micro_batch=None)

    monkeypatch.setattr(phase_training, "gradient_that_fits", fitted)
    monkeypatch.setattr(Job, "trains_on", "cuda")
    training = training_of(job_of(photos, device="torch", precision=precision), cache)
    training.step(torch.zeros(2, 3), torch.zeros(2, dtype=torch.int64), torch.ones(2))
    assert training.snapshot.arithmetic == {0: expected}
    assert told == [expected == "bf16"]


def test_an_epoch_learns_and_is_measured_on_validation_pictures(photos: Path, cache: Path) -> None:
    training = training_of(job_of(photos, device="torch", precision="f32"), cache)
    seen: list[int] = []
    epoch = training.epoch(seen.append)
    assert seen[-1] == len(training.job.train)
    assert (epoch.phase, epoch.epoch) == (1, 1)
    loss, accuracy = validated(training.activations, 0, [])
    assert (epoch.val_loss, epoch.val_accuracy) == (loss, accuracy)


def test_balanced_classes_weigh_the_same_in_all(photos: Path) -> None:
    job = job_of(photos, replace(PLAN, balanced=True))
    job = replace(job, train=job.train[: 3 * len(job.train) // 4])
    weights, counts = class_weights(job).numpy(), np.bincount(job.images.y[job.train])
    assert counts[0] != counts[1]
    assert weights @ counts == pytest.approx(len(job.train))
    assert weights * counts == pytest.approx(np.full(2, len(job.train) / 2))
    assert class_weights(job_of(photos)).tolist() == [1.0, 1.0]
