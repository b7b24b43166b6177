"""Whether a network computes in 8 bits: where the processor has no bf16, if a part of the images shows no harm.

The machine's kind and the number of images decide whether it is tried, never a clock, so that the same machine always
decides the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headstart.arrays import Index
from headstart.backbones.graph import computes_in_bf16
from headstart.errors import DataError
from headstart.evaluation.losses import mean_and_error
from headstart.features.table import FeatureTable, Workbench
from headstart.images.notes import Note
from headstart.probe.trials import Candidate, ProbeOptions, Sample, Trials

TRIED_ON = 300
"""About how many images are computed both ways. They take two seconds more in float32 on two cores."""
LEAST_TIMES = 6
"""So many times as many images there must be, so that 8 bits save more than the trial costs: of 2,000 images about a
tenth of the time to the first answer with VNNI, nothing without (``benchmarks/int8.py``)."""


@dataclass(frozen=True, kw_only=True)
class Rounding:
    """What computing in 8 bits does to out-of-fold log-loss."""

    n: int
    """Images computed both ways."""
    difference: float
    """Mean log-loss in 8 bits less that in float32, in nats."""
    standard_error: float
    """Of the mean paired difference, whole groups of images being one."""
    used: bool
    """Whether all images are computed in 8 bits: where they are not worse by more than the standard error."""


def tried(bench: Workbench, images: int) -> bool:
    """Whether `settled` tries 8 bits with so many images to learn from, as far as their number decides it."""
    bundled = bench.network.precision == "auto" and bench.network.needs_no_torch
    return bundled and images >= LEAST_TIMES * TRIED_ON and not computes_in_bf16()


def settled(
    table: FeatureTable, train: Index, options: ProbeOptions, *, notes: tuple[Note, ...] = ()
) -> tuple[FeatureTable, Rounding | None]:
    """The table with the network in the precision to use, and what decided it; None where that was not asked.

    Args:
        table: of all images; no row need be there.
        train: images to learn from; the part is drawn from them.
        options: their base size counts.
        notes: taken in the same pass over the files.
    """
    size = options.sizes[0]
    if not tried(table.bench, len(train)):
        return table, None
    # the same images and folds whatever the seed: another seed must not find the store full of the other precision
    options = ProbeOptions(sizes=options.sizes, screen=TRIED_ON)
    try:
        trials = Trials(table, Sample.of(table, train, options), options)
    except DataError:  # too few of a class, which is said where the head is chosen
        return table, None
    if (part := trials.screening) is None or len(train) < LEAST_TIMES * len(part.sample.index):
        return table, None
    rounded = FeatureTable(table.images, table.bench.rounded())
    if rounded.space(size).runtime.precision != "int8":  # of this network 8 bits are not to be had
        return table, None
    unreadable = list(rounded.fill(size, part.sample.index, notes=notes))  # said where all are computed
    sample = part.sample.part(~np.isin(part.sample.index, unreadable))
    candidate = Candidate(size=size, output="last", family="logistic regression")
    exact, ours = (Trials(each, sample, options).trail(candidate).overall.losses for each in (table, rounded))
    mean, standard_error = mean_and_error(ours - exact, sample.groups)
    used = bool(mean <= standard_error)
    verdict = Rounding(n=len(sample.index), difference=mean, standard_error=standard_error, used=used)
    return (rounded if used else table), verdict
