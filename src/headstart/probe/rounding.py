"""Whether a network that was asked to compute in 8 bits does: if a part of the images shows no harm.

Nothing else is computed in 8 bits: what is exported of such a model runs in float32 or rounds in another order, and so
answers otherwise than it by more than of a model that was not rounded (``benchmarks/int8.py``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headstart.arrays import Index
from headstart.errors import DataError
from headstart.evaluation.losses import mean_and_error
from headstart.features.table import FeatureTable
from headstart.images.notes import Note
from headstart.probe.trials import Candidate, ProbeOptions, Sample, Trials

TRIED_ON = 300
"""About how many images are computed both ways, or all. Exactly, they take two seconds more on two cores."""


@dataclass(frozen=True, kw_only=True)
class Rounding:
    """What computing in 8 bits does to out-of-fold log-loss."""

    n: int
    """Images computed both ways."""
    difference: float
    """Mean log-loss in 8 bits less that as it is without, in nats."""
    standard_error: float
    """Of the mean paired difference, whole groups of images being one."""
    used: bool
    """Whether all images are computed in 8 bits: where they are not worse by more than the standard error."""


def settled(
    table: FeatureTable, train: Index, options: ProbeOptions, *, notes: tuple[Note, ...] = ()
) -> tuple[FeatureTable, Rounding | None]:
    """The table with the network in the precision to use, and what decided it; None where 8 bits were not asked for.

    Args:
        table: of all images; no row need be there.
        train: images to learn from; the part is drawn from them.
        options: their base size counts.
        notes: taken in the same pass over the files.
    """
    size = options.sizes[0]
    if table.bench.network.precision != "int8" or table.space(size).runtime.precision != "int8":
        return table, None  # the second: of this network 8 bits are not to be had, which its notes say
    # the same images and folds whatever the seed: another seed must not find the store full of the other precision
    options = ProbeOptions(sizes=options.sizes, screen=TRIED_ON)
    try:
        trials = Trials(table, Sample.of(table, train, options), options)
    except DataError:  # too few of a class, which is said where the head is chosen
        return table, None
    sample = (trials.screening or trials).sample
    unreadable = list(table.fill(size, sample.index, notes=notes))  # said where all are computed
    sample = sample.part(~np.isin(sample.index, unreadable))
    candidate = Candidate(size=size, output="last", family="logistic regression")
    without = FeatureTable(table.images, table.bench.unrounded())
    exact, ours = (Trials(each, sample, options).trail(candidate).overall.losses for each in (without, table))
    mean, standard_error = mean_and_error(ours - exact, sample.groups)
    used = bool(mean <= standard_error)
    verdict = Rounding(n=len(sample.index), difference=mean, standard_error=standard_error, used=used)
    return (table if used else without), verdict
