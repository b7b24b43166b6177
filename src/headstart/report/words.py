"""Facts as English: what other rooms measured, in words for pages and terminals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from headstart.backbones.runtime import RuntimeNote, least_parity
from headstart.cache_folder import Troubles
from headstart.evaluation.measured_on import MeasuredOn
from headstart.evaluation.metrics import Evaluation
from headstart.files import display, some

if TYPE_CHECKING:  # what only training needs takes half a second to import
    from headstart.claims.measured import Measurement
    from headstart.images.folder import ImageSet
    from headstart.images.record import Changes
    from headstart.probe.rounding import Rounding

_RUNTIME_NOTES = {
    "no openvino": "OpenVINO is not installed: torch computes on the CPU, several times slower",
    "no graph": "there is no OpenVINO graph: torch computes on the CPU, several times slower",
    "no bf16": "this CPU does not compute in bf16: f32 instead",
    "no int8": "8 bits are not to be had of this network: it computes as without --precision int8",
    "strays": "{note.runtime} strays from torch f32 (mean cosine {note.parity:.4f} < {least}): not used",
    "other answers": "Rounded, this model strays from the answers it gave when it was trained: it runs in float32.",
    "moved": "Trained with {note.runtime}, runs here with {note.here}.",
}
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


def level_lines(images: ImageSet) -> list[str]:
    """What is black and white in pictures of more than 8 bits a channel, a sentence for each kind of numbers."""
    if images.levels is None:
        return []
    pictures = "Pictures" if "colour" in images.deep.values() else "Grey pictures"
    lines = []
    for scale, of in ((images.levels.integers, "whole numbers"), (images.levels.floats, "floating point numbers")):
        if scale is None:
            continue
        black, white = scale
        bits = math.log2(white + 1) if black == 0 and white > 255 else 0.5
        if bits.is_integer():
            lines.append(f"{pictures} of {bits:.0f} bits: {white:,.0f} is white.")
        else:
            lines.append(f"{pictures} of {of}: {black:,.6g} is black and {white:,.6g} is white.")
    return lines


def measured_on(fact: MeasuredOn) -> str:
    """What a figure was measured on, to follow “measured on”."""
    if fact.kind == "cross-validation":
        repeated = f", {fact.repeats} times" if fact.repeats > 1 else ""
        return f"{fact.folds}-fold cross-validation{repeated}, each picture answered by a head that the others chose"
    if fact.kind == "held out":
        network = "" if fact.answers == "deployed" else f", {fact.answers} network"
        return f"training pictures held out to choose between the two networks{network}"
    if fact.kind == "difference":
        gained = f"what fine-tuning gained on {counted(fact.n, 'picture')} held out"
        return f"cross-validation of the frozen network, plus {gained}"
    if fact.kind == "all held out":
        return f"all {fact.n:,} held-out pictures, validation and test together, last epoch: nothing was chosen on them"
    if fact.kind == "pictures":
        alone = f", {SPLITS[fact.split]} alone" if fact.split else ""
        return f"{counted(fact.n, 'picture')} of {fact.source}{alone}"
    if fact.epoch == "best":
        return f"{SPLITS[fact.split]}, best epoch: too optimistic, because it was chosen on these pictures"
    return SPLITS[fact.split] + (f", {fact.epoch} epoch" if fact.epoch else "")


def pictures_of(fact: MeasuredOn, n: int) -> str:
    """So many pictures, and which: “153 validation pictures”."""
    which = {"test": "test ", "val": "validation ", "cross-validation": "training ", "held out": "held-out training ",
             "difference": "training "}  # fmt: skip
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


def runtime_note(note: RuntimeNote) -> str:
    """Why a network runs otherwise than was asked for, or than it did."""
    precision = note.runtime.split()[1] if note.what == "strays" else ""
    return _RUNTIME_NOTES[note.what].format(note=note, least=least_parity(precision))


def rounding_line(verdict: Rounding) -> str:
    """Why a network that was asked to compute in 8 bits does or does not."""
    apart = f"{verdict.difference:+.4f} ± {verdict.standard_error:.4f}"
    used = "used" if verdict.used else "not used, for that is worse by more than chance"
    return f"In 8 bits the out-of-fold log-loss of {counted(verdict.n, 'picture')} changed by {apart}: {used}."


def cache_lines(troubles: Troubles) -> tuple[str, ...]:
    """What was wrong with the cache, a sentence each; empty where nothing was."""
    lines = []
    if count := troubles.damaged:
        lines.append(
            f"{counted(count, 'damaged value')} in the cache {'was' if count == 1 else 'were'} computed again."
        )
    if troubles.store_damaged:
        lines.append("The store of features was damaged or of another version, and was begun anew.")
    if troubles.unusable:
        lines.append(
            f"The cache {display(troubles.unusable)} cannot be used ({troubles.why}): this run works without it. "
            "HEADSTART_CACHE names another folder."
        )
    return tuple(lines)


def measurement_document(measurement: Measurement) -> dict[str, Any]:
    """An evaluation as in `evaluation_document`, with what abstaining would give."""
    return {**evaluation_document(measurement.evaluation), "abstention": measurement.abstention.to_dict()}


def changed_pictures(changes: Changes) -> tuple[str, ...]:
    """In what pictures differ from those of a run, a sentence a kind; other groups where nothing else explains them."""
    kinds: dict[str, Sequence[str]] = {
        "missing": changes.missing,
        "added": changes.added,
        "renamed or moved": [f"{before} → {now}" for before, now in changes.renamed],
        "with other contents": changes.contents,
        "with another class": changes.classes,
        "in another split": changes.splits,
    }
    told = [f"{counted(len(names), 'picture')} {what}: {some(names, 5)}." for what, names in kinds.items() if names]
    if not told and changes.grouped:
        return ("The pictures are the same, and grouped differently.",)
    return tuple(told)


def listed(things: Sequence[str]) -> str:
    """“a”, “a and b”, “a, b and c”."""
    *before, last = things or [""]
    return f"{', '.join(before)} and {last}" if before else last
