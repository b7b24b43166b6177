"""What a classifier is trained with: one record of options for the command line, Python and a recorded run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from numbers import Integral
from operator import index
from pathlib import Path
from typing import Any

from headstart.errors import OptionError, Problem
from headstart.schema import read_record

FINETUNE = ("auto", "never", "always")
UNTIL = ("first", "sizes", "finetuned", "all")
CLASS_WEIGHTS = (None, "balanced")
FILES = ("weights", "cost", "cache")
"""Options that name a file or a folder."""
SMALLEST_SIZE = 32
"""Pixels: below this side the last map of common networks is a single position."""
LARGEST_SEED = 2**32 - 1
"""The largest that NumPy and scikit-learn take."""
LARGEST_SIZE = 2048
"""Pixels. Chosen for memory: at this side the first maps of a batch of 16 take 2 GB and more."""


@dataclass(frozen=True, kw_only=True)
class FitOptions:
    """Everything that decides a model beside the pictures. Raises OptionError with all that is wrong at once."""

    backbone: str = "efficientnet_lite0"
    """A name from ``headstart backbones list``, or any timm name with its tag."""
    weights: str | None = None
    """A ``.pth`` or ``.safetensors`` file instead of the backbone's own weights, or ``"random"``."""
    sizes: tuple[int, ...] | None = None
    """Input sizes in pixels that may be tried; by default the backbone's own, and one 12/7 as large."""
    finetune: str = "auto"
    """``auto`` trains the upper part of the network too where there is something to win, and keeps it if it is better
    on held-out pictures; ``never``; ``always`` keeps it whatever comes out."""
    until: str = "all"
    """How far: to the ``first`` answer, at the base size, through larger ``sizes``, until ``finetuned``, or through
    ``all``: also what may be doubted about the pictures and the figure."""
    budget: float | None = None
    """Seconds after which nothing dearer is begun; by default no decision depends on the clock."""
    class_weight: str | None = None
    """``balanced`` lets every class count the same in the loss."""
    device: str = "auto"
    """``auto``, ``openvino``, ``torch`` (CPU), ``cuda`` or ``mps``."""
    precision: str = "auto"
    """``f32``; ``bf16`` where the hardware has it; ``int8`` if that does no harm, see `headstart.probe.rounding`;
    ``auto`` is ``f32``, in which exported files compute too, and on a GPU ``bf16``."""
    group_by: str | None = None
    """What names the pictures that belong together (one patient, one burst) and so never cross a fold: a column of the
    table, or a regular expression on the path below the folder, whose first group counts."""
    cost: str | None = None
    """A CSV or JSON file with what each answer costs for each truth, see `headstart.abstain.costs`."""
    random_state: int = 0
    """Seed of folds, samples and resampling."""
    cache: str | None = None
    """Folder of the feature store; by default the platform's cache folder."""

    def __post_init__(self) -> None:
        problems = []
        if self.sizes and self.sizes[0] < SMALLEST_SIZE:
            expected = f"sizes of {SMALLEST_SIZE} pixels or more"
            problems.append(Problem(expected=expected, found=str(self.sizes[0]), todo="raise it"))
        if self.sizes and self.sizes[-1] > LARGEST_SIZE:
            expected = f"sizes of {LARGEST_SIZE} pixels or less"
            problems.append(Problem(expected=expected, found=str(self.sizes[-1]), todo="lower it"))
        for name, allowed in (("finetune", FINETUNE), ("until", UNTIL), ("class_weight", CLASS_WEIGHTS)):
            if (value := getattr(self, name)) not in allowed:
                expected = f"{name} {' or '.join(repr(each) if each else 'None' for each in allowed)}"
                problems.append(Problem(expected=expected, found=repr(value), todo="use one of them"))
        if self.budget is not None and not (isinstance(self.budget, (int, float)) and 0 < self.budget < math.inf):
            todo = "leave it out, or raise it"
            problems.append(Problem(expected="a budget above 0 seconds", found=repr(self.budget), todo=todo))
        seed: Any = self.random_state
        if not (isinstance(seed, Integral) and 0 <= int(seed) <= LARGEST_SEED):
            expected, todo = f"a random_state from 0 to {LARGEST_SEED}", "give a whole number"
            problems.append(Problem(expected=expected, found=repr(seed), todo=todo))
        if problems:
            raise OptionError("options of training", problems)

    @classmethod
    def of(cls, **options: Any) -> FitOptions:
        """The same, from values as people give them: files as `Path`, sizes as any sequence, also twice the same."""
        files = {name: str(options[name]) for name in FILES if options.get(name) is not None}
        try:
            given = options.get("sizes")
            sizes = None if given is None else tuple(sorted({index(size) for size in given})) or None
        except TypeError as error:
            expected, found = "sizes as a list of whole numbers of pixels", repr(options["sizes"])
            raise OptionError.of("sizes", expected=expected, found=found, todo="write sizes=[224, 384]") from error
        return cls(**{**options, **files, "sizes": sizes})

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, from which `from_dict` makes the same options in any working directory."""
        document = asdict(self)
        document["sizes"] = None if self.sizes is None else list(self.sizes)
        for name in FILES:
            if document[name] not in (None, "random"):
                document[name] = str(Path(document[name]).absolute())
        return document

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> tuple[FitOptions, tuple[str, ...]]:
        """The options in a document, and the names in it that this version does not know; raises OptionError."""
        names = {field.name for field in fields(cls)}
        known = {name: value for name, value in document.items() if name in names}
        options = read_record(cls, known, "options of training", todo="train again", error=OptionError)
        return options, tuple(name for name in document if name not in names)


DEFAULTS = FitOptions()
