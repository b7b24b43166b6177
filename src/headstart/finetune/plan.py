"""What a fine-tuning run does, as data: no torch, nothing that runs. `finetune` carries it out.

Every published recipe is one `Plan`. A plan is checked as a whole when it is made, and names all that is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from headstart.errors import OptionError, Problem
from headstart.images.transforms import KINDS

Triple = tuple[float, float, float]

OPTIMISERS = ("sgd", "adam", "adamw", "rmsprop")
SCHEDULES = ("constant", "step", "cosine", "one-cycle")
CUTS = "head, none, all, the name of a module, last:N, layers:N, or fraction:F with 0 < F ≤ 1"
"""What `Phase.train_from` may be, in words."""
READS = ("features", "pooled map", "map")
STARTS = ("fresh", "glorot", "probe")


@dataclass(frozen=True, kw_only=True)
class Optimiser:
    """How a gradient becomes a step."""

    name: Literal["sgd", "adam", "adamw", "rmsprop"] = "adamw"
    lr: float = 1e-4
    """Learning rate at the height of the schedule, above 0."""
    momentum: float = 0.0
    """Of SGD, where 0.9 is usual, and of RMSprop; in [0, 1). The others have their own."""
    weight_decay: float = 0.0
    """Of matrices and kernels; biases and normalisations never decay."""
    layer_decay: float = 1.0
    """The learning rate is multiplied by this once for each stage below the head, in (0, 1]."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How the learning rate changes during a phase."""

    name: Literal["constant", "step", "cosine", "one-cycle"] = "constant"
    step_size: int = 7
    """Epochs between two drops of ``step``."""
    gamma: float = 0.1
    """What ``step`` multiplies the rate by, in (0, 1]."""
    warmup: float = 0.0
    """Share of the phase, in [0, 1), during which the rate rises to its height."""


@dataclass(frozen=True, kw_only=True)
class Head:
    """What is put on the network: ``dropout → (dense → relu → hidden_dropout)… → logits``."""

    reads: Literal["features", "pooled map", "map"] = "features"
    """``features`` is what the network's own classifier would see; ``pooled map`` the last map's mean over all
    positions; ``map`` every number of it, as VGG's 25,088."""
    dropout: float = 0.0
    """Share of the head's inputs that is dropped, in [0, 1)."""
    hidden: tuple[int, ...] = ()
    """Widths of the dense layers between."""
    hidden_dropout: float = 0.0
    """Share that is dropped after each of them, in [0, 1)."""
    logit: Literal["per class", "one"] = "per class"
    """``one`` logit with binary cross-entropy, for two classes; else cross-entropy."""
    start: Literal["fresh", "glorot", "probe"] = "fresh"
    """``fresh``: weights as torch draws them; ``glorot``: as Keras does, uniform within √(6 / (inputs + outputs)) of 0,
    biases 0 (Glorot and Bengio 2010); ``probe``: those of a linear head fitted before (LP-FT, Kumar et al. 2022)."""


@dataclass(frozen=True, kw_only=True)
class Lora:
    """Low-rank adapters that learn in place of a vision transformer's own weights; see `headstart.finetune.lora`."""

    rank: int = 8
    alpha: float = 16.0
    """The adapters' product is multiplied by alpha / rank."""
    targets: tuple[str, ...] = ("qkv", "proj")
    """Names of linear layers of attention, the last part of each: timm's for queries, keys and values, and output."""


@dataclass(frozen=True, kw_only=True)
class Augment:
    """How pictures are varied in training. Validation always sees the plain view."""

    kind: Literal["none", "crop", "rotate"] = "none"
    """``crop``: a random resized crop; ``rotate``: the plain view turned; both mirrored in half of the cases."""
    area: tuple[float, float] = (0.35, 1.0)
    """Least and greatest share of the picture in a ``crop``."""
    turn: float = 0.2
    """Greatest rotation either way, in full turns."""
    views: int | Literal["fresh"] = 4
    """Fixed views of each picture, of which an epoch shows one: what is frozen is computed once for each. ``fresh``:
    new views in every epoch."""


