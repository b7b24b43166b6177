"""How long a run will take, said before it begins: from what there is to do, and what runs took on this machine before.

The seconds of a run are those in which the network answers, at the rate that it has here, and a sum over all else that
has to be done (`Work`), at rates that were measured once, times a factor for this machine: the median of what its last
runs took for what was foreseen. The record lies in the cache. Whether larger sizes are worth a look is known after the
first answer alone, so there are two ends of a run.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from headstart import cache_folder
from headstart.backbones.space import NetworkSpec
from headstart.features.table import FeatureTable, Workbench
from headstart.files import digest
from headstart.images.folder import ImageSet
from headstart.images.transforms import FEW_SHOT_VIEWS, View
from headstart.options import FitOptions
from headstart.probe.trials import ANSWERS, MOST_ROUNDS, ProbeOptions

REMEMBERED = 10
"""Last runs that the factor of a machine is the median of. Chosen: enough that one beside other work does not count."""
WIDEST = 20.0
"""Largest factor, and inverse of the smallest, that is believed."""
BEGINNING_S, EACH_S, DECODE_S, CHOOSE_S = 0.8, 0.0005, 0.0041, 0.012
"""Seconds to the first answer on two cores, measured with ants and bees, cats and dogs, and fabric: whatever the
pictures are; by picture; by picture that is decoded and noted; and by the square root of answers · views · classes, to
choose a head."""
WRITE_S, WIDER, AGAIN = 1.0, 3, 0.5
"""Seconds in which a state is written that follows the first; times that a head takes at a larger size, where all
depths are tried; share of `DECODE_S` that decoding takes where nothing is noted."""
QUESTIONS_S, QUESTION_S, UNTRAINED_S, ASKED = 1.5, 0.0004, 1.5, 300
"""Seconds of the last part, and by picture; those in which a network without training is made ready, which answers so
many pictures once more. Where the first features are in the store, so are those."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """What a run has to do."""

    pictures: int
    train: int
    """Pictures that are learned from."""
    classes: int
    fewest: int
    """Of these in the smallest class."""
    base: int
    """Pictures whose features at the base size are to be computed."""
    again: int
    """The same at larger sizes, if these are looked at."""
    larger: float
    """As many of the base size take as long as those."""

    @property
    def first(self) -> float:
        """Seconds to the first answer, at the rates above, but for those of the network."""
        return BEGINNING_S + EACH_S * self.pictures + DECODE_S * self.base + self.choosing

    @property
    def choosing(self) -> float:
        """Seconds in which a head is chosen at one size."""
        views = len(FEW_SHOT_VIEWS) if self.fewest <= ProbeOptions.few else 1
        return CHOOSE_S * math.sqrt(max(self.train, min(MOST_ROUNDS * self.train, ANSWERS)) * views * self.classes)

    @property
    def sizes(self) -> float:
        """Seconds in which larger sizes are looked at, but for those of the network."""
        return WIDER * self.choosing + WRITE_S + AGAIN * DECODE_S * self.again

    @property
    def asked(self) -> int:
        """Pictures that a network without training answers."""
        return min(self.train, ASKED) if self.base else 0

    @property
    def questions(self) -> float:
        """Seconds of its last part, what may be doubted, but for those of the network."""
        return QUESTIONS_S + QUESTION_S * self.train + (UNTRAINED_S + AGAIN * DECODE_S * self.asked) * (self.asked > 0)


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """Seconds that a run will take, from its beginning on."""

    first: float
    """To the first answer."""
    least: float
    """In all, if nothing more than the first answer is worth a look."""
    most: float
    """In all, with larger sizes, but without fine-tuning."""
    questions: float
    """Of these the last, in which pictures and figure are questioned."""
    may_tune: bool
    """Whether fine-tuning may come on top, which the answers before it decide on."""


def work_of(images: ImageSet, bench: Workbench, sizes: Sequence[int]) -> Work:
    """What there is to do for these pictures; features that are in the store are not computed again."""
    table, pictures = FeatureTable(images, bench), set(images.digests)
    missing = []
    for size in sizes:
        known = bench.store.known(table.space(size).key(View.CENTRE, "last"), pictures)
        missing.append(len(pictures) - len(known))
    counts = images.train_counts
    return Work(
        pictures=len(images),
        train=int(counts.sum()),
        classes=len(images.classes),
        fewest=int(counts.min()),
        base=missing[0],
        again=sum(missing[1:]),
        larger=sum(count * (size / sizes[0]) ** 2 for count, size in zip(missing[1:], sizes[1:], strict=True)),
    )


def forecast(work: Work, bench: Workbench, options: FitOptions, size: int) -> Forecast:
    """The forecast for ``work`` with these options on this machine; ``size`` is the base size in pixels."""
    before = _Pace.of(bench.network)
    factor = min(max(statistics.median(before.factors or [1.0]), 1 / WIDEST), WIDEST)
    if bench.measured is None and not work.base:  # the network may not be needed at all: take what it did before
        bench.measured = before.rate
    picture = 1 / bench.rate(size) if work.base or work.larger else 0.0
    sizes = factor * work.sizes + work.larger * picture if options.until != "first" else 0.0
    questions = factor * work.questions + work.asked * picture if options.until == "all" else 0.0
    first = bench.clock.elapsed + factor * work.first + work.base * picture
    may_tune = options.finetune != "never" and options.until in ("finetuned", "all")
    least = first + questions
    return Forecast(first=first, least=least, most=least + sizes, questions=questions, may_tune=may_tune)


def remember(work: Work, seconds: float, bench: Workbench, size: int) -> None:
    """Keep how long the first answer took from the forecast on, for those of later runs."""
    network = work.base / bench.rate(size) if work.base else 0.0
    factors = [*_Pace.of(bench.network).factors, max(seconds - network, 0.0) / work.first][-REMEMBERED:]
    cache_folder.keep(_file(bench.network), {"factors": factors, "rate": bench.measured})


class _Pace(NamedTuple):
    """What is remembered of the runs with a network."""

    factors: list[float]
    """Seconds for seconds that were foreseen, of the last runs."""
    rate: tuple[float, int] | None
    """Images per second, and at which input size, as `Workbench.measured`; None where it was never needed."""

    @classmethod
    def of(cls, network: NetworkSpec) -> _Pace:
        kept = cache_folder.kept(_file(network)) or {}
        rate = kept.get("rate")
        return cls(list(map(float, kept.get("factors", []))), (float(rate[0]), int(rate[1])) if rate else None)


def _file(network: NetworkSpec) -> Path:
    ran = {"architecture": network.backbone.architecture, "device": network.device, "precision": network.precision}
    return network.cache / "pace" / f"{digest(ran)}.json"
