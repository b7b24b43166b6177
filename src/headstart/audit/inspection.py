"""Doubts about the images a head was chosen on, from rows and answers that are there anyway."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from headstart.audit.deduplication import Deduplicated
from headstart.audit.findings import Findings, check
from headstart.audit.summary import Audit
from headstart.features.table import FeatureTable
from headstart.images import facts
from headstart.probe.choice import Choice


def inspect(
    table: FeatureTable,
    choice: Choice,
    *,
    audit: Audit,
    deduplicated: Deduplicated,
    base_size: int,
    input_size: int,
    seed: int,
) -> Findings:
    """Look for everything that can be doubted about the images of the table, on which ``choice`` was made.

    Args:
        table: of ``deduplicated.images``.
        choice: the head; training images are doubted by its out-of-fold answers.
        audit: what counting and hashing found.
        deduplicated: the copies.
        base_size: input size in pixels of the rows among which outliers are looked for.
        input_size: the size the network was made for; images with half of it on their shorter side are tiny.
        seed: of folds, samples and shuffles.
    """
    kept = list(table.remembered(facts.SPACE, facts.packed, stage="looking at the files"))
    return check(
        table.images,
        unseen_proba(table, choice),
        table.rows(base_size, "last", np.arange(len(table.images))),
        audit=audit,
        facts=facts.unpacked(table.images.paths, kept),
        input_size=input_size,
        clusters=_clusters(deduplicated),
        seed=seed,
    )


def unseen_proba(table: FeatureTable, choice: Choice) -> NDArray[np.float64]:
    """Probabilities (n, k) of every image from a head that was not fitted on it.

    Training images are answered out of fold, the others by the head itself. Good for doubting images; an accuracy
    taken from it would be too high, because the head was chosen by these answers.
    """
    images = table.images
    proba = np.empty((len(images), len(images.classes)))
    proba[images.split == "train"] = choice.proba
    if len(others := np.flatnonzero(images.split != "train")):
        X = table.rows(choice.candidate.size, choice.candidate.output, others)
        proba[others] = choice.head.predict_proba(X)
    return proba


def _clusters(deduplicated: Deduplicated) -> NDArray[np.int64]:
    """(n,) the same number for the images of ``deduplicated.images`` that show the same."""
    given = deduplicated.found.images
    clusters = np.unique(given.digests, return_inverse=True)[1].astype(np.int64)
    for members in deduplicated.found.clusters:
        clusters[list(members)] = clusters[members[0]]
    return np.delete(clusters, deduplicated.dropped)