@dataclass(frozen=True, kw_only=True)
class Phase:
    """Some epochs with the same part of the network learning."""

    train_from: str = "head"
    """``head`` or ``none``: only the head learns, nothing of the backbone; ``all``: everything; the name of a module:
    it and what runs after it; ``last:N``: the last N stages; ``layers:N``: the last N convolutions and linear layers;
    ``fraction:F``: the fewest last stages that hold at least the share F of the parameters of all stages."""
    epochs: int = 10
    """At most."""
    optimiser: Optimiser = field(default_factory=Optimiser)
    schedule: Schedule = field(default_factory=Schedule)
    batch_size: int = 32
    batch_norm: Literal["eval", "train"] = "eval"
    """Whether batch norms that learn keep their ImageNet statistics, or use and update those of each batch. Frozen
    ones always keep theirs."""
    keep: Literal["last", "best"] = "last"
    """Which weights the phase ends with: those of its last epoch, or of the lowest validation loss."""
    patience: int | None = None
    """Stop after this many epochs without a lower validation loss."""
    clip: float | None = None
    """Greatest norm of the gradient."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A whole fine-tuning run.

    Raises:
        OptionError: when made, naming every value that has no meaning.
    """

    size: int
    """Side of the network's input, in pixels."""
    mode: Literal["crop", "squash"] = "crop"
    """How a picture becomes a square; see `headstart.images.transforms.Geometry`."""
    crop_pct: float | None = None
    """Share of the shorter side that ``crop`` keeps; the backbone's own unless given. Also of the next three."""
    interpolation: str | None = None
    mean: Triple | None = None
    """Subtracted from red, green, blue in [0, 1]."""
    std: Triple | None = None
    head: Head = field(default_factory=Head)
    augment: Augment = field(default_factory=Augment)
    lora: Lora | None = None
    """Adapters, which are then all that learns of the backbone after the cut of each phase."""
    backbone_dropout: tuple[str, float] | None = None
    """Name of a module of the backbone, and the share that its dropouts drop in training, even if nothing there
    learns."""
    phases: tuple[Phase, ...] = (Phase(),)
    balanced: bool = False
    """Weight the loss so that every class counts the same."""

    def __post_init__(self) -> None:
        problems = [
            Problem(expected=f"{name}: {expected}", found=repr(value), todo=f"change {name}")
            for name, value, expected, holds in _checks(self)
            if not holds
        ]
        if problems:
            raise OptionError("plan of fine-tuning", problems)

    def to_dict(self) -> dict[str, Any]:
        """The plan, ready for JSON."""
        return asdict(self)


Check = tuple[str, object, str, bool]
"""Name of an option, its value, what it must be, whether it is."""


def _checks(plan: Plan) -> Iterator[Check]:
    yield "size", plan.size, "32 or more", plan.size >= 32
    yield "mode", plan.mode, "crop or squash", plan.mode in ("crop", "squash")
    yield "crop_pct", plan.crop_pct, "more than 0, at most 1", plan.crop_pct is None or 0 < plan.crop_pct <= 1
    yield "std", plan.std, "three numbers above 0", plan.std is None or min(plan.std) > 0
    yield from _head_checks(plan.head)
    yield from _augment_checks(plan.augment)
    if plan.lora is not None:
        yield "lora rank", plan.lora.rank, "1 or more", plan.lora.rank >= 1
        yield "lora alpha", plan.lora.alpha, "a number above 0", 0 < plan.lora.alpha < float("inf")
        yield "lora targets", plan.lora.targets, "one name or more", bool(plan.lora.targets)
    if plan.backbone_dropout is not None:
        share = plan.backbone_dropout[1]
        yield "backbone_dropout", share, "above 0, below 1", 0 < share < 1
    yield "phases", plan.phases, "one or more", len(plan.phases) > 0
    for number, phase in enumerate(plan.phases, start=1):
        yield from _phase_checks(phase, f"phase {number}")


