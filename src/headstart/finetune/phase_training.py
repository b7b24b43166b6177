"""A phase of a fine-tuning run in training: its optimiser, its arithmetic, its epochs and their steps."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from headstart.evaluation.history import Epoch
from headstart.evaluation.losses import accuracy, log_losses
from headstart.finetune import arithmetic
from headstart.finetune.batches import batch_sizes, gradient_that_fits
from headstart.finetune.checkpoint import Snapshot
from headstart.finetune.job import Arithmetic, Job
from headstart.finetune.notes import ArithmeticMeasured, Diverged, MicroBatch, Note
from headstart.finetune.optim import optimiser_for, rate, set_rate
from headstart.finetune.phase_activations import PhaseActivations
from headstart.finetune.trainable import Trainable
from headstart.finetune.views import PLAIN

DIVERGED = 100.0
"""A training loss this many times the loss at the start has diverged, as has a loss that is no number."""


class DivergedError(Exception):
    """The loss is no number, or far above where it began."""

    def __init__(self, diverged: Diverged) -> None:
        self.diverged = diverged


@dataclass(kw_only=True)
class PhaseTraining:
    """The phase at which the snapshot stands, from its weights on.

    Of the snapshot it changes the notes, what the phase computes in, and how many pictures fit in memory.
    """

    job: Job
    trainable: Trainable
    activations: PhaseActivations
    snapshot: Snapshot
    cache: Path

    def __post_init__(self) -> None:
        snapshot = self.snapshot
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

    def epoch(self, advance: Callable[[int], None]) -> Epoch:
        """Every training picture once, then the validation pictures.

        ``advance`` is told how many pictures the phase has gone through. Raises DivergedError.
        """
        job, snapshot, began = self.job, self.snapshot, time.monotonic()
        number = len(snapshot.epochs) + 1
        order = np.random.default_rng([job.seed, number]).permutation(len(job.train))
        torch.manual_seed(job.seed * 1_000_003 + number)  # of dropout
        sizes = batch_sizes(len(order), self.options.batch_size)
        y = torch.from_numpy(job.images.y[job.train[order]])
        weight = self.class_weights[y]
        self.trainable.mode(self.options)
        seen, loss_sum, right, lr = 0, 0.0, 0, 0.0
        for step, x in enumerate(self.kept.batches(self.activations.wanted(order, number), sizes)):
            self._set_rate(snapshot.epoch * len(sizes) + step, steps_per_epoch=len(sizes))
            lr = lr or max(group["lr"] for group in self.optimiser.param_groups)
            batch = slice(seen, seen + len(x))
            loss, of_batch = self.step(x, y[batch], weight[batch])
            if not math.isfinite(loss):
                raise DivergedError(Diverged(epoch=number, train_loss=loss))
            seen, loss_sum, right = seen + len(x), loss_sum + loss, right + of_batch
            advance(snapshot.epoch * len(order) + seen)
        train_loss = loss_sum / seen
        val_loss, val_accuracy = validated(self.activations, snapshot.phase, snapshot.notes)
        if not math.isfinite(val_loss) or train_loss > DIVERGED * max(snapshot.initial_loss, 1.0):
            raise DivergedError(Diverged(epoch=number, train_loss=train_loss, val_loss=val_loss))
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
        snapshot = self.snapshot
        fitted = gradient_that_fits(
            self.suffix,
            self.optimiser,
            x,
            y,
            weight,
            snapshot.micro_batch,
            device=self.job.trains_on,
            bf16=snapshot.arithmetic[snapshot.phase] == "bf16",
            least=2 if self.options.batch_norm == "train" else 1,
        )
        if fitted.micro_batch is not None and fitted.micro_batch != snapshot.micro_batch:
            snapshot.micro_batch = fitted.micro_batch
            snapshot.notes.append(MicroBatch(batch=len(x), micro=fitted.micro_batch))
        if self.options.clip is not None:
            parameters = [p for group in self.optimiser.param_groups for p in group["params"]]
            nn.utils.clip_grad_norm_(parameters, self.options.clip)
        self.optimiser.step()
        return fitted.loss, fitted.right

    def _set_rate(self, step: int, *, steps_per_epoch: int) -> None:
        share = rate(self.options.schedule, step, steps_per_epoch=steps_per_epoch, epochs=self.options.epochs)
        set_rate(self.optimiser, self.snapshot.scale * share)

    def _arithmetic(self) -> Arithmetic:
        """What a phase that begins computes in: the job's precision, or on a CPU what a measurement shows."""
        job, phase = self.job, self.snapshot.phase
        small = self.options.epochs * len(job.train) < arithmetic.FEWEST
        if job.trains_on != "cpu" or job.precision == "f32" or self.trainable.splits[phase].suffix is None or small:
            return job.evaluates_in
        rows = self.activations.rows(job.val)[: min(arithmetic.MOST, self.options.batch_size)]
        x = next(self.kept.batches([(row, PLAIN) for row in rows], [len(rows)]))
        y = torch.from_numpy(job.images.y[job.val[: len(rows)]])
        timing = arithmetic.measured(self.trainable, phase, self.optimiser, x, y, cache=self.cache)
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
