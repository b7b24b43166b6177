"""Where a fine-tuning run stands after an epoch: everything that the next epoch depends on, in one file.

The order of the pictures, their views and the dropout of an epoch follow from the seed and the number of the epoch;
so there is no state of a random generator to keep, and a run that goes on ends at the same weights, bit for bit.

The file is what ``torch.save`` writes, followed by the SHA-256 of that.
"""

from __future__ import annotations

import hashlib
import os
import pickle
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, BinaryIO

import torch

from headstart.errors import ModelError, OptionError
from headstart.evaluation.history import History
from headstart.files import replacing
from headstart.finetune.notes import Note, from_plain, to_plain
from headstart.finetune.trainable import State

FORMAT = 5
CHECKSUM = 32
"""Bytes of the SHA-256 at the end."""


@dataclass(kw_only=True)
class Snapshot:
    """The state of a run between two epochs."""

    weights: State
    """After the last epoch that was finished; of all tensors that any phase changes."""
    history: History
    """All epochs so far, of all phases."""
    phase: int = 0
    """Position of the phase in the plan."""
    epoch: int = 0
    """Epochs of this phase that are finished."""
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
    notes: list[Note] = field(default_factory=list)
    """What was decided on the way."""

    def save(self, file: Path, key: str) -> None:
        """Write ``file`` whole or not at all. ``key`` is that of the job."""
        content = {**vars(self), **self.history.to_dict(), "notes": [to_plain(note) for note in self.notes]}
        del content["history"]  # its fields lie beside the others
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as unfinished, unfinished.open("w+b") as stream:
            torch.save({"format": FORMAT, "run": key, "snapshot": content}, stream)
            stream.write(_checksum(stream, stream.tell()))
            stream.flush()
            os.fsync(stream.fileno())

    @classmethod
    def load(cls, file: Path, key: str) -> Snapshot:
        """The snapshot in ``file``, of the job of this key.

        Raises:
            ModelError: it cannot be read.
            OptionError: it is of another job, or in the format of another version.
        """
        try:
            with file.open("rb") as stream:
                if _checksum(stream, max(file.stat().st_size - CHECKSUM, 0)) != stream.read():
                    raise ValueError("another checksum")
                stream.seek(0)
                saved = torch.load(stream, map_location="cpu", weights_only=True)
            version, of, content = saved["format"], saved["run"], saved["snapshot"]
        except (OSError, RuntimeError, EOFError, KeyError, TypeError, ValueError, pickle.UnpicklingError) as error:
            what, found = f"checkpoint {file}", type(error).__name__
            raise ModelError.of(what, expected="a readable checkpoint", found=found, todo="delete it") from error
        if (version, of) != (FORMAT, key):
            raise OptionError.of(
                f"checkpoint {file}",
                expected="the checkpoint of a run with the same pictures, weights, plan, seed and versions",
                found="one of another run",
                todo="give the options it was begun with, or delete it to begin anew",
            )
        history = History.from_dict({each.name: content.pop(each.name) for each in fields(History)})
        return cls(**{**content, "history": history, "notes": [from_plain(note) for note in content["notes"]]})


def file_of(folder: Path, key: str) -> Path:
    """Where the checkpoint of a job lies in a folder of many; one in another format is not found there."""
    return folder / f"{key}-{FORMAT}"


def _checksum(stream: BinaryIO, length: int) -> bytes:
    """SHA-256 of the first ``length`` bytes; the stream stands behind them afterwards."""
    checksum = hashlib.sha256()
    stream.seek(0)
    while length and (block := stream.read(min(length, 1 << 20))):
        checksum.update(block)
        length -= len(block)
    return checksum.digest()
