"""Published tables of experiments, as data: their rows, their figures, and what was concluded from them."""

from __future__ import annotations

from dataclasses import dataclass

from headstart.errors import OptionError, Problem


@dataclass(frozen=True, kw_only=True)
class Row:
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


@dataclass(frozen=True, kw_only=True)
class PublishedTable:
    """A table of a write-up."""

    name: str
    about: str
    n: int
    """Validation pictures that its accuracies were measured on."""
    rows: tuple[Row, ...]
    claims: tuple[Claim, ...]


def _row(name: str, recipe: str, lr: float, batch_size: int, accuracy: float, minutes: int, seconds: int) -> Row:
    time = 60 * minutes + seconds
    return Row(name=name, recipe=recipe, lr=lr, batch_size=batch_size, accuracy=accuracy, seconds=time)


TABLES = (
    PublishedTable(
        name="resnet18",
        about="Ants and bees: learning rate, batch size, and whether the backbone learns.",
        n=153,
        rows=(
            _row("A full", "resnet18-full", 1e-3, 8, 0.9542, 11, 22),
            _row("A frozen", "resnet18-frozen", 1e-3, 8, 0.9412, 8, 58),
            _row("B full", "resnet18-full", 1e-3, 4, 0.9346, 14, 53),
            _row("B frozen", "resnet18-frozen", 1e-3, 4, 0.9542, 11, 26),
            _row("C full", "resnet18-full", 0.1, 4, 0.9542, 9, 24),
            _row("C frozen", "resnet18-frozen", 0.1, 4, 0.6797, 11, 56),
            _row("VGG16 full", "vgg16-full", 1e-3, 8, 0.9346, 37, 36),
            _row("VGG16 frozen", "vgg16-frozen", 1e-3, 8, 0.9739, 18, 34),
        ),
        claims=(
            Claim(better="A full", worse="A frozen"),
            Claim(better="B frozen", worse="B full"),
            Claim(better="C full", worse="C frozen"),
            Claim(better="B frozen", worse="C frozen"),
            Claim(better="VGG16 frozen", worse="VGG16 full"),
            Claim(better="VGG16 frozen"),
        ),
    ),
)


def get(name: str) -> PublishedTable:
    """The table of that name; raises OptionError with all names."""
    for table in TABLES:
        if table.name == name:
            return table
    names = ", ".join(table.name for table in TABLES)
    raise OptionError("--table", [Problem(expected=f"one of {names}", found=name, todo="name one of these")])
