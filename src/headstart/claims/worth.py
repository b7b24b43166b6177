"""What the figures of a chosen head are worth: transfer certificate, learning curve, accuracy by group."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headstart.claims.by_group import ByGroup, by_group, group_names
from headstart.claims.certificate import Certificate, subsample, transfer_certificate
from headstart.claims.learning_curve import LearningCurve, Whole, learning_curve
from headstart.claims.measured import Measurement
from headstart.claims.parts import FixedHead, Pictures
from headstart.features.table import FeatureTable
from headstart.probe.choice import Choice
from headstart.probe.trials import ProbeOptions

MOST_ON_THE_CURVE = 500
"""Images that a learning curve is measured on at most; its point for all images comes from the answers out of fold.
Chosen for its cost; the intervals are those of so many images."""


@dataclass(frozen=True, kw_only=True)
class Worth:
    """What was found out; None where the question has no meaning."""

    certificate: Certificate | None
    """None where the network has random weights itself."""
    curve: LearningCurve
    groups: ByGroup | None
    """None where there are no groups of five images or more."""


def measure_worth(table: FeatureTable, choice: Choice, quoted: Measurement, options: ProbeOptions) -> Worth:
    """Question a chosen head and the answers that are quoted.

    Args:
        table: of the images it was chosen on.
        choice: the head.
        quoted: the answers that are quoted first.
        options: the head was chosen with; their seed is also that of samples and folds.
    """
    images, chosen, network, seed = table.images, choice.candidate, table.bench.network, options.seed
    train = images.in_split("train")
    with table.bench.timed("learning curve"):
        sample = subsample(train, images.y, images.groups, images.digests, most=MOST_ON_THE_CURVE)
        pictures = Pictures(
            X=table.rows(chosen.size, chosen.output, sample, chosen.views),
            y=images.y[sample],
            groups=images.groups[sample],
            classes=images.classes,
        )
        head = FixedHead(family=chosen.family, strength=choice.strength, balanced=options.balanced)
        whole = None
        if len(sample) < len(train):
            proba = choice.proba[np.searchsorted(train, sample)]
            heads = choice.folds * choice.rounds
            fitted = round(len(train) * (1 - 1 / choice.folds))
            whole = Whole(n=len(train), fitted=fitted, heads=heads, proba=proba)
        curve = learning_curve(pictures, head, seed=seed, whole=whole)
    certificate = None
    if network.weights.origin != "random":
        with table.bench.timed("transfer certificate"):
            untrained = FeatureTable(images, table.bench.with_network(network.untrained()))
            size, output, channels = options.sizes[0], chosen.output, network.depth_channels()
            certificate = transfer_certificate(
                table, untrained, train, size=size, output=output, channels=channels, seed=seed
            )
    names = group_names(images)
    groups = by_group(quoted.proba.argmax(axis=1), images.y[quoted.index], [names[i] for i in quoted.index])
    return Worth(certificate=certificate, curve=curve, groups=groups)
