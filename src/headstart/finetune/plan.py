"""What a fine-tuning run does, as data: no torch, nothing that runs. `finetune` carries it out.

Every published recipe is one `Plan`. A plan is checked as a whole when it is made, and names all that is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, get_args, get_origin, get_type_hints

from headstart.errors import OptionError, Problem

Triple = tuple[float, float, float]

OPTIMISERS = ("sgd", "adam", "adamw", "rmsprop")
CUTS = "head, none, all, the name of a module, last:N, layers:N, or fraction:F with 0 < F ≤ 1"
"""What `Phase.train_from` may be, in words."""


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
    micro_batch: int | None = None
    """So many pictures of a batch go through at a time, and their gradients are summed, which takes less memory; None
    for all. With ``batch_norm="train"`` each part has a mean and a variance of its own."""
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


Changed = Literal["preprocessing", "head", "dropout"]
"""What another backbone brings with it."""


Unstated = Literal["head", "rate", "epochs", "batch", "crop"]
"""What a write-up may leave open, so that it had to be chosen here."""


@dataclass(frozen=True, kw_only=True)
class Departure:
    """A way in which a procedure is not what was published; `headstart.report.departures` says it in words."""

    kind: Literal[
        "statistics", "filter", "decoding", "epsilon", "framework", "index", "preprocessing", "version", "unstated",
        "epochs", "views", "rank", "rate", "batch", "backbone", "weights",
    ]  # fmt: skip
    """``statistics``: of batch norms in a frozen backbone; ``filter``: of pictures that are made smaller; ``decoding``
    of JPEG; ``epsilon``: of Adam; ``framework``: whose weights; ``index``: of the epoch that a phase begins with;
    ``preprocessing``: of the pixels; ``version``: another that the write-up has as well; ``unstated``: what was chosen
    here. The others are what was asked for in place of what was published."""
    number: int = 0
    """Most epochs of a phase, views of a picture, the rank of adapters, pictures of a batch, or epochs of a phase."""
    rate: float = 0.0
    """Of learning, in the first phase."""
    backbone: str = ""
    """That is used in place of the ``published`` one."""
    published: str = ""
    changed: tuple[Changed, ...] = ()
    unstated: tuple[Unstated, ...] = ()
    origin: str = ""
    """Of weights: ``random`` or ``file``."""


@dataclass(frozen=True, kw_only=True)
class Procedure:
    """A published way of training, and how it is carried out here."""

    name: str
    about: str
    """What it is known for, in a sentence."""
    backbone: str
    """Of the write-up; another may be put in its place."""
    plan: Plan
    published: str = ""
    """The results of the write-up, as it states them."""
    departures: tuple[Departure, ...] = ()
    """Where this is not what the write-up does."""


Check = tuple[str, object, str, bool]
"""Name of an option, its value, what it must be, whether it is."""


def _checks(plan: Plan) -> Iterator[Check]:
    yield from _of_fields(plan)
    yield from _of_fields(plan.head, "head ")
    linear, shape = plan.head.reads == "features" and not plan.head.hidden, f"{plan.head.reads} → {plan.head.hidden}"
    expected = "a linear head on the features, to begin with a probe's"
    yield "head start", shape, expected, plan.head.start != "probe" or linear
    yield from _of_fields(plan.augment, "augment ")
    if plan.lora is not None:
        yield from _of_fields(plan.lora, "lora ")
    if plan.backbone_dropout is not None:
        share = plan.backbone_dropout[1]
        yield "backbone_dropout", share, "above 0, below 1", 0 < share < 1
    yield "phases", plan.phases, "one or more", len(plan.phases) > 0
    for number, phase in enumerate(plan.phases, start=1):
        for part in (phase, phase.optimiser, phase.schedule):
            yield from _of_fields(part, f"phase {number} ")


def _of_fields(record: Any, prefix: str = "") -> Iterator[Check]:
    """Checks of the fields of a part of a plan: those whose type lists their values, and those in `RANGES`."""
    for name, kind in get_type_hints(type(record)).items():
        value, values = getattr(record, name), get_args(kind)
        if get_origin(kind) is Literal:
            option = type(record).__name__.lower() if name == "name" else name
            yield f"{prefix}{option}", value, " or ".join(values), value in values
        elif name in RANGES and value is not None:
            expected, holds = RANGES[name]
            yield f"{prefix}{name}", value, expected, holds(value)


def _begins_somewhere(train_from: str) -> bool:
    kind, _, amount = train_from.partition(":")
    if kind != "fraction":
        return amount.isdecimal() and int(amount) >= 1 if kind in ("last", "layers") else bool(amount or kind)
    try:
        return 0 < float(amount) <= 1
    except ValueError:
        return False


RANGES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "size": ("32 or more", lambda size: size >= 32),
    "crop_pct": ("more than 0, at most 1", lambda share: 0 < share <= 1),
    "std": ("three numbers above 0", lambda std: min(std) > 0),
    "hidden": ("widths of 1 or more", lambda widths: all(width >= 1 for width in widths)),
    "area": ("two shares above 0, at most 1, in order", lambda area: 0 < area[0] <= area[1] <= 1),
    "turn": ("from 0 to 0.5", lambda turn: 0 <= turn <= 0.5),
    "views": ("1 or more, or fresh", lambda views: views == "fresh" or (isinstance(views, int) and views >= 1)),
    "targets": ("one name or more", bool),
    "train_from": (CUTS, _begins_somewhere),
    "clip": ("above 0", lambda norm: norm > 0),
    "weight_decay": ("at least 0", lambda decay: decay >= 0),
    **dict.fromkeys(("alpha", "lr"), ("a number above 0", lambda number: 0 < number < float("inf"))),
    **dict.fromkeys(
        ("dropout", "hidden_dropout", "momentum", "warmup"), ("at least 0, below 1", lambda share: 0 <= share < 1)
    ),
    **dict.fromkeys(("layer_decay", "gamma"), ("above 0, at most 1", lambda factor: 0 < factor <= 1)),
    **dict.fromkeys(
        ("rank", "epochs", "batch_size", "patience", "step_size"), ("1 or more", lambda number: number >= 1)
    ),
}
"""What the options of a plan and of its parts must be, by name, and whether a value is."""
