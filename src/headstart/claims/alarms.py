"""What changes the meaning of an accuracy, so that it has to stand beside it: leaks, shortcuts, classes that fail."""

from __future__ import annotations

from dataclasses import dataclass, replace

from headstart.audit.findings import Findings
from headstart.audit.leak import Leak
from headstart.audit.shortcuts import Shortcut
from headstart.audit.summary import Audit
from headstart.evaluation.intervals import Estimate
from headstart.evaluation.metrics import ClassMetrics, Evaluation

FAR = 0.05
"""Accuracy less balanced accuracy, as a share, from which the one hides the other, where their intervals do not touch
either. Chosen: smaller differences change no decision. False alarms: 1 of 2,000 drawn sets whose classes are recognised
equally (``benchmarks/alarms.py``)."""
USELESS = 0.5
"""Recall, 0 to 1, below which the whole interval of a class lies that was never recognised: four pictures or more.
Fewer may be missed by chance. False alarms of a class that fails: 9 of the same 2,000 sets."""


@dataclass(frozen=True, kw_only=True)
class Hidden:
    """An accuracy that small classes have little part in, and the mean over the classes, which is far below."""

    accuracy: Estimate
    balanced_accuracy: Estimate


@dataclass(frozen=True, kw_only=True)
class Alarms:
    """Everything beside which an accuracy must not stand without a word; falsy where there is nothing."""

    leak: Leak | None = None
    """Pictures of a given split that had copies in training. What copies inside the training part would have been
    worth is no alarm, since no fold tears them apart."""
    known: int = 0
    """Pictures of a later evaluation that the model was trained on."""
    shared: int = 0
    """Groups of pictures that lie in more than one split."""
    shortcuts: tuple[Shortcut, ...] = ()
    """Facts of the files that give the class away."""
    failed: tuple[ClassMetrics, ...] = ()
    """Classes that are recognised less often than by guessing, or never."""
    hidden: Hidden | None = None
    """Set where the accuracy hides that classes are recognised unequally."""

    def __bool__(self) -> bool:
        return self != Alarms()


def alarms_of_splits(audit: Audit) -> Alarms:
    """What is known as soon as the pictures are read."""
    return Alarms(shared=len(audit.groups_across) + len(audit.duplicates_across))


def alarms_of_pictures(findings: Findings, leak: Leak | None) -> Alarms:
    """What the pictures do to every accuracy that is measured on them."""
    leak = leak if leak is not None and leak.split != "folds" else None
    return replace(alarms_of_splits(findings.audit), leak=leak, shortcuts=findings.alarms)


def alarms_of_figures(evaluation: Evaluation) -> Alarms:
    """What the other figures of ``evaluation`` say of its accuracy."""
    accuracy, balanced = evaluation.accuracy, evaluation.balanced_accuracy
    chance = 1 / len(evaluation.classes)
    failed = [
        one
        for one in evaluation.per_class
        if one.recall.defined and (one.recall.high < chance or (one.recall.value == 0 and one.recall.high < USELESS))
    ]
    far = balanced.high < accuracy.low and accuracy.value - balanced.value >= FAR
    hidden = Hidden(accuracy=accuracy, balanced_accuracy=balanced) if far else None
    return Alarms(failed=tuple(failed), hidden=hidden)
