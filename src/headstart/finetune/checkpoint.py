"""Where a fine-tuning run stands after an epoch: everything that the next epoch depends on, in one file.

The order of the pictures, their views and the dropout of an epoch follow from the seed and the number of the epoch;
so there is no state of a random generator to keep, and a run that goes on ends at the same weights, bit for bit.
"""

from __future__ import annotations

import os
import pickle
import time
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch

from headstart.errors import ModelError, OptionError, Problem, writing
from headstart.evaluation.curves import Epoch
from headstart.finetune.trainable import State

FORMAT = 2


@dataclass(kw_only=True)
class Snapshot:
    """The state of a run between two epochs."""

    weights: State
    """After the last epoch that was finished; of all tensors that any phase changes."""
    initial_loss: float
    """On validation, before any training; in nats."""
    initial_accuracy: float
    phase: int = 0
    """Position of the phase in the plan."""
    epoch: int = 0
    """Epochs of this phase that are finished."""
    epochs: list[Epoch] = field(default_factory=list)
    """Of all phases."""
    best: State | None = None
    """At the lowest validation loss of this phase; None before its first epoch."""
    best_epoch: int = 0
    """The number of that epoch, over the whole run; 0 for none."""
    best_loss: float = float("inf")
    stale: int = 0
    """Epochs since then."""
    optimiser: dict[str, Any] | None = None
    scale: float = 1.0
    """Of the learning rate: lowered once where the loss diverged."""
    micro_batch: int | None = None
    """Most pictures in memory together, where a whole batch did not fit."""
    arithmetic: dict[int, str] = field(default_factory=dict)
    """What each phase that has begun computes in: f32 or bf16."""
    stopped: bool = False
    """True after the loss diverged at the lowered rate as well."""
    notes: list[str] = field(default_factory=list)
    """What was decided on the way, for people."""

    def save(self, file: Path, run: str) -> None:
        """Write ``file`` in one step. ``run`` names everything that the weights depend on."""
        content: dict[str, Any] = {one.name: getattr(self, one.name) for one in fields(self)}
        content["epochs"] = [asdict(epoch) for epoch in self.epochs]
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_name(f".{file.name}-{os.getpid()}")
        try:
            with writing(file), unfinished.open("wb") as stream:
                torch.save({"format": FORMAT, "run": run, "snapshot": content}, stream)
                stream.flush()
                os.fsync(stream.fileno())
            unfinished.replace(file)
        finally:
            unfinished.unlink(missing_ok=True)

    @classmethod
    def load(cls, file: Path, run: str) -> Snapshot:
        """The snapshot in ``file``.

        Raises:
            ModelError: it cannot be read.
            OptionError: it is of another run.
        """
        try:
            found = torch.load(file, map_location="cpu", weights_only=True)
            version, of, content = found["format"], found["run"], found["snapshot"]
        except (OSError, RuntimeError, EOFError, KeyError, TypeError, pickle.UnpicklingError) as error:
            problem = Problem(expected="a readable checkpoint", found=f"{type(error).__name__}", todo="delete it")
            raise ModelError(f"checkpoint {file}", [problem]) from error
        if (version, of) != (FORMAT, run):
            problem = Problem(
                expected="the checkpoint of a run with the same pictures, weights, plan, seed and versions",
                found="one of another run",
                todo="give the options it was begun with, or delete it to begin anew",
            )
            raise OptionError(f"checkpoint {file}", [problem])
        return cls(**{**content, "epochs": [Epoch(**epoch) for epoch in content["epochs"]]})


def keep_newest(folder: Path, count: int = 8) -> None:
    """Remove old checkpoints of ``folder``: all but the newest ``count``, as far as a week old, or above 4 · count.

    Those of finished runs make a repeated run quick.
    """
    files = sorted((path for path in folder.iterdir() if path.is_file()), key=lambda path: path.stat().st_mtime)
    week = time.time() - 7 * 86_400
    for path in files[:-count]:
        if path.stat().st_mtime < week or len(files) > 4 * count:
            path.unlink(missing_ok=True)
