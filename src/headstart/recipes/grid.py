"""Settings to compare: a grid over a recipe's options, or the rows of a published table, which are data here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, NamedTuple

from headstart.errors import OptionError, Problem
from headstart.finetune.plan import OPTIMISERS, RANGES, Departure, Optimiser, Phase
from headstart.recipes import records
from headstart.recipes.records import Recipe

MODES = {"frozen": "head", "full": "all"}
"""What is trained, by the name of a mode; any other name is where training begins, as in a plan."""
WORDS = {"size": "{} px", "lr": "lr {:g}", "batch": "batch {}"}
"""What a value is called in the name of a setting; others are called by the value alone."""
OPTIONS = {"lr": "--lr", "batch_size": "--batch-size", "size": "--size", "train_from": "--mode"}
"""What is typed for a value of a plan."""
MOMENTUM = 0.9
"""Of SGD where the recipe has another optimiser, and so no momentum of its own."""


class Row(NamedTuple):
    """One row: a recipe at one learning rate and batch size, and what the write-up measured."""

    name: str
    recipe: str
    """In :mod:`headstart.recipes.records`."""
    lr: float
    batch_size: int
    accuracy: float
    """The best validation accuracy of any epoch, of one seed, from 0 to 1."""
    seconds: int
    """On the machine of the write-up."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """“``better`` is better than ``worse``”, as the published figures have it; no ``worse`` means all other rows."""

    better: str
    worse: str | None = None


class TimeClaim(NamedTuple):
    """“``slower`` takes longer than ``faster``”, as the published times have it."""

    slower: str
    faster: str
    times: float
    """How many times as long it took there."""


@dataclass(frozen=True, kw_only=True)
class PublishedTable:
    """A table of a write-up."""

    name: str
    about: str
    n: int
    """Validation pictures that its accuracies were measured on."""
    rows: tuple[Row, ...]
    claims: tuple[Claim, ...]
    time_claims: tuple[TimeClaim, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What is trained the same way with every seed: a line of the table."""

    name: str
    recipe: Recipe
    published: Row | None = None


def grid(
    base: Recipe,
    *,
    backbones: Sequence[str] = (),
    sizes: Sequence[int] = (),
    lrs: Sequence[float] = (),
    batch_sizes: Sequence[int] = (),
    optimisers: Sequence[str] = (),
    modes: Sequence[str] = (),
    epochs: int | None = None,
) -> tuple[Setting, ...]:
    """Every combination; what is left empty stays as the recipe has it. A name says what varies, or what was asked for.

    The learning rate of a recipe of several phases is that of the first; the others keep their ratio to it. ``modes``
    are ``frozen``, ``full`` or where training begins, for a recipe of one phase. ``epochs`` replaces the recipe's.

    Raises:
        OptionError: a combination that has no meaning; all that is wrong with it.
    """
    _require_meaning(base, optimisers, modes, {"lr": lrs, "batch_size": batch_sizes, "size": sizes})
    axes: dict[str, Sequence[Any]] = {
        "backbone": backbones, "size": sizes, "optimiser": optimisers, "lr": lrs, "batch": batch_sizes, "mode": modes,
    }  # fmt: skip
    given = {name: list(dict.fromkeys(values)) for name, values in axes.items() if values}
    named = [name for name, values in given.items() if len(values) > 1] or list(given)
    settings = []
    for values in product(*given.values()):
        chosen = dict(zip(given, values, strict=True))
        varied = [WORDS.get(name, "{}").format(chosen[name]) for name in named]
        settings.append(Setting(name=" ".join(varied) or base.name, recipe=_varied(base, chosen, epochs)))
    return tuple(settings)


def in_common(settings: Sequence[Setting]) -> dict[str, str]:
    """What all settings share: option → value."""
    options = [_options(setting.recipe) for setting in settings]
    return {name: value for name, value in options[0].items() if all(other[name] == value for other in options)}


def _options(recipe: Recipe) -> dict[str, str]:
    """Option → value, of every phase where they may differ."""
    plan, phases = recipe.plan, recipe.plan.phases
    return {
        "backbone": recipe.backbone,
        "size": f"{plan.size} px",
        "training from": ", then ".join(phase.train_from for phase in phases),
        "epochs": " + ".join(str(phase.epochs) for phase in phases),
        "optimiser": ", then ".join(phase.optimiser.name for phase in phases),
        "lr": ", then ".join(f"{phase.optimiser.lr:g}" for phase in phases),
        "batch": ", then ".join(str(phase.batch_size) for phase in phases),
        "views": f"{plan.augment.kind}, {plan.augment.views}",
    }


def of_table(table: PublishedTable, backbones: Sequence[str] = (), *, epochs: int | None = None) -> tuple[Setting, ...]:
    """The rows of a published table. ``backbones`` stand in for its own, in the order in which they appear there.

    Raises:
        OptionError: more backbones than the table has.
    """
    own = list(dict.fromkeys(records.get(row.recipe).backbone for row in table.rows))
    if len(backbones) > len(own):
        todo = f"name at most {len(own)}, in place of {', '.join(own)}"
        found = f"{len(backbones)}: {', '.join(backbones)}"
        raise OptionError.of("--backbone", expected=f"backbones for table {table.name}", found=found, todo=todo)
    stand_in = dict(zip(own, backbones, strict=False))
    settings = []
    for row in table.rows:
        recipe = records.get(row.recipe)
        chosen = {"backbone": stand_in.get(recipe.backbone, recipe.backbone), "lr": row.lr, "batch": row.batch_size}
        settings.append(Setting(name=row.name, recipe=_varied(recipe, chosen, epochs), published=row))
    return tuple(settings)


