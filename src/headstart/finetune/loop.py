"""The only gradient loop: a plan, a backbone and pictures → a network that was trained further.

For each phase the network is cut before what learns. What is frozen runs once for each fixed view of each picture
(`activations.ActivationCache`), in the fastest runtime there is; the rest is trained by torch on what comes out of it.
With nothing frozen the same loop trains the whole network.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from headstart.cache_folder import discard, note_damaged, note_unusable
from headstart.errors import ModelError, OptionError
from headstart.evaluation.history import Epoch, History
from headstart.evaluation.losses import accuracy, log_losses
from headstart.finetune import batches
from headstart.finetune.batches import batch_sizes, gradient_that_fits
from headstart.finetune.checkpoint import Snapshot, file_of
from headstart.finetune.cpu import memory_kept
from headstart.finetune.job import Arithmetic, Job
from headstart.finetune.notes import ArithmeticMeasured, Diverged, MicroBatch, Note
from headstart.finetune.optim import optimiser_for, rate, set_rate
from headstart.finetune.phase_activations import PhaseActivations
from headstart.finetune.result import FineTuned
from headstart.finetune.trainable import Summary, Trainable
from headstart.finetune.views import PLAIN
from headstart.progress import Progress, Silent

Watch = Callable[[tuple[Summary, ...], History], None]
"""Is given the parameter counts of every phase and the epochs so far."""
LOWERED = 0.1
"""What the learning rate is multiplied by, once, where the loss diverged."""
DIVERGED = 100.0
"""A training loss this many times the loss at the start has diverged, as has a loss that is no number."""


def finetune(
    job: Job, *, checkpoint: Path | None = None, progress: Progress | None = None, watch: Watch | None = None
) -> FineTuned:
    """Carry out the plan of ``job`` on its pictures ``train``, watched on its pictures ``val``.

    On one machine, with the same number of torch's threads, the same job gives the same weights, bit for bit, whether
    or not the run was interrupted; with another number sums are added up in another order, which moves the last bits.
    That holds whatever is in the cache but for one thing: with ``precision="auto"`` a CPU that computes in bf16 is
    measured, and the cache remembers which arithmetic was faster; see `headstart.finetune.batches.measured`. Maps are
    kept in the cache up to ``$HEADSTART_CACHE_GB``.

    Args:
        job: what to do.
        checkpoint: a file written after every epoch. If it is there, the run goes on from it. In a folder that is
            there, which is part of the cache, the file is named by the key of the job; where it is damaged or cannot be
            written, the run does without.
        progress: is told how far the run is.
        watch: is called before any training and after every epoch.

    Raises:
        OptionError: the plan does not suit the network or the classes, or the checkpoint is of another run.
        DataError: pictures that cannot be read, all of them.
        WeightsError: the weights cannot be read or do not fit.
        ModelError: the checkpoint is damaged and not in the cache.
    """
    key, cached = job.key(), checkpoint is not None and checkpoint.is_dir()
    run = _FineTuning(
        job=job,
        key=key,
        checkpoint=file_of(checkpoint, key) if cached and checkpoint is not None else checkpoint,
        cached=cached,
        progress=progress or Silent(),
        watch=watch or (lambda summaries, history: None),
    )
    with memory_kept(), torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        snapshot = run.start()
        run.watch(run.summaries, snapshot.history)
        for phase in range(snapshot.phase, len(job.plan.phases)):
            if snapshot.stopped:
                break
            if phase > snapshot.phase:
                run.advance(snapshot)
            run.phase(snapshot)
        return run.result(snapshot)


@dataclass(kw_only=True)
class _FineTuning:
    """What stays the same during a run, and its parts from start to result."""

    job: Job
    key: str
    checkpoint: Path | None
    cached: bool
    """Whether the checkpoint lies in the cache: then the run can do without."""
    progress: Progress
    watch: Watch

    def __post_init__(self) -> None:
        job, network, k = self.job, self.job.network, len(self.job.images.classes)
        self.trainable = Trainable(
            network.backbone, network.weights, job.plan, num_classes=k, seed=job.seed, probe=job.probe
        )
        self.summaries = tuple(self.trainable.summary(phase) for phase in range(len(job.plan.phases)))
        self.trainable.to(job.trains_on)
        self.trainable.start = self.trainable.state()
        self.activations = PhaseActivations(job=job, trainable=self.trainable, progress=self.progress)

    def start(self) -> Snapshot:
        """Where the checkpoint left off, else the beginning, with the loss before any training."""
        if self.checkpoint is not None and self.checkpoint.exists():
            try:
                snapshot = Snapshot.load(self.checkpoint, self.key)
                with suppress(OSError):
                    os.utime(self.checkpoint)  # the least recently used leave the cache
                return snapshot
            except (ModelError, OptionError):
                if not self.cached:
                    raise
                note_damaged(1)
                discard(self.checkpoint)
        notes: list[Note] = []
        loss, accuracy = validated(self.activations, 0, notes)
        history = History(initial_loss=loss, initial_accuracy=accuracy)
        return Snapshot(weights=self.trainable.state(), history=history, notes=notes)

    def advance(self, snapshot: Snapshot) -> None:
        """On to the next phase, with the weights that the one before ends with."""
        if self.job.plan.phases[snapshot.phase].keep == "best" and snapshot.best is not None:
            snapshot.weights = snapshot.best
        snapshot.phase += 1
        snapshot.epoch = snapshot.stale = snapshot.best_epoch = 0
        snapshot.best, snapshot.best_loss, snapshot.optimiser, snapshot.scale = None, math.inf, None, 1.0

    def phase(self, snapshot: Snapshot) -> None:
        """Train until the phase is over, writing the checkpoint after every epoch."""
        options, n = self.job.plan.phases[snapshot.phase], len(self.job.train)
        training = PhaseTraining(activations=self.activations, snapshot=snapshot)
        with self.progress.stage(f"training from {options.train_from}", options.epochs * n) as advance:
            while snapshot.epoch < options.epochs and not (options.patience and snapshot.stale >= options.patience):
                epoch = training.epoch(advance)
                if isinstance(epoch, Diverged):
                    self.go_back(snapshot, epoch)
                    if snapshot.stopped:
                        return
                    training.begin()
                    continue
                self.record(snapshot, epoch, training.optimiser)
                self.save(snapshot)

    def save(self, snapshot: Snapshot) -> None:
        """Write the checkpoint; where the cache cannot be written to, go on without one."""
        if self.checkpoint is None:
            return
        try:
            snapshot.save(self.checkpoint, self.key)
        except OSError as error:
            if not self.cached:
                raise
            note_unusable(self.job.network.cache, error)
            self.checkpoint = None

    def go_back(self, snapshot: Snapshot, diverged: Diverged) -> None:
        """To the weights before the loss diverged; the first time at a lower rate, the second time to stop there."""
        self.trainable.load(snapshot.weights)
        snapshot.stopped = snapshot.scale < 1.0
        snapshot.notes.append(replace(diverged, lowered=None if snapshot.stopped else LOWERED))
        snapshot.scale, snapshot.optimiser = LOWERED, None

    def record(self, snapshot: Snapshot, epoch: Epoch, optimiser: torch.optim.Optimizer) -> None:
        """Take an epoch that went well into the snapshot."""
        snapshot.history = replace(snapshot.history, epochs=(*snapshot.history.epochs, epoch))
        self.watch(self.summaries, snapshot.history)
        snapshot.epoch += 1
        snapshot.weights, snapshot.optimiser = self.trainable.state(), optimiser.state_dict()
        snapshot.stale += 1
        if epoch.val_loss < snapshot.best_loss:
            snapshot.best, snapshot.best_loss = snapshot.weights, epoch.val_loss
            snapshot.best_epoch, snapshot.stale = epoch.epoch, 0

    def result(self, snapshot: Snapshot) -> FineTuned:
        """What the snapshot after the last epoch says."""
        last, best = self.trainable.settle(snapshot.weights, snapshot.best or snapshot.weights)
        self.trainable.load(last)
        self.activations.of(snapshot.phase, snapshot.notes)
        return FineTuned(
            activations=self.activations,
            phase=snapshot.phase,
            history=snapshot.history,
            summaries=self.summaries,
            last=last,
            best=best,
            best_epoch=snapshot.best_epoch,
            notes=tuple(snapshot.notes),
        )


@dataclass(kw_only=True)
class PhaseTraining:
    """The phase at which the snapshot stands, from its weights on.

    Of the snapshot it changes the notes, what the phase computes in, and how many pictures fit in memory.
    """

    activations: PhaseActivations
    snapshot: Snapshot

    def __post_init__(self) -> None:
        snapshot = self.snapshot
        self.job, self.trainable = self.activations.job, self.activations.trainable
        self.options = self.job.plan.phases[snapshot.phase]
        self.trainable.load(snapshot.weights)
        self.kept = self.activations.of(snapshot.phase, snapshot.notes)
        self.suffix = self.trainable.suffix(snapshot.phase)
        self.class_weights = class_weights(self.job)
        self.begin()
        if snapshot.phase not in snapshot.arithmetic:
            snapshot.arithmetic[snapshot.phase] = self._arithmetic()

    def begin(self) -> None:
        """An optimiser as it was after the last epoch of the snapshot, or a new one where it holds none."""
        learning = self.trainable.begin(self.snapshot.phase)
        head = list(self.trainable.head.parameters())
        self.optimiser = optimiser_for(self.options.optimiser, head, learning, self.trainable.stages)
        if self.snapshot.optimiser is not None:
            self.optimiser.load_state_dict(self.snapshot.optimiser)

    def epoch(self, advance: Callable[[int], None]) -> Epoch | Diverged:
        """Every training picture once, then the validation pictures.

        ``advance`` is told how many pictures the phase has gone through. Returns `Diverged` where the loss is no number
        or far above where it began.
        """
        job, options, snapshot, began = self.job, self.options, self.snapshot, time.monotonic()
        number = len(snapshot.history.epochs) + 1
        order = np.random.default_rng([job.seed, number]).permutation(len(job.train))
        torch.manual_seed(job.seed * 1_000_003 + number)  # of dropout
        sizes = batch_sizes(len(order), options.batch_size)
        y = torch.from_numpy(job.images.y[job.train[order]])
        weight = self.class_weights[y]
        self.trainable.mode(options)
        seen, loss_sum, right, lr = 0, 0.0, 0, 0.0
        for i, x in enumerate(self.kept.batches(self.activations.wanted(order, number), sizes)):
            step = snapshot.epoch * len(sizes) + i
            share = rate(options.schedule, step, steps_per_epoch=len(sizes), epochs=options.epochs)
            set_rate(self.optimiser, snapshot.scale * share)
            lr = lr or max(group["lr"] for group in self.optimiser.param_groups)
            batch = slice(seen, seen + len(x))
            loss, of_batch = self.step(x, y[batch], weight[batch])
            if not math.isfinite(loss):
                return Diverged(epoch=number, train_loss=loss)
            seen, loss_sum, right = seen + len(x), loss_sum + loss, right + of_batch
            advance(snapshot.epoch * len(order) + seen)
        train_loss = loss_sum / seen
        val_loss, val_accuracy = validated(self.activations, snapshot.phase, snapshot.notes)
        if not math.isfinite(val_loss) or train_loss > DIVERGED * max(snapshot.history.initial_loss, 1.0):
            return Diverged(epoch=number, train_loss=train_loss, val_loss=val_loss)
        return Epoch(
            phase=snapshot.phase + 1,
            epoch=number,
            train_loss=train_loss,
            train_accuracy=right / seen,
            val_loss=val_loss,
            val_accuracy=val_accuracy,
            seconds=time.monotonic() - began,
            lr=lr,
        )

    def step(self, x: Tensor, y: Tensor, weight: Tensor) -> tuple[float, int]:
        """One step on a batch: its summed loss and how many answers were right.

        A batch that does not fit in memory goes through in parts, whose gradients are summed. That is the gradient of
        the whole batch, but for ``batch_norm="train"``: there each part is normalised by its own mean and variance.
        """
        snapshot, least = self.snapshot, 2 if self.options.batch_norm == "train" else 1
        bf16 = snapshot.arithmetic[snapshot.phase] == "bf16"
        asked = snapshot.micro_batch or self.options.micro_batch
        fitted = gradient_that_fits(self.suffix, x, y, weight, asked, bf16=bf16, least=least)
        if fitted.micro_batch is not None and fitted.micro_batch != asked:
            snapshot.micro_batch = fitted.micro_batch
            snapshot.notes.append(MicroBatch(batch=len(x), micro=fitted.micro_batch))
        if self.options.clip is not None:
            parameters = [p for group in self.optimiser.param_groups for p in group["params"]]
            nn.utils.clip_grad_norm_(parameters, self.options.clip)
        self.optimiser.step()
        return fitted.loss, fitted.right

    def _arithmetic(self) -> Arithmetic:
        """What a phase that begins computes in: the job's precision, or on a CPU what a measurement shows."""
        job, phase = self.job, self.snapshot.phase
        val = job.val[: min(batches.STEP_PICTURES, self.options.batch_size)]
        small = self.options.epochs * len(job.train) < batches.LEAST_MEASURED
        head_alone = self.trainable.splits[phase].suffix is None
        if job.trains_on != "cpu" or job.network.precision == "f32" or head_alone or small:
            return job.evaluates_in
        x = next(self.kept.batches([(row, PLAIN) for row in self.activations.rows(val)], [len(val)]))
        y = torch.from_numpy(job.images.y[val])
        timing = batches.measured(self.trainable, phase, x, y, cache=job.network.cache)
        self.trainable.load(self.snapshot.weights)  # statistics of batch norms may have moved
        if timing is None:
            return "f32"
        self.snapshot.notes.append(ArithmeticMeasured(phase=phase + 1, choice=timing.choice, **asdict(timing)))
        return timing.choice


def class_weights(job: Job) -> Tensor:
    """(k,) what an answer counts by its class, with a mean of 1 over the training pictures."""
    k = len(job.images.classes)
    counts = np.bincount(job.images.y[job.train], minlength=k)
    balanced = len(job.train) / (k * np.maximum(counts, 1)) if job.plan.balanced else np.ones(k)
    return torch.from_numpy(balanced.astype(np.float32))


def validated(activations: PhaseActivations, phase: int, notes: list[Note]) -> tuple[float, float]:
    """Mean log-loss in nats and accuracy on the validation pictures, with the weights as they are now."""
    proba = activations.val_proba(phase, notes)
    y = activations.job.images.y[activations.job.val]
    return float(log_losses(proba, y).mean()), accuracy(proba, y)
