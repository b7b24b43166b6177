"""How long a run will take, said before it begins: from what there is to do, and what runs took on this machine before.

The seconds of a run are those in which the network answers, at the rate that it has here, and a sum over all else that
has to be done (`Work`), at rates that were measured once, times a factor for this machine: the median of what its last
runs took for what was foreseen. The record lies in the cache. Whether larger sizes are worth a look is known after the
first answer alone, so there are two ends of a run.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from headstart import cache_folder
from headstart.backbones.space import NetworkSpec
from headstart.errors import DiskError, UnreadableImageError
from headstart.features.extract import here
from headstart.features.table import FeatureTable, Workbench
from headstart.files import digest
from headstart.images.folder import ImageSet
from headstart.images.notes import Note, load_with_notes
from headstart.images.processes import CORES
from headstart.images.threads import cores
from headstart.images.transforms import FEW_SHOT_VIEWS, Geometry, View
from headstart.options import FitOptions
from headstart.probe.trials import ANSWERS, MOST_ROUNDS, ProbeOptions

REMEMBERED = 10
"""Last runs that the factor of a machine is the median of. Chosen: enough that one beside other work does not count."""
WIDEST = 20.0
"""Largest factor, and inverse of the smallest, that is believed."""
BEGINNING_S, EACH_S, CHOOSE_S = 0.8, 0.0005, 0.012
"""Seconds to the first answer on two cores, measured with ants and bees, cats and dogs, and fabric: whatever the
pictures are; by picture; and by the square root of answers · views · classes, to choose a head."""
SAMPLED, SAMPLED_S = 16, 0.1
"""Pictures, spread over all, by which it is told how long decoding takes, and seconds after which fewer are enough."""
DECODE_S = 0.0043
"""Seconds in which a core decodes and notes a picture of 500 × 375 pixels: taken where pictures are decoded in other
processes. A file that takes a decoder down is to end one of those, not this one."""
WRITE_S, WIDER, AGAIN = 1.0, 3, 0.5
"""Seconds in which a state is written that follows the first; times that a head takes at a larger size, where all
depths are tried; share of the time of decoding that it takes where nothing is noted."""
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
    decode: float = 0.0
    """Seconds in which all cores together decode a picture and note what is noted of it."""

    @property
    def first(self) -> float:
        """Seconds to the first answer, at the rates above, but for those of the network."""
        return BEGINNING_S + EACH_S * self.pictures + self.decode * self.base + self.choosing

    @property
    def choosing(self) -> float:
        """Seconds in which a head is chosen at one size."""
        views = len(FEW_SHOT_VIEWS) if self.fewest <= ProbeOptions.few else 1
        return CHOOSE_S * math.sqrt(max(self.train, min(MOST_ROUNDS * self.train, ANSWERS)) * views * self.classes)

    @property
    def sizes(self) -> float:
        """Seconds in which larger sizes are looked at, but for those of the network."""
        return WIDER * self.choosing + WRITE_S + AGAIN * self.decode * self.again

    @property
    def asked(self) -> int:
        """Pictures that a network without training answers."""
        return min(self.train, ASKED) if self.base else 0

    @property
    def questions(self) -> float:
        """Seconds of its last part, what may be doubted, but for those of the network."""
        return (
            QUESTIONS_S + QUESTION_S * self.train + (UNTRAINED_S + AGAIN * self.decode * self.asked) * (self.asked > 0)
        )


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


def work_of(images: ImageSet, bench: Workbench, sizes: Sequence[int], notes: Sequence[Note] = ()) -> Work:
    """What there is to do for these pictures; features that are in the store are not computed again.

    ``notes`` are taken of pictures that are decoded at the first of ``sizes``.
    """
    table, pictures = FeatureTable(images, bench), dict(zip(images.digests, images.paths, strict=True))
    missing: list[int] = []
    new: list[Path] = []
    for size in sizes:
        known = bench.store.known(table.space(size).key(View.CENTRE, "last"), set(pictures))
        missing.append(len(pictures) - len(known))
        new = new or [path for digest, path in pictures.items() if digest not in known]
    decodes_here = bench.engine is here and cores() < CORES
    decode = _decoding(new, table.space(sizes[0]).geometry, notes) if decodes_here else DECODE_S
    counts = images.train_counts
    return Work(
        pictures=len(images),
        train=int(counts.sum()),
        classes=len(images.classes),
        fewest=int(counts.min()),
        base=missing[0],
        again=sum(missing[1:]),
        larger=sum(count * (size / sizes[0]) ** 2 for count, size in zip(missing[1:], sizes[1:], strict=True)),
        decode=decode / cores() if new else 0.0,
    )


def _decoding(paths: Sequence[Path], geometry: Geometry, notes: Sequence[Note]) -> float:
    """Seconds in which one core decodes and notes a picture, on average; 0 where none can be read.

    What other threads do meanwhile is not counted, and neither is the first picture, which has Pillow loaded.
    """
    seconds: list[float] = []
    for i in np.random.default_rng(0).permutation(len(paths))[: SAMPLED + 1].tolist():
        began = time.thread_time()
        with suppress(UnreadableImageError, DiskError):  # which reading all of them will say
            load_with_notes(paths[i], geometry, (View.CENTRE,), notes)
            seconds.append(time.thread_time() - began)
        if sum(seconds[1:]) > SAMPLED_S:
            break
    return statistics.fmean(seconds[1:] or seconds or [0.0])


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
