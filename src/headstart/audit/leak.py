"""How much accuracy a head gains by learning from copies of the pictures that it is measured on.

Where splits were given, the chosen head is fitted once more on the training pictures as they were, with the copies of
held-out pictures, and both heads answer the same held-out pictures. Otherwise it is cross-validated once more in folds
that tear copies apart, if so many copies are answered wrongly without that a gain could be shown. The difference of the
two accuracies is what the leak was worth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from headstart.arrays import Floats, Index, Mask
from headstart.audit.duplicates import Deduplicated
from headstart.evaluation.intervals import Estimate, Units
from headstart.evaluation.losses import correct
from headstart.evaluation.measured_on import SPLITS
from headstart.evaluation.paired import ALPHA, mcnemar_exact, paired_difference
from headstart.features.table import FeatureTable
from headstart.images.folder import ImageSet
from headstart.probe.choice import Choice, out_of_fold, probe_with
from headstart.probe.trials import ProbeOptions

Split = Literal["test", "val", "folds"]


@dataclass(frozen=True, kw_only=True)
class Leak:
    """What learning from copies of the pictures it is measured on would have added to the accuracy, and where."""

    split: Split
    """What is measured on: the test split, else the validation split, else training pictures out of fold."""
    optimism: Estimate
    """Accuracy with copies learned from less accuracy without, on the same pictures; −1 to 1."""
    leaky: float
    """Accuracy of the head that had learned from the copies too."""
    deduplicated: float
    """Accuracy of the head that had not: the honest one."""
    copied: int
    """Pictures, of ``optimism.n``, that had a copy among those learned from."""


def measure_leak(table: FeatureTable, deduplicated: Deduplicated, choice: Choice, options: ProbeOptions) -> Leak | None:
    """Measure what copies would have been worth to the chosen head on frozen features.

    None if there is no such copy, and where only folds could tear them apart also if nothing could be shown: each of
    them that is answered wrongly put right would be no significant difference (exact McNemar's test).

    ``choice`` was made on the pictures that are left in ``deduplicated``. The table may be of any
    images: its workbench is used.
    """
    images = deduplicated.copies.images
    split: Split = next((name for name in SPLITS if (images.split == name).any()), "folds")
    index = images.in_split("train" if split == "folds" else split)
    copied = _torn_apart(deduplicated)[index] if split == "folds" else np.isin(index, deduplicated.copied)
    if not copied.any():
        return None
    if split == "folds":
        wrong = copied & ~correct(choice.proba, images.y[index])
        if mcnemar_exact(int(wrong.sum()), 0) > ALPHA:
            return None  # folds that fell otherwise change the answers to other pictures by luck alone
        torn, honest = _in_folds(table, deduplicated, choice, options, index)
        leaky = np.where(copied, torn, honest)
    else:
        leaky, honest = _on_split(table, deduplicated, choice, options, index)
    return Leak(
        split=split,
        optimism=paired_difference(leaky, honest, Units.of(len(index), deduplicated.grouped.groups[index])),
        leaky=float(leaky.mean()),
        deduplicated=float(honest.mean()),
        copied=int(copied.sum()),
    )


def _torn_apart(deduplicated: Deduplicated) -> Mask:
    """(n,) whether a picture has copies that were not in its group before: exact ones always were."""
    member = np.array([cluster is not None for cluster in deduplicated.copies.membership()])
    before, after = (
        np.bincount(images.groups)[images.groups] for images in (deduplicated.copies.images, deduplicated.grouped)
    )
    return np.asarray(member & (after > before))


def _on_split(
    table: FeatureTable, deduplicated: Deduplicated, choice: Choice, options: ProbeOptions, index: Index
) -> tuple[Floats, Floats]:
    """Whether each held-out picture is answered rightly, (n,): having learned from copies, and not."""
    images, candidate = deduplicated.copies.images, choice.candidate
    table = table.of(images)
    leaky = probe_with(table, images.in_split("train"), candidate, options)
    X = table.rows(candidate.size, candidate.output, index)
    first, second = (correct(head.predict_proba(X), images.y[index]) for head in (leaky, choice.head))
    return first.astype(np.float64), second.astype(np.float64)


def _in_folds(
    table: FeatureTable, deduplicated: Deduplicated, choice: Choice, options: ProbeOptions, index: Index
) -> tuple[Floats, Floats]:
    """How often each picture is answered rightly out of fold, (n,), copies torn apart and not."""

    def share(images: ImageSet) -> Floats:
        proba = out_of_fold(table.of(images), index, choice.score, options)
        return np.asarray(correct(proba, images.y[index]).mean(axis=0))

    return share(deduplicated.copies.images), share(deduplicated.grouped)