def _head_checks(head: Head) -> Iterator[Check]:
    yield "head reads", head.reads, " or ".join(READS), head.reads in READS
    yield "head dropout", head.dropout, "at least 0, below 1", 0 <= head.dropout < 1
    yield "head hidden", head.hidden, "widths of 1 or more", all(width >= 1 for width in head.hidden)
    yield "head hidden_dropout", head.hidden_dropout, "at least 0, below 1", 0 <= head.hidden_dropout < 1
    yield "head logit", head.logit, "per class or one", head.logit in ("per class", "one")
    yield "head start", head.start, " or ".join(STARTS), head.start in STARTS
    linear = not head.hidden and head.reads == "features"
    shape = f"{head.reads} → {head.hidden}"
    yield "head start", shape, "a linear head on the features, to begin with a probe's", head.start != "probe" or linear


def _augment_checks(augment: Augment) -> Iterator[Check]:
    low, high = augment.area
    yield "augment kind", augment.kind, " or ".join(KINDS), augment.kind in KINDS
    yield "augment area", augment.area, "two shares above 0, at most 1, in order", 0 < low <= high <= 1
    yield "augment turn", augment.turn, "from 0 to 0.5", 0 <= augment.turn <= 0.5
    counted = augment.views == "fresh" or (isinstance(augment.views, int) and augment.views >= 1)
    yield "augment views", augment.views, "1 or more, or fresh", counted


def _phase_checks(phase: Phase, name: str) -> Iterator[Check]:
    kind, _, amount = phase.train_from.partition(":")
    sound = {"last": _is_count, "layers": _is_count, "fraction": _is_share}.get(kind, bool)
    yield f"{name} train_from", phase.train_from, CUTS, sound(amount or kind)
    yield f"{name} epochs", phase.epochs, "1 or more", phase.epochs >= 1
    yield f"{name} batch_size", phase.batch_size, "1 or more", phase.batch_size >= 1
    yield f"{name} batch_norm", phase.batch_norm, "eval or train", phase.batch_norm in ("eval", "train")
    yield f"{name} keep", phase.keep, "last or best", phase.keep in ("last", "best")
    yield f"{name} patience", phase.patience, "1 or more", phase.patience is None or phase.patience >= 1
    yield f"{name} clip", phase.clip, "above 0", phase.clip is None or phase.clip > 0
    optimiser, schedule = phase.optimiser, phase.schedule
    yield f"{name} optimiser", optimiser.name, " or ".join(OPTIMISERS), optimiser.name in OPTIMISERS
    yield f"{name} lr", optimiser.lr, "a number above 0", 0 < optimiser.lr < float("inf")
    yield f"{name} momentum", optimiser.momentum, "at least 0, below 1", 0 <= optimiser.momentum < 1
    yield f"{name} weight_decay", optimiser.weight_decay, "at least 0", optimiser.weight_decay >= 0
    yield f"{name} layer_decay", optimiser.layer_decay, "above 0, at most 1", 0 < optimiser.layer_decay <= 1
    yield f"{name} schedule", schedule.name, " or ".join(SCHEDULES), schedule.name in SCHEDULES
    yield f"{name} step_size", schedule.step_size, "1 or more", schedule.step_size >= 1
    yield f"{name} gamma", schedule.gamma, "above 0, at most 1", 0 < schedule.gamma <= 1
    yield f"{name} warmup", schedule.warmup, "at least 0, below 1", 0 <= schedule.warmup < 1


def _is_count(text: str) -> bool:
    return text.isdecimal() and int(text) >= 1


def _is_share(text: str) -> bool:
    try:
        return 0 < float(text) <= 1
    except ValueError:
        return False
