"""The only gradient loop: a plan, a backbone and pictures → a network that was trained further.

For each phase the network is cut before what learns. What is frozen runs once for each fixed view of each picture
(`activations.ActivationCache`), in the fastest runtime there is; the rest is trained by torch on what comes out of it.
With nothing
frozen the same loop trains the whole network.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from headstart.evaluation.history import Epoch, History
from headstart.finetune import arithmetic, memory
from headstart.finetune.activations import PLAIN, ActivationCache
from headstart.finetune.arithmetic import Arithmetic
from headstart.finetune.batches import batch_sizes, gradient_that_fits, predict
from headstart.finetune.checkpoint import Snapshot, file_of
from headstart.finetune.job import Job
from headstart.finetune.notes import ArithmeticMeasured, Diverged, MicroBatch, Note
from headstart.finetune.optim import optimiser_for, rate, set_rate
from headstart.finetune.phase_activations import PhaseActivations
from headstart.finetune.plan import Phase
from headstart.finetune.result import FineTuned
from headstart.finetune.trainable import Summary, Trainable
from headstart.progress import Progress, Silent

Watch = Callable[[tuple[Summary, ...], History], None]
"""Is given the parameter counts of every phase and the epochs so far."""
LOWERED = 0.1
"""What the learning rate is multiplied by, once, where the loss diverged."""
DIVERGED = 100.0
"""A training loss this many times the loss at the start has diverged, as one that is no number."""


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
    plan = job.plan
    trainable = Trainable(
        job.backbone, job.weights, plan, num_classes=len(job.images.classes), seed=job.seed, probe=job.probe
    )
    run = _Run(
        job=job,
        trainable=trainable,
        cache=cache,
        checkpoint=checkpoint,
        progress=progress or Silent(),
        watch=watch or (lambda _summaries, _history: None),
    )
    name = job.key()
    with memory.kept(), torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        snapshot = run.start(name=name)
        run.watch(run.summaries, run.history(snapshot))
        for phase in range(snapshot.phase, len(plan.phases)):
            if snapshot.stopped:
                break
            if phase > snapshot.phase:
                run.advance(snapshot)
            run.phase(snapshot)
        return run.result(snapshot)


class _DivergedError(Exception):
    """The loss is no number, or far above where it began."""

    def __init__(self, diverged: Diverged) -> None:
        self.diverged = diverged


@dataclass(kw_only=True)
class _Run:
    """What stays the same during a run, and its parts from start to result."""

    job: Job
    trainable: Trainable
    cache: Path
    checkpoint: Path | None
    progress: Progress
    watch: Watch
    _name: str = field(default="", init=False)

    def __post_init__(self) -> None:
        job = self.job
        self.images, self.train, self.val, self.plan, self.seed = job.images, job.train, job.val, job.plan, job.seed
        self.torch_device = job.trains_on
        self.summaries = tuple(self.trainable.summary(i) for i in range(len(self.plan.phases)))
        self.trainable.to(self.torch_device)
        self.trainable.start = self.trainable.state()
        self.k = len(self.images.classes)
        self.maps = PhaseActivations(job=self.job, trainable=self.trainable, cache=self.cache, progress=self.progress)

    # ── start ───────────────────────────────────────────────────────────────────────────────────────────────────

    def start(self, *, name: str) -> Snapshot:
        """Where the checkpoint left off, else the beginning, with the loss before any training."""
        self._name = name
        if self.checkpoint is not None and self.checkpoint.is_dir():
            self.checkpoint = file_of(self.checkpoint, name)
        if self.checkpoint is not None and self.checkpoint.is_file():
            return Snapshot.load(self.checkpoint, name)
        notes: list[Note] = []
        maps = self.maps.of(0, notes)
        loss, accuracy = self.validate(self.trainable.suffix(0), maps)
        return Snapshot(weights=self.trainable.state(), initial_loss=loss, initial_accuracy=accuracy, notes=notes)

    def advance(self, snapshot: Snapshot) -> None:
        """On to the next phase, with the weights that the one before ends with."""
        if self.plan.phases[snapshot.phase].keep == "best" and snapshot.best is not None:
            snapshot.weights = snapshot.best
        snapshot.phase += 1
        snapshot.epoch = snapshot.stale = snapshot.best_epoch = 0
        snapshot.best, snapshot.best_loss, snapshot.optimiser, snapshot.scale = None, math.inf, None, 1.0

    # ── a phase ─────────────────────────────────────────────────────────────────────────────────────────────────

    def phase(self, snapshot: Snapshot) -> None:
        """Train until the phase is over, writing the checkpoint after every epoch."""
        options = self.plan.phases[snapshot.phase]
        self.trainable.load(snapshot.weights)
        maps = self.maps.of(snapshot.phase, snapshot.notes)
        optimiser = self.optimiser(snapshot)
        if snapshot.phase not in snapshot.arithmetic:
            snapshot.arithmetic[snapshot.phase] = self.arithmetic(snapshot, maps, optimiser)
        with self.progress.stage(f"training from {options.train_from}", options.epochs * len(self.train)) as advance:
            while snapshot.epoch < options.epochs and not (options.patience and snapshot.stale >= options.patience):
                try:
                    epoch = self.epoch(snapshot, optimiser, maps, advance)
                except _DivergedError as error:
                    self.trainable.load(snapshot.weights)
                    snapshot.stopped = snapshot.scale < 1.0
                    lowered = None if snapshot.stopped else LOWERED
                    snapshot.notes.append(replace(error.diverged, lowered=lowered))
                    if lowered is None:
                        return
                    snapshot.scale, snapshot.optimiser = lowered, None
                    optimiser = self.optimiser(snapshot)
                    continue
                self.record(snapshot, epoch, optimiser)
                if self.checkpoint is not None:
                    snapshot.save(self.checkpoint, self._name)

    def arithmetic(self, snapshot: Snapshot, maps: ActivationCache, optimiser: torch.optim.Optimizer) -> Arithmetic:
        """What a phase that begins is to compute in; see `headstart.finetune.arithmetic`."""
        options, split = self.plan.phases[snapshot.phase], self.trainable.splits[snapshot.phase]
        small = options.epochs * len(self.train) < arithmetic.FEWEST
        if self.torch_device != "cpu" or self.job.precision == "f32" or split.suffix is None or small:
            return "f32"
        rows = self.maps.rows(self.val)[: min(arithmetic.MOST, options.batch_size)]
        x = next(maps.batches([(row, PLAIN) for row in rows], [len(rows)]))
        y = torch.from_numpy(self.images.y[self.val[: len(rows)]])
        timing = arithmetic.measured(self.trainable, snapshot.phase, optimiser, x, y, cache=self.cache)
        self.trainable.load(snapshot.weights)  # statistics of batch norms may have moved
        if timing is None:
            return "f32"
        snapshot.notes.append(ArithmeticMeasured(phase=snapshot.phase + 1, choice=timing.choice, **asdict(timing)))
        return timing.choice

    def optimiser(self, snapshot: Snapshot) -> torch.optim.Optimizer:
        """The phase's optimiser, as it was after the last epoch."""
        trunk = self.trainable.begin(snapshot.phase)
        options = self.plan.phases[snapshot.phase].optimiser
        optimiser = optimiser_for(options, list(self.trainable.head.parameters()), trunk, self.trainable.stages)
        if snapshot.optimiser is not None:
            optimiser.load_state_dict(snapshot.optimiser)
        return optimiser

    def record(self, snapshot: Snapshot, epoch: Epoch, optimiser: torch.optim.Optimizer) -> None:
        """Take an epoch that went well into the snapshot."""
        snapshot.epochs.append(epoch)
        self.watch(self.summaries, self.history(snapshot))
        snapshot.epoch += 1
        snapshot.weights, snapshot.optimiser = self.trainable.state(), optimiser.state_dict()
        snapshot.stale += 1
        if epoch.val_loss < snapshot.best_loss:
            snapshot.best, snapshot.best_loss = snapshot.weights, epoch.val_loss
            snapshot.best_epoch, snapshot.stale = epoch.epoch, 0

    # ── an epoch ────────────────────────────────────────────────────────────────────────────────────────────────

    def epoch(
        self,
        snapshot: Snapshot,
        optimiser: torch.optim.Optimizer,
        maps: ActivationCache,
        advance: Callable[[int], None],
    ) -> Epoch:
        """Every training picture once, then the validation pictures. Raises _DivergedError."""
        began, number = time.monotonic(), len(snapshot.epochs) + 1
        options = self.plan.phases[snapshot.phase]
        suffix = self.trainable.suffix(snapshot.phase)
        order = np.random.default_rng([self.seed, number]).permutation(len(self.train))
        torch.manual_seed(self.seed * 1_000_003 + number)  # of dropout
        sizes = batch_sizes(len(order), options.batch_size)
        wanted = self.maps.wanted(order, number)
        y = torch.from_numpy(self.images.y[self.train[order]])
        weight = self.class_weights()[y]
        self.trainable.mode(options)
        seen, loss_sum, correct, lr = 0, 0.0, 0, 0.0
        for step, x in enumerate(maps.batches(wanted, sizes)):
            at = snapshot.epoch * len(sizes) + step
            set_rate(
                optimiser,
                snapshot.scale * rate(options.schedule, at, steps_per_epoch=len(sizes), epochs=options.epochs),
            )
            lr = lr or max(group["lr"] for group in optimiser.param_groups)
            batch = slice(seen, seen + len(x))
            loss, right = self.step(suffix, optimiser, x, y[batch], weight[batch], options, snapshot)
            if not math.isfinite(loss):
                raise _DivergedError(Diverged(epoch=number, train_loss=loss))
            seen, loss_sum, correct = seen + len(x), loss_sum + loss, correct + right
            advance(snapshot.epoch * len(order) + seen)
        val_loss, val_accuracy = self.validate(suffix, maps)
        if not math.isfinite(val_loss) or loss_sum / seen > DIVERGED * max(snapshot.initial_loss, 1.0):
            raise _DivergedError(Diverged(epoch=number, train_loss=loss_sum / seen, val_loss=val_loss))
        return Epoch(
            phase=snapshot.phase + 1,
            epoch=number,
            train_loss=loss_sum / seen,
            train_accuracy=correct / seen,
            val_loss=val_loss,
            val_accuracy=val_accuracy,
            seconds=time.monotonic() - began,
            lr=lr,
        )

    def step(
        self,
        suffix: nn.Module,
        optimiser: torch.optim.Optimizer,
        x: Tensor,
        y: Tensor,
        weight: Tensor,
        options: Phase,
        snapshot: Snapshot,
    ) -> tuple[float, int]:
        """One step on a batch: its summed loss and how many were right. In parts if the whole does not fit in memory:
        the gradient is that of the whole batch all the same."""
        least = 2 if options.batch_norm == "train" else 1
        fitted = gradient_that_fits(
            suffix,
            optimiser,
            x,
            y,
            weight,
            snapshot.micro_batch,
            device=self.torch_device,
            half=snapshot.arithmetic[snapshot.phase] == "bf16",
            least=least,
        )
        if fitted.micro_batch != snapshot.micro_batch:
            snapshot.micro_batch = fitted.micro_batch
            assert fitted.micro_batch is not None
            snapshot.notes.append(MicroBatch(batch=len(x), micro=fitted.micro_batch))
        if options.clip is not None:
            parameters = [p for group in optimiser.param_groups for p in group["params"]]
            nn.utils.clip_grad_norm_(parameters, options.clip)
        optimiser.step()
        return fitted.loss, fitted.right

    def class_weights(self) -> Tensor:
        """(k,), with a mean of 1 over the training pictures."""
        counts = np.bincount(self.images.y[self.train], minlength=self.k)
        balanced = len(self.train) / (self.k * np.maximum(counts, 1)) if self.plan.balanced else np.ones(self.k)
        return torch.from_numpy(balanced.astype(np.float32))

    def validate(self, suffix: nn.Module, maps: ActivationCache) -> tuple[float, float]:
        """Mean log-loss in nats and accuracy on the validation pictures."""
        proba = self.val_proba(suffix, maps)
        y = self.images.y[self.val]
        # NaN stays NaN: a network that broke is not to look merely uncertain.
        losses = -np.log(np.maximum(proba[np.arange(len(y)), y], 1e-15))
        return float(losses.mean()), float((proba.argmax(axis=1) == y).mean())

    def val_proba(self, suffix: nn.Module, maps: ActivationCache) -> NDArray[np.float64]:
        """(n, k) probabilities of the validation pictures."""
        self.trainable.eval()
        return predict(suffix, maps, self.maps.rows(self.val))

    def history(self, snapshot: Snapshot) -> History:
        """All epochs so far."""
        return History(
            initial_loss=snapshot.initial_loss,
            initial_accuracy=snapshot.initial_accuracy,
            epochs=tuple(snapshot.epochs),
        )

    # ── result ──────────────────────────────────────────────────────────────────────────────────────────────────

    def result(self, snapshot: Snapshot) -> FineTuned:
        """What the snapshot after the last epoch says."""
        phase = snapshot.phase
        last, best = self.trainable.settle(snapshot.weights, snapshot.best or snapshot.weights)
        self.trainable.load(last)
        maps, suffix = self.maps.of(phase, snapshot.notes), self.trainable.suffix(phase)
        last_proba = self.val_proba(suffix, maps)
        self.trainable.load(best)
        best_proba = self.val_proba(suffix, maps)
        return FineTuned(
            plan=self.plan,
            classes=self.images.classes,
            history=self.history(snapshot),
            summaries=self.summaries,
            last=last,
            best=best,
            best_epoch=snapshot.best_epoch,
            last_proba=last_proba,
            best_proba=best_proba,
            runtime=maps.source.runtime.name if maps.source.runtime else f"torch f32 {self.torch_device}",
            notes=tuple(snapshot.notes),
            geometry=self.maps.geometry,
            trainable=self.trainable,
            _val_proba=lambda: self.val_proba(suffix, maps),
            _maps=lambda paths, digests: self.maps.of_files(phase, paths, digests, []),
            _phase=phase,
        )
