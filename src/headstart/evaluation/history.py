"""What a training run recorded, epoch by epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from headstart.errors import DataError, Problem


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One pass over the training pictures. Losses in nats, accuracies from 0 to 1.

    Training figures are those of the batches themselves: with dropout and augmentation where there are any, and with
    weights that improve on the way. They may be worse than the validation figures, which are taken at the end.
    """

    phase: int
    """From 1."""
    epoch: int
    """From 1, over the whole run."""
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    seconds: float
    lr: float


@dataclass(frozen=True, kw_only=True)
class History:
    """All epochs of a run; loss and accuracy on validation before any training.

    Raises DataError if epochs do not count 1, 2, 3 …, phases skip or go back, or a number is not finite: a loop that
    diverges rolls back, and does not record it.
    """

    initial_loss: float
    initial_accuracy: float
    epochs: tuple[Epoch, ...] = ()

    def __post_init__(self) -> None:
        problems = []
        before = 0
        for i, epoch in enumerate(self.epochs, 1):
            if epoch.epoch != i or epoch.phase not in (max(before, 1), before + 1):
                found = f"phase {epoch.phase}, epoch {epoch.epoch} after phase {before}"
                expected = f"epoch {i}, of the same phase as the one before or the next"
                problems.append(Problem(expected=expected, found=found, todo="keep every epoch, in order"))
            before = epoch.phase
        numbers: dict[str, tuple[float, ...]] = {"the start": (self.initial_loss, self.initial_accuracy)}
        numbers |= {f"epoch {epoch.epoch}": tuple(map(float, asdict(epoch).values())) for epoch in self.epochs}
        problems += [
            Problem(expected="finite numbers", found=f"{values} in {name}", todo="end the history before it diverged")
            for name, values in numbers.items()
            if not all(map(math.isfinite, values))
        ]
        if problems:
            raise DataError("This is no history of a training run", problems)

    @property
    def phase_starts(self) -> tuple[int, ...]:
        """First epoch of each phase; the first is 1."""
        return tuple(phase[0].epoch for phase in self.phases)

    @property
    def phases(self) -> tuple[tuple[Epoch, ...], ...]:
        """The epochs of each phase."""
        numbers = dict.fromkeys(epoch.phase for epoch in self.epochs)
        return tuple(tuple(epoch for epoch in self.epochs if epoch.phase == number) for number in numbers)

    @property
    def best(self) -> Epoch:
        """Lowest validation loss, the first of equals. ValueError before the first epoch, as in the next two."""
        return min(self.epochs, key=lambda epoch: epoch.val_loss)

    @property
    def best_accuracy(self) -> Epoch:
        """Highest validation accuracy, the first of equals: chosen on the pictures it is measured on, so too high."""
        return max(self.epochs, key=lambda epoch: epoch.val_accuracy)

    @property
    def last(self) -> Epoch:
        """The last epoch, which was not chosen on validation."""
        if not self.epochs:
            raise ValueError("no epoch yet")
        return self.epochs[-1]

    @property
    def seconds(self) -> float:
        """Of all epochs."""
        return float(sum(epoch.seconds for epoch in self.epochs))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {**asdict(self), "epochs": [asdict(epoch) for epoch in self.epochs]}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> History:
        """The inverse of :meth:`to_dict`. DataError if something is missing or is not a history."""
        try:
            return cls(**{**plain, "epochs": tuple(Epoch(**epoch) for epoch in plain["epochs"])})
        except (KeyError, TypeError, ValueError) as error:
            problem = Problem(expected="what to_dict gave", found=str(error), todo="train again, or mend the file")
            raise DataError("This is no history of a training run", [problem]) from error
