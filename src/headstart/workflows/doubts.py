"""What can be doubted about a classifier and the pictures it learned from, by features that are in the store."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.audit.deduplication import Deduplicated
from headstart.audit.findings import Findings, check
from headstart.audit.leak import Leak, measure_leak
from headstart.backbones import catalog
from headstart.classifier import ImageClassifier, Measurement
from headstart.deploy.model import FAMILIAR
from headstart.deploy.reference import Reference, relative_names, sample, unit
from headstart.images import facts
from headstart.progress import Progress
from headstart.report.pictures import copy_lines, finding_lines, leak_sentence
from headstart.workflows.worth import Worth, worth


@dataclass(frozen=True, kw_only=True)
class Doubts:
    """Everything that was questioned after training. Same classifier, same answers."""

    findings: Findings
    """About the pictures."""
    leak: Leak | None
    """What copies would have added to the number; None without copies."""
    worth: Worth
    """What the number is worth, and what would raise it."""
    copies: tuple[str, ...]
    """What was done about copies, in words."""

    @classmethod
    def of(cls, classifier: ImageClassifier, first: Measurement, progress: Progress | None = None) -> Doubts:
        """Question a fitted classifier and the evaluation that is quoted first; adds to ``classifier.timings_``."""
        start = time.monotonic()
        findings, leak = findings_of(classifier, progress), leak_of(classifier, progress)
        classifier.timings_["checking the pictures"] = time.monotonic() - start
        questioned = worth(classifier, first, progress=progress)
        return cls(findings=findings, leak=leak, worth=questioned, copies=tuple(copy_lines(classifier.deduplicated_)))

    def lines(self) -> list[str]:
        """Plain sentences about the pictures, the most serious first."""
        return [*finding_lines(self.findings), *self.copies]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        leak = leak_sentence(self.leak) if self.leak else None
        return {"findings": self.lines(), "leak": leak, **self.worth.to_dict()}


def leak_of(classifier: ImageClassifier, progress: Progress | None = None) -> Leak | None:
    """What learning from copies of what it is measured on would have added to the accuracy; None without copies."""
    with classifier.table(classifier.deduplicated_.found.images, progress) as table:
        return measure_leak(table, classifier.deduplicated_, classifier.choice_, classifier.options())


def unseen(
    classifier: ImageClassifier, progress: Progress | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Of every picture: probabilities (n, k) from a head that was not fitted on it, and features (n, d).

    Training pictures are judged out of fold, the others by the head itself. The features are the backbone's last
    layer at the smallest size. Good for doubting pictures; an accuracy would be flattered by the choice of a head.
    """
    images, choice = classifier.images_, classifier.choice_
    everything = np.arange(len(images))
    others = np.flatnonzero(images.split != "train")
    proba = np.empty((len(everything), len(images.classes)))
    proba[images.split == "train"] = choice.proba
    with classifier.table(progress=progress) as table:
        if len(others):
            X = table.rows(choice.candidate.size, choice.candidate.output, others)
            proba[others] = choice.head.predict_proba(X)
        return proba, table.rows(classifier.options().sizes[0], "last", everything)


def findings_of(classifier: ImageClassifier, progress: Progress | None = None) -> Findings:
    """Check the pictures that a classifier was fitted on."""
    images = classifier.images_
    proba, X = unseen(classifier, progress)
    with classifier.table(progress=progress) as table:
        kept = list(table.remembered(facts.SPACE, facts.packed, stage="looking at the files"))
    return check(
        images,
        proba,
        X,
        audit=classifier.audit_,
        facts=facts.unpacked(images.paths, kept),
        input_size=catalog.get(classifier.backbone).input_size,
        clusters=_clusters(classifier.deduplicated_),
        seed=classifier.random_state,
    )


def _clusters(deduplicated: Deduplicated) -> NDArray[np.int64]:
    """(n,) the same number for the pictures of ``deduplicated.images`` that show the same."""
    given = deduplicated.found.images
    clusters = np.unique(given.digests, return_inverse=True)[1].astype(np.int64)
    for members in deduplicated.found.clusters:
        clusters[list(members)] = clusters[members[0]]
    return np.delete(clusters, deduplicated.dropped)


def reference_of(classifier: ImageClassifier, progress: Progress | None = None) -> Reference:
    """What is worth remembering of the training pictures: `explain` and `watch` hold new ones against it."""
    images, model = classifier.images_, classifier.model_
    first, train = classifier.measure(progress)[0], np.flatnonzero(images.split == "train")
    kept = sample(len(train), seed=classifier.random_state)
    index = train[kept]
    with classifier.table(progress=progress) as table:
        rows = table.through(model.space).rows(model.space.geometry.size, FAMILIAR, index)
    return Reference(
        classes=images.classes,
        root=None if images.root is None else images.root.absolute(),
        names=relative_names([images.paths[i] for i in index], images.root),
        digests=tuple(images.digests[i] for i in index),
        rows=unit(rows),
        y=images.y[index],
        proba=None if classifier.selection_.fine_tuned else classifier.choice_.proba[kept].astype(np.float32),
        held_out_proba=first.proba.astype(np.float32),
        held_out_y=images.y[first.index],
        measured_on=first.evaluation.measured_on,
    )
