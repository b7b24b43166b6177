"""How long a run will take, said before it begins: from what there is to do, and what runs took on this machine before.

The seconds of a run are a sum over what has to be done (`Work`), at rates that were measured once on a machine of two
cores, times a factor for this machine: the median of what its last runs took for what was foreseen at these rates. A
machine without a run is judged by how fast its network answers. The record lies in the cache.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from headstart import cache_folder
from headstart.backbones.space import NetworkSpec
from headstart.features.table import FeatureTable, Workbench
from headstart.files import digest
from headstart.images.folder import ImageSet
from headstart.images.transforms import View
from headstart.options import FitOptions

REMEMBERED = 10
"""Last runs that the factor of a machine is the median of. Chosen: enough that one beside other work does not count."""
WIDEST = 20.0
"""Largest factor, and inverse of the smallest, that is believed."""
# Measured on two Zen 3 cores with AVX2, in f32, by `benchmarks/forecast.py`.
BEGINNING_S, READ_S, CHOOSE_S, QUESTION_S = 4.0, 0.004, 0.003, 0.006
"""Seconds of a run that do not depend on the pictures, and by picture: to look for copies and write results; to choose
a head, by class too; and to question pictures and figure."""
PICTURES_PER_S = 110.0
"""That the bundled network answers at 224 pixels, there."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """What a run has to do."""

    pictures: int
    train: int
    """Pictures that are learned from."""
    classes: int
    base: float
    """Pictures whose features at the base size are to be computed, as many as pictures of 224 pixels cost as much."""
    larger: float
    """The same at larger sizes, if these are looked at."""

    @property
    def first(self) -> float:
        """Seconds to the first answer, at the rates above."""
        choosing = CHOOSE_S * self.train * math.log2(self.classes)
        return BEGINNING_S + READ_S * self.pictures + self.base / PICTURES_PER_S + choosing

    @property
    def sizes(self) -> float:
        """Seconds in which larger sizes are looked at."""
        return self.larger / PICTURES_PER_S + CHOOSE_S * self.train * math.log2(self.classes)

    @property
    def questions(self) -> float:
        """Seconds of its last part, what may be doubted."""
        return QUESTION_S * min(self.train, 500) + BEGINNING_S


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """Seconds that a run will take from now on."""

    first: float
    """To the first answer."""
    everything: float
    """In all, but for fine-tuning."""
    questions: float
    """Of these the last, in which pictures and figure are questioned."""
    may_tune: bool
    """Whether fine-tuning may come on top, which the answers before it decide on."""


def work_of(images: ImageSet, bench: Workbench, sizes: Sequence[int]) -> Work:
    """What there is to do for these pictures; features that are in the store are not computed again."""
    table, pictures = FeatureTable(images, bench), set(images.digests)
    costs = []
    for size in sizes:
        known = bench.store.known(table.space(size).key(View.CENTRE, "last"), pictures)
        costs.append((len(pictures) - len(known)) * (size / 224) ** 2)
    train = int(np.count_nonzero(images.split == "train"))
    base, *larger = costs
    return Work(pictures=len(images), train=train, classes=len(images.classes), base=base, larger=sum(larger))


def forecast(work: Work, bench: Workbench, options: FitOptions, size: int) -> Forecast:
    """The forecast for ``work`` with these options on this machine; ``size`` is the base size in pixels."""
    factors = _factors(bench.network)
    factor = statistics.median(factors) if factors else PICTURES_PER_S / (bench.rate(size) * (size / 224) ** 2)
    factor = min(max(factor, 1 / WIDEST), WIDEST)
    parts = (work.first, work.sizes if options.until != "first" else 0, work.questions if options.until == "all" else 0)
    first, sizes, questions = (factor * part for part in parts)
    may_tune = options.finetune != "never" and options.until in ("finetuned", "all")
    return Forecast(first=first, everything=first + sizes + questions, questions=questions, may_tune=may_tune)


def remember(work: Work, seconds: float, network: NetworkSpec) -> None:
    """Keep how long the first answer took with this network, for the forecasts of later runs."""
    factors = [*_factors(network), seconds / work.first][-REMEMBERED:]
    cache_folder.keep(_file(network), {"factors": factors})


def _factors(network: NetworkSpec) -> list[float]:
    kept = cache_folder.kept(_file(network))
    return [float(factor) for factor in kept["factors"]] if kept else []


def _file(network: NetworkSpec) -> Path:
    ran = {"architecture": network.backbone.architecture, "device": network.device, "precision": network.precision}
    return network.cache / "pace" / f"{digest(ran)}.json"
