"""The outcome of fine-tuning: weights, curves, counts, and a network that predicts and can be deployed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

import torch

from headstart import files
from headstart.arrays import Floats
from headstart.backbones.space import Space
from headstart.evaluation.history import History
from headstart.finetune.activations import prepared
from headstart.finetune.notes import Diverged, Note
from headstart.finetune.phase_activations import PhaseActivations
from headstart.finetune.trainable import State, Summary
from headstart.probe.heads import LinearHead

Named = Literal["chosen", "last", "best"]
"""``chosen`` are those the plan ends with."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FineTuned:
    """What came out of a run."""

    activations: PhaseActivations = field(repr=False)
    phase: int
    """Position in the plan of the phase that ended last, whose cut predictions use."""
    history: History
    summaries: tuple[Summary, ...]
    """Counts of parameters, a phase each."""
    last: State = field(repr=False)
    """Tensors that training may have changed, after the last epoch."""
    best: State = field(repr=False)
    """After the epoch ``best_epoch``: the lowest validation loss of the last phase."""
    best_epoch: int
    """Over the whole run; 0 if there was none."""
    notes: tuple[Note, ...]
    """What was decided on the way."""

    @property
    def runtime(self) -> str:
        """What ran the frozen part of the last phase."""
        job, frozen = self.activations.job, self.activations.source(self.phase).runtime
        return frozen.name if frozen else f"torch {job.evaluates_in} {job.trains_on}"

    @property
    def diverged(self) -> tuple[Diverged, ...]:
        """Each time that the loss diverged."""
        return tuple(note for note in self.notes if isinstance(note, Diverged))

    @property
    def chosen(self) -> Literal["last", "best"]:
        """Which weights the plan ends with."""
        return self.activations.job.plan.phases[-1].keep

    @cached_property
    def last_proba(self) -> Floats:
        """(n, k) probabilities of the validation pictures with the weights ``last``."""
        return self.val_proba("last")

    def state(self, weights: Named | State = "chosen") -> State:
        """The tensors of that name, or the ones given."""
        if not isinstance(weights, str):
            return weights
        return self.best if (self.chosen if weights == "chosen" else weights) == "best" else self.last

    def mixed(self, share: float) -> State:
        """Weights between those at the start (0) and the chosen ones (1): WiSE-FT, Wortsman et al. 2022, eq. 1."""
        start = self.activations.trainable.start
        return {
            name: torch.lerp(start[name], value, share) if value.is_floating_point() else value
            for name, value in self.state().items()
        }

    def val_proba(self, weights: Named | State = "chosen") -> Floats:
        """Probabilities (n, k) of the validation pictures with these weights.

        ``best`` were chosen on these very pictures, so that figures made of them are too good.
        """
        self.activations.trainable.load(self.state(weights))
        return self.activations.val_proba(self.phase, [])

    def predict_proba(self, paths: Sequence[Path], *, weights: Named | State = "chosen") -> Floats:
        """Probabilities (n, k), a row per path.

        Raises:
            DataError: naming every picture that cannot be read.
        """
        self.activations.trainable.load(self.state(weights))
        computed = self.activations.of_files(self.phase, paths, [_digest(path) for path in paths], [])
        return self.activations.proba(self.phase, computed, range(len(paths)))

    def deploy(
        self, weights: Named | State = "chosen", *, temperature: float = 1.0, joined: bool = False
    ) -> tuple[Space, LinearHead]:
        """What a model directory is made of: a network whose row ``tuned`` the linear head reads.

        ``joined``: it reads what the pretrained network gives too, see `headstart.finetune.trainable.Trainable.served`.
        """
        job, trainable = self.activations.job, self.activations.trainable
        module, head = trainable.served(self.state(weights), temperature=temperature, joined=joined)
        cuts = [cut.at for cut in trainable.splits]
        read = repr(job.plan.head)
        runtime = prepared(module, job.network, head=read, cut=cuts, size=job.plan.size, joined=joined)
        return Space(runtime=runtime, geometry=self.activations.look.geometry), head


def _digest(path: Path) -> str:
    """SHA-256 of a file; of nothing where it cannot be read, which is said when its pixels are asked for."""
    try:
        return files.sha256(path)
    except OSError:
        return ""
