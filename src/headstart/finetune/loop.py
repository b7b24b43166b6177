"""The only gradient loop: a plan, a backbone and pictures → a network that was trained further.

For each phase the network is cut before what learns. What is frozen runs once for each fixed view of each picture
(`activations.ActivationCache`), in the fastest runtime there is; the rest is trained by torch on what comes out of it.
With nothing frozen the same loop trains the whole network.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from headstart.evaluation.history import Epoch, History
from headstart.finetune import memory
from headstart.finetune.checkpoint import Snapshot, file_of
from headstart.finetune.job import Job
from headstart.finetune.notes import Note
from headstart.finetune.phase_activations import PhaseActivations
from headstart.finetune.phase_training import DivergedError, PhaseTraining, validated
from headstart.finetune.result import FineTuned
from headstart.finetune.trainable import Summary, Trainable
from headstart.progress import Progress, Silent

Watch = Callable[[tuple[Summary, ...], History], None]
"""Is given the parameter counts of every phase and the epochs so far."""
LOWERED = 0.1
"""What the learning rate is multiplied by, once, where the loss diverged."""


def finetune(
    job: Job,
    *,
    cache: Path,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
    watch: Watch | None = None,
) -> FineTuned:
    """Carry out the plan of ``job`` on its pictures ``train``, watched on its pictures ``val``.

    On one machine the same job gives the same weights, bit for bit, whether or not the run was interrupted. That
    holds whatever is in the cache but for one thing: with ``precision="auto"`` a CPU that computes in bf16 is measured,
    and the cache remembers what it was found to be good at; see `headstart.finetune.arithmetic`.

    Args:
        job: what to do.
        cache: folder of graphs and maps, shared by all runs; maps are kept up to ``$HEADSTART_CACHE_GB``.
        checkpoint: a file written after every epoch. If it is there, the run goes on from it. In a folder that is
            there, the file is named by the key of the job.
        progress: is told how far the run is.
        watch: is called before any training and after every epoch.

    Raises:
        OptionError: the plan does not suit the network or the classes, or the checkpoint is of another run.
        DataError: pictures that cannot be read, all of them.
        WeightsError: the weights cannot be read or do not fit.
        ModelError: the checkpoint is damaged.
    """
    key = job.key()
    run = _Run(
        job=job,
        key=key,
        cache=cache,
        checkpoint=file_of(checkpoint, key) if checkpoint is not None and checkpoint.is_dir() else checkpoint,
        progress=progress or Silent(),
        watch=watch or (lambda summaries, history: None),
    )
    with memory.kept(), torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        snapshot = run.start()
        run.watch(run.summaries, history_of(snapshot))
        for phase in range(snapshot.phase, len(job.plan.phases)):
            if snapshot.stopped:
                break
            if phase > snapshot.phase:
                run.advance(snapshot)
            run.phase(snapshot)
        return run.result(snapshot)


@dataclass(kw_only=True)
class _Run:
    """What stays the same during a run, and its parts from start to result."""

    job: Job
    key: str
    cache: Path
    checkpoint: Path | None
    progress: Progress
    watch: Watch

    def __post_init__(self) -> None:
        job = self.job
        self.trainable = Trainable(
            job.backbone, job.weights, job.plan, num_classes=len(job.images.classes), seed=job.seed, probe=job.probe
        )
        self.summaries = tuple(self.trainable.summary(phase) for phase in range(len(job.plan.phases)))
        self.trainable.to(job.trains_on)
        self.trainable.start = self.trainable.state()
        self.activations = PhaseActivations(job=job, trainable=self.trainable, cache=self.cache, progress=self.progress)

    def start(self) -> Snapshot:
        """Where the checkpoint left off, else the beginning, with the loss before any training."""
        if self.checkpoint is not None and self.checkpoint.is_file():
            return Snapshot.load(self.checkpoint, self.key)
        notes: list[Note] = []
        loss, accuracy = validated(self.activations, 0, notes)
        return Snapshot(weights=self.trainable.state(), initial_loss=loss, initial_accuracy=accuracy, notes=notes)

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
        training = PhaseTraining(
            job=self.job,
            trainable=self.trainable,
            activations=self.activations,
            snapshot=snapshot,
            cache=self.cache,
        )
        with self.progress.stage(f"training from {options.train_from}", options.epochs * n) as advance:
            while snapshot.epoch < options.epochs and not (options.patience and snapshot.stale >= options.patience):
                try:
                    epoch = training.epoch(advance)
                except DivergedError as error:
                    self.go_back(snapshot, error)
                    if snapshot.stopped:
                        return
                    training.begin()
                    continue
                self.record(snapshot, epoch, training.optimiser)
                if self.checkpoint is not None:
                    snapshot.save(self.checkpoint, self.key)

    def go_back(self, snapshot: Snapshot, error: DivergedError) -> None:
        """To the weights before the loss diverged; the first time at a lower rate, the second time to stop there."""
        self.trainable.load(snapshot.weights)
        snapshot.stopped = snapshot.scale < 1.0
        snapshot.notes.append(replace(error.diverged, lowered=None if snapshot.stopped else LOWERED))
        snapshot.scale, snapshot.optimiser = LOWERED, None

    def record(self, snapshot: Snapshot, epoch: Epoch, optimiser: torch.optim.Optimizer) -> None:
        """Take an epoch that went well into the snapshot."""
        snapshot.epochs.append(epoch)
        self.watch(self.summaries, history_of(snapshot))
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
            job=self.job,
            trainable=self.trainable,
            activations=self.activations,
            phase=snapshot.phase,
            history=history_of(snapshot),
            summaries=self.summaries,
            last=last,
            best=best,
            best_epoch=snapshot.best_epoch,
            notes=tuple(snapshot.notes),
        )


def history_of(snapshot: Snapshot) -> History:
    """All epochs so far."""
    return History(
        initial_loss=snapshot.initial_loss,
        initial_accuracy=snapshot.initial_accuracy,
        epochs=tuple(snapshot.epochs),
    )
