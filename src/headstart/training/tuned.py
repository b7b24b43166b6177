"""What fine-tuning leaves: weights, curves, counts, and a network that predicts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch import nn

from headstart.evaluation.curves import History
from headstart.training.plan import Plan
from headstart.training.prefix import Maps
from headstart.training.steps import predict
from headstart.training.trainee import State, Summary, Trainee


@dataclass(frozen=True, kw_only=True)
class FineTuned:
    """What came out of a run."""

    plan: Plan
    classes: tuple[str, ...]
    history: History
    summaries: tuple[Summary, ...]
    """Counts of parameters, a phase each."""
    last: State = field(repr=False)
    """Tensors that training may have changed, after the last epoch."""
    best: State = field(repr=False)
    """After the epoch ``best_epoch``: the lowest validation loss of the last phase."""
    best_epoch: int
    """Over the whole run; 0 if there was none."""
    last_proba: NDArray[np.float64] = field(repr=False)
    """(n, k) probabilities of the validation pictures with the weights ``last``."""
    best_proba: NDArray[np.float64] = field(repr=False)
    """The same with the weights ``best``, which were chosen on these very pictures: flattered."""
    runtime: str
    """What ran the frozen part of the last phase."""
    notes: tuple[str, ...]
    """What was decided on the way, for people."""
    trainee: Trainee = field(repr=False)
    _maps: Callable[[Sequence[Path], Sequence[str]], Maps] = field(repr=False)
    _phase: int = field(repr=False)

    @property
    def chosen(self) -> Literal["last", "best"]:
        """Which weights the plan ends with."""
        return self.plan.phases[-1].keep

    def use(self, weights: Literal["chosen", "last", "best"] = "chosen") -> nn.Module:
        """The whole network with these weights, uint8 pictures (n, s, s, 3) → logits, in inference mode."""
        name = self.chosen if weights == "chosen" else weights
        self.trainee.load(self.best if name == "best" else self.last)
        return self.trainee.whole()

    def predict_proba(
        self, paths: Sequence[Path], *, weights: Literal["chosen", "last", "best"] = "chosen"
    ) -> NDArray[np.float64]:
        """Probabilities (n, k), a row per path.

        Raises:
            DataError: naming every picture that cannot be read.
        """
        self.use(weights)
        maps = self._maps(paths, [_digest(path) for path in paths])
        suffix = self.trainee.suffix(self._phase)
        return predict(suffix, maps, range(len(paths)))


def _digest(path: Path) -> str:
    """SHA-256 of a file; of nothing where it cannot be read, which is said when its pixels are asked for."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