def _require_meaning(
    base: Recipe, optimisers: Sequence[str], modes: Sequence[str], numbers: Mapping[str, Sequence[float]]
) -> None:
    problems = []
    for name, values in {**numbers, "train_from": [MODES.get(mode, mode) for mode in modes]}.items():
        expected, holds = RANGES[name]
        option = OPTIONS[name]
        problems += [
            Problem(expected=f"{option}: {expected}", found=str(value), todo=f"change {option}")
            for value in values
            if not holds(value)
        ]
    if modes and len(base.plan.phases) > 1:
        found = f"{len(base.plan.phases)} phases in {base.name}"
        todo = "leave out --mode, or take another recipe as the base"
        problems.append(Problem(expected="a recipe of one phase to vary the mode of", found=found, todo=todo))
    for name in optimisers:
        if name not in OPTIMISERS:
            expected = f"an optimiser: {', '.join(OPTIMISERS)}"
            problems.append(Problem(expected=expected, found=name, todo="change --optimiser"))
    if problems:
        raise OptionError("settings to compare", problems)


def _varied(base: Recipe, chosen: dict[str, Any], epochs: int | None) -> Recipe:
    """``base`` with what is ``chosen``; what is missing stays. The plan refuses what has no meaning."""
    recipe = base.on(chosen["backbone"]) if "backbone" in chosen else base
    if epochs and any(epochs < phase.epochs for phase in base.plan.phases):
        recipe = replace(recipe, departures=(*recipe.departures, Departure(kind="epochs", number=epochs)))
    plan, first = recipe.plan, recipe.plan.phases[0].optimiser.lr
    lr = chosen.get("lr", first)
    lrs = [lr, *(phase.optimiser.lr * (lr / first) for phase in plan.phases[1:])]
    phases = tuple(_phase(phase, chosen, lr, epochs) for phase, lr in zip(plan.phases, lrs, strict=True))
    return replace(recipe, plan=replace(plan, size=chosen.get("size", plan.size), phases=phases))


def _phase(phase: Phase, chosen: dict[str, Any], lr: float, epochs: int | None) -> Phase:
    optimiser = replace(phase.optimiser, lr=lr)
    if chosen.get("optimiser", optimiser.name) != optimiser.name:
        momentum = MOMENTUM if chosen["optimiser"] == "sgd" else 0.0
        optimiser = Optimiser(name=chosen["optimiser"], lr=lr, momentum=momentum)
    mode = chosen.get("mode", phase.train_from)
    return replace(
        phase,
        train_from=MODES.get(mode, mode),
        epochs=epochs or phase.epochs,
        batch_size=chosen.get("batch", phase.batch_size),
        optimiser=optimiser,
    )


TABLES = (
    PublishedTable(
        name="resnet18",
        about="Ants and bees: learning rate, batch size, and whether the backbone learns.",
        n=153,
        rows=(
            Row("A full", "resnet18-full", 1e-3, 8, 0.9542, 11 * 60 + 22),
            Row("A frozen", "resnet18-frozen", 1e-3, 8, 0.9412, 8 * 60 + 58),
            Row("B full", "resnet18-full", 1e-3, 4, 0.9346, 14 * 60 + 53),
            Row("B frozen", "resnet18-frozen", 1e-3, 4, 0.9542, 11 * 60 + 26),
            Row("C full", "resnet18-full", 0.1, 4, 0.9542, 9 * 60 + 24),
            Row("C frozen", "resnet18-frozen", 0.1, 4, 0.6797, 11 * 60 + 56),
            Row("VGG16 full", "vgg16-full", 1e-3, 8, 0.9346, 37 * 60 + 36),
            Row("VGG16 frozen", "vgg16-frozen", 1e-3, 8, 0.9739, 18 * 60 + 34),
        ),
        claims=(
            Claim(better="A full", worse="A frozen"),
            Claim(better="B frozen", worse="B full"),
            Claim(better="C full", worse="C frozen"),
            Claim(better="B frozen", worse="A frozen"),  # a smaller batch helps
            Claim(better="B frozen", worse="C frozen"),  # a high rate ruins the frozen head
            Claim(better="VGG16 frozen", worse="A frozen"),
            Claim(better="VGG16 frozen", worse="VGG16 full"),
            Claim(better="VGG16 frozen"),
        ),
        time_claims=(
            TimeClaim("A full", "A frozen", 1.27),
            TimeClaim("VGG16 full", "VGG16 frozen", 2.03),  # about twice as long
            TimeClaim("VGG16 full", "A full", 3.31),
            TimeClaim("VGG16 frozen", "A frozen", 2.07),
            TimeClaim("B full", "A full", 1.31),  # of the smaller batch
        ),
    ),
)


def published_table(name: str) -> PublishedTable:
    """The table of that name; raises OptionError with all names."""
    tables = {table.name: table for table in TABLES}
    if name not in tables:
        raise OptionError.of("--table", expected=f"one of {', '.join(tables)}", found=name, todo="name one of these")
    return tables[name]
