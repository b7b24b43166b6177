"""The alarms that stand beside an accuracy, a sentence each."""

from __future__ import annotations

from collections.abc import Sequence

from headstart.claims.alarms import Alarms, Hidden
from headstart.evaluation.metrics import ClassMetrics
from headstart.files import display
from headstart.report.pictures import leak_sentence, shortcut_sentence
from headstart.report.words import counted


def alarm_lines(alarms: Alarms, classes: Sequence[str]) -> tuple[str, ...]:
    """What changes the meaning of the accuracy, the most serious first; none where nothing does."""
    lines = [shortcut_sentence(shortcut, classes) for shortcut in alarms.shortcuts]
    if alarms.leak is not None:
        lines.append(f"Leak: {leak_sentence(alarms.leak)}")
    better = "what is measured looks better than it is."
    if alarms.known:
        lines.append(f"Leak: the model was trained on {alarms.known:,} of these pictures, so {better}")
    if alarms.shared:
        groups = counted(alarms.shared, "group")
        lines.append(f"Leak: pictures that belong together lie in more than one split ({groups}), so {better}")
    lines += [_failed(one, len(classes)) for one in alarms.failed]
    if alarms.hidden is not None:
        lines.append(_hidden(alarms.hidden))
    return tuple(lines)


def _failed(one: ClassMetrics, k: int) -> str:
    pictures = f"of {counted(one.support, 'picture')} of “{display(one.name)}”"
    if one.recall.value == 0:
        return f"A class fails: none {pictures} is recognised."
    return f"A class fails: {one.recall.value:.1%} {pictures} are recognised, fewer than by guessing ({1 / k:.1%})."


def _hidden(hidden: Hidden) -> str:
    balanced = hidden.balanced_accuracy
    return (
        f"Classes are recognised unequally: with every class counting the same, the accuracy is {balanced.value:.1%} "
        f"(95 % interval {balanced.low:.1%} to {balanced.high:.1%}) in place of {hidden.accuracy.value:.1%}."
    )
