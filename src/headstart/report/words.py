"""Facts as English: what other rooms measured, in words for pages and terminals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from headstart.evaluation.measured_on import MeasuredOn
from headstart.evaluation.metrics import Evaluation
from headstart.files import some
from headstart.images.record import Changes

SPLITS = {"test": "the test split", "val": "the validation split"}


def counted(number: int, thing: str, things: str = "") -> str:
    """“1 picture”, “2,000 pictures”; ``things`` where the plural is not made with s."""
    return f"{number:,} {thing if number == 1 else things or thing + 's'}"


def number(value: float, decimals: int, sign: str = "") -> str:
    """``value`` rounded, and never “-0.0”; ``sign`` “+” is shown before positive ones and zero."""
    return f"{round(value, decimals) + 0.0:{sign}.{decimals}f}"


def points(difference: float, sign: str = "") -> str:
    """A difference of two shares, -1 to 1, in percentage points with one decimal."""
    return number(100 * difference, 1, sign)


def magnitude(difference: float, low: float, high: float) -> tuple[str, str, str]:
    """A difference of two shares without its sign, and its interval turned with it, in percentage points."""
    numbers = (difference, low, high) if difference >= 0 else (-difference, -high, -low)
    return points(numbers[0]), points(numbers[1]), points(numbers[2])


def measured_on(fact: MeasuredOn) -> str:
    """What a figure was measured on, to follow “measured on”."""
    if fact.kind == "cross-validation":
        repeated = f", {fact.repeats} times" if fact.repeats > 1 else ""
        return f"{fact.folds}-fold nested cross-validation{repeated}"
    if fact.kind == "held out":
        network = "" if fact.answers == "deployed" else f", {fact.answers} network"
        return f"training pictures held out to choose between the two networks{network}"
    if fact.kind == "all held out":
        return f"all {fact.n:,} held-out pictures, validation and test together, last epoch: nothing was chosen on them"
    if fact.kind == "pictures":
        return f"{counted(fact.n, 'picture')} of {fact.source}"
    if fact.epoch == "best":
        return f"{SPLITS[fact.split]}, best epoch: too optimistic, because it was chosen on these pictures"
    return SPLITS[fact.split] + (f", {fact.epoch} epoch" if fact.epoch else "")


def pictures_of(fact: MeasuredOn, n: int) -> str:
    """So many pictures, and which: “153 validation pictures”."""
    which = {"test": "test ", "val": "validation ", "cross-validation": "training ", "held out": "held-out training "}
    kind = which.get(fact.split or fact.kind, "held-out " if fact.kind == "all held out" else "")
    return counted(n, f"{kind}picture") + (", out of fold" if fact.folds else "")


def evaluation_document(evaluation: Evaluation) -> dict[str, Any]:
    """An evaluation in plain JSON types; it and every metric say in words what they were measured on."""
    said = measured_on(evaluation.measured_on)

    def saying(part: Any) -> Any:
        if isinstance(part, list):
            return [saying(each) for each in part]
        if not isinstance(part, dict):
            return part
        return {name: saying(value) for name, value in part.items()} | (
            {"measured_on": said} if "method" in part else {}
        )

    return {"measured_on": said, **saying(evaluation.to_dict())}


def changed_pictures(changes: Changes) -> tuple[str, ...]:
    """In what pictures differ from those of a run, a sentence a kind; other groups where nothing else explains them."""
    told = (
        _changed(changes.missing, "missing"),
        _changed(changes.added, "added"),
        _changed([f"{before} → {now}" for before, now in changes.renamed], "renamed or moved"),
        _changed(changes.contents, "with other contents"),
        _changed(changes.classes, "with another class"),
        _changed(changes.splits, "in another split"),
    )
    if not any(told) and changes.grouped:
        return ("The pictures are the same, and grouped differently.",)
    return tuple(sentence for sentence in told if sentence)


def _changed(names: Sequence[str], what: str) -> str:
    return f"{counted(len(names), 'picture')} {what}: {some(names, 5)}." if names else ""
