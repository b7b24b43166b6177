"""What the figures of a fitted classifier are worth: transfer certificate, learning curve, accuracy by group."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from headstart.backbones import catalog
from headstart.backbones.depths import depth_channels
from headstart.claims.by_group import ByGroup, by_group, labels_of
from headstart.claims.certificate import Certificate, subsample, transfer_certificate
from headstart.claims.learning_curve import LearningCurve, learning_curve
from headstart.claims.parts import FixedHead, Pictures
from headstart.classifier import ImageClassifier, Measurement
from headstart.features.cache import cache_folder
from headstart.progress import Progress
from headstart.report.by_group import by_group_section
from headstart.report.certificate import certificate_document, certificate_section
from headstart.report.more_pictures import learning_curve_section
from headstart.report.section import Section

MOST_ON_THE_CURVE = 5000


@dataclass(frozen=True, kw_only=True)
class Worth:
    """What was found out; None where the question has no meaning."""

    certificate: Certificate | None
    """None where the network has random weights itself."""
    curve: LearningCurve
    groups: ByGroup | None
    """None where there are no groups of five pictures or more."""

    def sections(self) -> tuple[Section, ...]:
        """For the report, in the order in which people ask."""
        return (
            learning_curve_section(self.curve),
            *([by_group_section(self.groups)] if self.groups else []),
            *([certificate_section(self.certificate)] if self.certificate else []),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "certificate": certificate_document(self.certificate) if self.certificate else None,
            "learning_curve": self.curve.to_dict(),
            "by_group": self.groups.to_dict() if self.groups else None,
        }


def worth(
    classifier: ImageClassifier,
    measured: Measurement,
    *,
    groups: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> Worth:
    """Question a fitted classifier and the evaluation that is quoted first.

    ``groups`` (n,) names the group of every picture of ``classifier.images_``; without it groups are called by their
    first file. Seconds are added to ``classifier.timings_``. Same classifier, same answers.
    """
    images, chosen = classifier.images_, classifier.choice_.candidate
    train, seed = np.flatnonzero(images.split == "train"), classifier.random_state
    began = time.monotonic()
    with classifier.table(images, progress) as table:
        sample = subsample(train, images.y, images.groups, images.digests, seed=seed, most=MOST_ON_THE_CURVE)
        pictures = Pictures(
            X=table.rows(chosen.size, chosen.output, sample, chosen.views),
            y=images.y[sample],
            groups=images.groups[sample],
            classes=images.classes,
        )
        balanced = classifier.class_weight == "balanced"
        recipe = FixedHead(family=chosen.family, strength=classifier.choice_.strength, balanced=balanced)
        curve = learning_curve(pictures, recipe, seed=seed, total=len(train))
        classifier.timings_["learning curve"] = time.monotonic() - began
        began, certificate = time.monotonic(), None
        if classifier.weights != "random":
            untrained = ImageClassifier(**{**classifier.get_params(), "weights": "random"})
            cache = Path(classifier.cache) if classifier.cache else cache_folder()
            depths = depth_channels(catalog.get(classifier.backbone), cache=cache)
            with untrained.table(images, progress) as other:
                certificate = transfer_certificate(
                    table, other, train, size=chosen.size, output=chosen.output, channels=depths, seed=seed
                )
        classifier.timings_["transfer certificate"] = time.monotonic() - began
    names = labels_of(images.groups, images.paths) if groups is None else list(groups)
    found = by_group(measured.proba.argmax(axis=1), images.y[measured.index], [names[i] for i in measured.index])
    return Worth(certificate=certificate, curve=curve, groups=found)
