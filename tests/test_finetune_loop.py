"""The gradient loop on a tiny network: learns, goes on where it was cut off, survives what goes wrong."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from headstart.backbones import catalog
from headstart.backbones.space import NetworkSpec
from headstart.backbones.weights import locate
from headstart.cache_folder import Troubles, troubles
from headstart.errors import ModelError, OptionError
from headstart.evaluation.history import History
from headstart.finetune import activations, loop
from headstart.finetune.batches import BatchGradient
from headstart.finetune.checkpoint import Snapshot
from headstart.finetune.job import Job
from headstart.finetune.loop import PhaseTraining, class_weights, finetune, validated
from headstart.finetune.notes import TooLarge
from headstart.finetune.phase_activations import PhaseActivations
from headstart.finetune.plan import Augment, Head, Optimiser, Phase, Plan, Schedule
from headstart.finetune.result import FineTuned
from headstart.finetune.trainable import State, Trainable
from headstart.finetune.views import Look
from headstart.images.folder import scan
from headstart.probe.heads import LinearHead
from headstart.progress import Silent

TINY = "test_efficientnet.r160_in1k"
PLAN = Plan(
    size=32,
    mode="squash",
    head=Head(dropout=0.2),
    augment=Augment(kind="crop", views=2),
    phases=(
        Phase(epochs=2, optimiser=Optimiser(name="adam", lr=3e-3), batch_size=7),
        Phase(
            train_from="blocks.4",
            epochs=2,
            optimiser=Optimiser(name="sgd", lr=1e-3, momentum=0.9),
            schedule=Schedule(name="cosine", warmup=0.1),
            batch_size=8,
            clip=1.0,
        ),
    ),
)


def tune(photos: Path, cache: Path, plan: Plan = PLAN, name: str = TINY, **options: Any) -> FineTuned:
    images = scan(photos)
    val = np.arange(len(images)) % 4 == 0
    of_the_run = {name: options.pop(name) for name in ("checkpoint", "progress", "watch") if name in options}
    where = {name: options.pop(name, default) for name, default in (("device", "torch"), ("precision", "f32"))}
    network = NetworkSpec.named(name, "random", cache=cache, **where)
    split = {"train": np.flatnonzero(~val), "val": np.flatnonzero(val)}
    return finetune(Job(**{"network": network, "images": images, "plan": plan, **split, **options}), **of_the_run)


def same(a: State, b: State) -> bool:
    return a.keys() == b.keys() and all(torch.equal(value, b[name]) for name, value in a.items())


@pytest.fixture(scope="module")
def tuned(photos: Path, cache: Path) -> FineTuned:
    return tune(photos, cache)


def test_phases_are_joined_and_everything_is_reported(tuned: FineTuned) -> None:
    epochs = tuned.history.epochs
    assert [(one.phase, one.epoch) for one in epochs] == [(1, 1), (1, 2), (2, 3), (2, 4)]
    assert [one.train_from for one in tuned.summaries] == ["head", "blocks.4"]
    assert epochs[0].lr == 3e-3
    assert 0.3 < tuned.history.initial_loss < 3
    assert tuned.last_proba.shape == (10, 2)
    np.testing.assert_allclose(tuned.last_proba.sum(axis=1), 1)
    assert tuned.runtime == "torch f32 cpu"
    assert tuned.best_epoch in (3, 4)


def test_only_what_a_phase_trains_moves(tuned: FineTuned) -> None:
    backbone = catalog.get(TINY)
    from headstart.backbones import network

    before = network.build(backbone, locate(backbone, random=True), size=32).state_dict()
    changed = {
        name
        for name, value in tuned.last.items()
        if not torch.equal(value, before.get(name.removeprefix("backbone."), value + 1))
    }
    assert "head.1.weight" in changed
    assert any(name.startswith("backbone.blocks.4") for name in changed)
    assert not [name for name in changed if "running" in name]
    whole = tuned.activations.trainable.network.state_dict()
    assert torch.equal(whole["blocks.3.0.conv_pw.weight"], before["blocks.3.0.conv_pw.weight"])


def test_the_same_arguments_give_the_same_bytes(photos: Path, tmp_path: Path, tuned: FineTuned) -> None:
    torch.manual_seed(99)
    state = torch.random.get_rng_state()
    again = tune(photos, tmp_path)  # another cache, empty
    assert same(again.last, tuned.last)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not same(tune(photos, tmp_path, seed=1).last, tuned.last)


def test_maps_that_are_not_kept_change_nothing(
    photos: Path, tmp_path: Path, tuned: FineTuned, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADSTART_CACHE_GB", "0.0000001")
    again = tune(photos, tmp_path)
    assert isinstance(again.notes[0], TooLarge)
    assert again.notes[0].needed > again.notes[0].limit
    assert same(again.last, tuned.last)


def test_predictions_of_files_are_those_of_the_run(photos: Path, tuned: FineTuned) -> None:
    images = scan(photos)
    val = [path for i, path in enumerate(images.paths) if i % 4 == 0]
    np.testing.assert_allclose(tuned.predict_proba(val), tuned.last_proba, atol=1e-6)
    np.testing.assert_allclose(tuned.predict_proba(val, weights="best"), tuned.val_proba("best"), atol=1e-6)
    assert tuned.predict_proba(val[:1]).shape == (1, 2)


CUT_OFF = """
import os, signal, sys
from pathlib import Path
import torch
sys.path.insert(0, sys.argv[1])
torch.set_num_threads(int(sys.argv[6]))
import headstart.finetune.checkpoint as checkpoint
from test_finetune_loop import tune
left = int(sys.argv[5])
save = checkpoint.Snapshot.save
def and_die(self, file, run):
    global left
    save(self, file, run)
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
checkpoint.Snapshot.save = and_die
tune(Path(sys.argv[2]), Path(sys.argv[3]), checkpoint=Path(sys.argv[4]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_killed_and_gone_on_ends_at_the_same_bytes(
    photos: Path, cache: Path, tmp_path: Path, tuned: FineTuned, epochs: int
) -> None:
    file = tmp_path / "checkpoint.pt"
    threads = str(torch.get_num_threads())
    arguments = [str(Path(__file__).parent), str(photos), str(cache), str(file), str(epochs), threads]
    done = subprocess.run([sys.executable, "-c", CUT_OFF, *arguments], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    gone_on = tune(photos, cache, checkpoint=file)
    assert same(gone_on.last, tuned.last)
    assert same(gone_on.best, tuned.best)
    assert [replace(a, seconds=0) for a in gone_on.history.epochs] == [
        replace(b, seconds=0) for b in tuned.history.epochs
    ]
    finished = tune(photos, cache, checkpoint=file)  # nothing left to do
    assert finished.history == gone_on.history
    assert same(finished.last, tuned.last)


def test_a_checkpoint_of_another_run_or_damaged_is_refused(photos: Path, cache: Path, tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pt"
    short = replace(PLAN, phases=(Phase(epochs=1),))
    tune(photos, cache, short, checkpoint=file)
    with pytest.raises(OptionError, match="one of another run"):
        tune(photos, cache, short, checkpoint=file, seed=1)
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(ModelError, match="delete it"):
        tune(photos, cache, short, checkpoint=file)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_in_the_cache_a_damaged_checkpoint_is_begun_anew_and_said(photos: Path, cache: Path, tmp_path: Path) -> None:
    short = replace(PLAN, phases=(Phase(epochs=1),))
    expected = tune(photos, cache, short, checkpoint=tmp_path)
    (file,) = tmp_path.iterdir()
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    assert same(tune(photos, cache, short, checkpoint=tmp_path).last, expected.last)
    assert troubles() == Troubles(damaged=1)
    file.unlink()
    (tmp_path / file.name).mkdir()
    assert same(tune(photos, cache, short, checkpoint=tmp_path).last, expected.last)
    assert troubles() == Troubles(damaged=1)
    assert file.is_file()


def test_a_cache_that_cannot_hold_a_checkpoint_ends_no_run(
    photos: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Snapshot, "save", full)
    short = replace(PLAN, phases=(Phase(epochs=2),))
    assert len(tune(photos, cache, short, checkpoint=tmp_path).history.epochs) == 2
    assert troubles() == Troubles(unusable=str(cache), why="No space left on device")
    with pytest.raises(OSError, match="No space left"):
        tune(photos, cache, short, checkpoint=tmp_path / "the user's own")


def test_a_diverging_run_goes_back_lowers_the_rate_once_and_says_so(photos: Path, cache: Path) -> None:
    wild = Phase(train_from="blocks.4", epochs=3, optimiser=Optimiser(name="sgd", lr=1e20), batch_size=8)
    first = tune(photos, cache, replace(PLAN, phases=(Phase(epochs=1), wild, Phase(epochs=1))))
    assert [one.phase for one in first.history.epochs] == [1]
    assert first.notes == first.diverged
    assert [(note.lowered, note.stopped) for note in first.diverged] == [(0.1, False), (None, True)]
    assert [note.epoch for note in first.diverged] == [2, 2]
    assert all(torch.isfinite(value).all() for value in first.last.values())
    assert same(first.last, tune(photos, cache, replace(PLAN, phases=(Phase(epochs=1), wild))).last)


def test_batch_norm_in_training_mode_with_a_picture_left_over(photos: Path, cache: Path) -> None:
    phase = Phase(train_from="all", epochs=1, batch_norm="train", batch_size=29, optimiser=Optimiser(lr=1e-3))
    out = tune(photos, cache, replace(PLAN, augment=Augment(), phases=(phase,)))  # 30 pictures: 29 and 1
    assert out.runtime == "torch f32 cpu"
    assert any("running_mean" in name for name in out.last)
    assert len(out.history.epochs) == 1


def test_best_is_kept_and_patience_ends_a_phase(photos: Path, cache: Path) -> None:
    # A rate this high is soon past its best.
    phase = Phase(epochs=40, optimiser=Optimiser(name="sgd", lr=3.0, momentum=0.9), patience=3, keep="best")
    out = tune(photos, cache, replace(PLAN, phases=(phase,)))
    losses = [one.val_loss for one in out.history.epochs]
    assert out.best_epoch == 1 + int(np.argmin(losses))
    assert len(losses) == out.best_epoch + 3 < 40
    assert out.chosen == "best"
    y = scan(photos).y[::4]
    best = -np.log(out.val_proba("best")[np.arange(10), y]).mean()
    assert best == pytest.approx(min(losses), abs=1e-4)


def test_one_logit_and_fresh_views_learn(photos: Path, cache: Path) -> None:
    plan = replace(
        PLAN,
        head=Head(logit="one"),
        augment=Augment(kind="rotate", views="fresh"),
        phases=(Phase(epochs=8, optimiser=Optimiser(name="adam", lr=1e-2), batch_size=8),),
        balanced=True,
    )
    out = tune(photos, cache, plan)
    assert out.history.epochs[-1].train_loss < out.history.epochs[0].train_loss
    np.testing.assert_allclose(out.last_proba.sum(axis=1), 1)


def test_a_batch_in_parts_learns_the_same(photos: Path, cache: Path) -> None:
    phase = replace(PLAN.phases[0], batch_size=6)
    whole, parts = (tune(photos, cache, replace(PLAN, phases=(replace(phase, micro_batch=n),))) for n in (None, 4))
    np.testing.assert_allclose(parts.last_proba, whole.last_proba, atol=1e-3)
    assert not parts.notes


def test_the_frozen_part_runs_in_the_fast_runtime(photos: Path, cache: Path) -> None:
    pytest.importorskip("openvino")
    fast = tune(photos, cache, device="openvino", precision="f32")
    assert fast.runtime == "openvino f32"
    slow = tune(photos, cache)
    np.testing.assert_allclose(fast.last_proba, slow.last_proba, atol=0.02)


def test_a_later_phase_that_learns_less_runs_on_what_was_trained(photos: Path, cache: Path) -> None:
    """The frozen part of the last phase holds layers that the phase before it changed."""
    deep = Phase(train_from="blocks.3", epochs=1, optimiser=Optimiser(name="sgd", lr=0.05))
    out = tune(photos, cache, replace(PLAN, phases=(deep, Phase(epochs=1))))
    module, head = out.activations.trainable.served(out.last)
    from headstart.images.transforms import Geometry, load

    pictures = np.stack([load(path, Geometry(size=32, mode="squash"))[0] for path in scan(photos).paths[::4]])
    with torch.inference_mode():
        rows = dict(zip(module.widths, module(torch.from_numpy(pictures)), strict=True))
    proba = head.predict_proba(rows["tuned"].numpy())
    np.testing.assert_allclose(proba, out.last_proba, atol=0.01)


@pytest.mark.parametrize(
    ("name", "train_from", "device"),
    [
        ("test_vit.r160_in1k", "blocks.3", "openvino"),
        ("test_resnet.r160_in1k", "layer4.0.conv2", "openvino"),
        ("test_convnext.r160_in1k", "last:1", "torch"),
    ],
)
def test_other_kinds_of_network(name: str, train_from: str, device: str, photos: Path, cache: Path) -> None:
    if device == "openvino":
        pytest.importorskip("openvino")
    plan = Plan(size=64, phases=(Phase(train_from=train_from, epochs=1, batch_size=8),))
    out = tune(photos, cache, plan, name, device=device)
    assert len(out.history.epochs) == 1
    assert not out.notes
    assert out.summaries[0].trainable < out.summaries[0].total


def test_a_probe_is_where_it_begins(photos: Path, cache: Path) -> None:
    """LP-FT: before any step the network says what the probe says."""
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(256, 2)).astype(np.float32)
    probe = LinearHead(weight=weight, bias=np.zeros(2, np.float32), temperature=2.0)
    still = Phase(train_from="blocks.4", epochs=1, optimiser=Optimiser(name="sgd", lr=1e-30))
    out = tune(photos, cache, replace(PLAN, head=Head(start="probe"), phases=(still,)), probe=probe)
    assert out.history.initial_loss == pytest.approx(out.history.epochs[0].val_loss, abs=1e-4)
    assert torch.equal(out.last["head.0.weight"], torch.from_numpy(weight.T / 2))


def test_features_of_fresh_views_that_are_kept_change_nothing(photos: Path, tmp_path: Path) -> None:
    augment = Augment(kind="crop", views="fresh")
    head = Phase(epochs=3, optimiser=Optimiser(name="sgd", lr=1e-2, momentum=0.9), batch_size=7)
    later = Phase(train_from="blocks.4", epochs=1, optimiser=Optimiser(name="sgd", lr=1e-3), batch_size=8)
    plan = replace(PLAN, augment=augment, phases=(head, later, replace(head, epochs=2)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(activations, "FRESH_BYTES", 0)
        computed = tune(photos, tmp_path / "none", plan)
    kept = tune(photos, tmp_path / "kept", plan)
    assert same(kept.last, computed.last)
    assert same(tune(photos, tmp_path / "kept", plan).last, computed.last)  # this time they are there already
    assert len(list((tmp_path / "kept" / "maps").iterdir())) > len(list((tmp_path / "none" / "maps").iterdir()))


def test_runs_that_differ_in_rate_and_batch_share_the_features_of_fresh_views(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def plan(lr: float, batch_size: int) -> Plan:
        phase = Phase(epochs=2, optimiser=Optimiser(name="sgd", lr=lr), batch_size=batch_size)
        return replace(PLAN, augment=Augment(kind="crop", views="fresh"), phases=(phase,))

    seen = []
    pixels = Look.pixels

    def counted(look: Look, data: bytes, digest: str, views: Sequence[int]) -> Any:
        seen.extend((digest, view) for view in views)
        return pixels(look, data, digest, views)

    monkeypatch.setattr(Look, "pixels", counted)
    tune(photos, tmp_path, plan(1e-3, 4))
    assert len({one for one in seen if one[1] >= 0}) == 2 * 30
    seen.clear()
    tune(photos, tmp_path, plan(0.1, 8))
    assert len(seen) == 2 * activations.CHECKED  # of the validation and of the training pictures


def test_a_clipped_gradient_takes_steps_no_longer_than_that(photos: Path, cache: Path) -> None:
    def moved(clip: float | None) -> float:
        phase = Phase(epochs=1, optimiser=Optimiser(name="sgd", lr=1.0), batch_size=30, clip=clip)
        plan = replace(PLAN, head=Head(), phases=(phase,))  # one step
        backbone = catalog.get(TINY)
        start = Trainable(backbone, locate(backbone, random=True), plan, num_classes=2).state()
        end = tune(photos, cache, plan).last
        return float(torch.cat([(end[name] - start[name]).flatten() for name in end]).norm())

    free = moved(None)
    assert free > 1e-4
    assert moved(free / 4) == pytest.approx(free / 4, rel=1e-3)
    assert moved(free * 4) == pytest.approx(free, rel=1e-5)


def test_balanced_classes_count_the_same(photos: Path, cache: Path) -> None:
    """With 4 of one class and 15 of the other the rare one is given more probability if classes count the same."""
    y = scan(photos).y
    train = np.r_[np.flatnonzero(y == 0)[5:20], np.flatnonzero(y == 1)[5:9]]
    val = np.r_[np.flatnonzero(y == 0)[:5], np.flatnonzero(y == 1)[:5]]
    phase = Phase(epochs=10, optimiser=Optimiser(name="adam", lr=3e-2), batch_size=8)
    plan = replace(PLAN, head=Head(), augment=Augment(kind="none"), phases=(phase,))
    rare = [
        tune(photos, cache, replace(plan, balanced=balanced), train=train, val=val).last_proba[:, 1].mean()
        for balanced in (False, True)
    ]
    assert rare[1] > rare[0] + 0.1


ONE_EPOCH = Plan(size=32, mode="squash", augment=Augment(kind="none"), phases=(Phase(train_from="blocks.4", epochs=1),))


def job_of(photos: Path, plan: Plan = ONE_EPOCH, **options: Any) -> Job:
    images, network = scan(photos), NetworkSpec.named(TINY, "random", device="torch", **options)
    val = np.arange(len(images)) % 4 == 0
    return Job(network=network, images=images, train=np.flatnonzero(~val), val=np.flatnonzero(val), plan=plan)


def training_of(job: Job) -> PhaseTraining:
    trainable = Trainable(job.network.backbone, job.network.weights, job.plan, num_classes=2)
    activations = PhaseActivations(job=job, trainable=trainable, progress=Silent())
    snapshot = Snapshot(weights=trainable.state(), history=History(initial_loss=0.7, initial_accuracy=0.5))
    return PhaseTraining(activations=activations, snapshot=snapshot)


@pytest.mark.parametrize(("precision", "expected"), [("auto", "bf16"), ("bf16", "bf16"), ("f32", "f32")])
def test_a_gpu_computes_in_what_the_job_says(
    photos: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, precision: str, expected: str
) -> None:
    """No GPU is needed: what a step is told to compute in is looked at."""
    told: list[bool] = []

    def fitted(*_: object, bf16: bool, **__: object) -> BatchGradient:
        told.append(bf16)
        return BatchGradient(loss=1.0, right=0, micro_batch=None)

    monkeypatch.setattr(loop, "gradient_that_fits", fitted)
    monkeypatch.setattr(Job, "trains_on", "cuda")
    training = training_of(job_of(photos, cache=cache, precision=precision))
    training.step(torch.zeros(2, 3), torch.zeros(2, dtype=torch.int64), torch.ones(2))
    assert training.snapshot.arithmetic == {0: expected}
    assert told == [expected == "bf16"]


def test_an_epoch_learns_and_is_measured_on_validation_pictures(photos: Path, cache: Path) -> None:
    training = training_of(job_of(photos, cache=cache, precision="f32"))
    seen: list[int] = []
    epoch = training.epoch(seen.append)
    assert seen[-1] == len(training.job.train)
    assert (epoch.phase, epoch.epoch) == (1, 1)
    loss, accuracy = validated(training.activations, 0, [])
    assert (epoch.val_loss, epoch.val_accuracy) == (loss, accuracy)


def test_balanced_classes_weigh_the_same_in_all(photos: Path, cache: Path) -> None:
    job = job_of(photos, replace(ONE_EPOCH, balanced=True), cache=cache)
    job = replace(job, train=job.train[: 3 * len(job.train) // 4])
    weights, counts = class_weights(job).numpy(), np.bincount(job.images.y[job.train])
    assert counts[0] != counts[1]
    assert weights @ counts == pytest.approx(len(job.train))
    assert weights * counts == pytest.approx(np.full(2, len(job.train) / 2))
    assert class_weights(job_of(photos, cache=cache)).tolist() == [1.0, 1.0]
