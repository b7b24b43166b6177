"""What was decided during a fine-tuning run, as facts; `headstart.report.finetuning_notes` has the words for them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, get_args

from headstart.backbones.runtime import RuntimeNote


@dataclass(frozen=True, kw_only=True)
class Diverged:
    """The training loss became no number, or far larger than it was: the weights before the epoch were restored."""

    epoch: int
    """From 1, over the whole run."""
    train_loss: float
    """In nats; may be NaN or infinite."""
    val_loss: float | None = None
    """None where the epoch was not finished."""
    lowered: float | None = None
    """Share of the learning rate with which training went on; None where it stopped."""

    @property
    def stopped(self) -> bool:
        """Whether training ended with it."""
        return self.lowered is None


@dataclass(frozen=True, kw_only=True)
class MicroBatch:
    """A batch did not fit in memory: its gradient is summed over parts."""

    batch: int
    """Pictures."""
    micro: int
    """Pictures of a part."""


@dataclass(frozen=True, kw_only=True)
class ArithmeticMeasured:
    """What a phase computes in, and the measurement that decided it; see `headstart.finetune.batches.measured`."""

    phase: int
    """From 1."""
    choice: str
    """``f32`` or ``bf16``."""
    f32: float
    """Shortest step, in seconds of processor time."""
    bf16: float
    cosine: float
    """Of the gradient in bf16 to that in f32."""


@dataclass(frozen=True, kw_only=True)
class TooLarge:
    """The outputs of the frozen part exceed the limit of the cache, and are computed again in every epoch."""

    needed: int
    """Bytes."""
    limit: int


@dataclass(frozen=True, kw_only=True)
class DiskFull:
    """The same, because the disk has no room for them."""

    folder: str


@dataclass(frozen=True, kw_only=True)
class Remade:
    """Kept outputs were not those of the network, and were computed again."""


@dataclass(frozen=True, kw_only=True)
class NotRepeatable:
    """This machine computed other outputs the second time, so none are kept."""


Note = Diverged | MicroBatch | ArithmeticMeasured | TooLarge | DiskFull | Remade | NotRepeatable | RuntimeNote
KINDS: dict[str, type[Note]] = {kind.__name__: kind for kind in get_args(Note)}


def to_plain(note: Note) -> dict[str, Any]:
    """A note in plain JSON types; numbers that JSON does not have become words."""
    plain = {name: str(value) if _is_no_number(value) else value for name, value in asdict(note).items()}
    return {"kind": type(note).__name__, **plain}


def from_plain(plain: Mapping[str, Any]) -> Note:
    """The inverse of `to_plain`. Raises KeyError for a kind that there is not."""
    values: dict[str, Any] = {
        name: float(value) if value in ("nan", "inf", "-inf") else value for name, value in plain.items()
    }
    return KINDS[values.pop("kind")](**values)


def _is_no_number(value: object) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
