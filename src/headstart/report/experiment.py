"""What training settings with several seeds showed, in English: rows, what went wrong, conditions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from headstart.evaluation.measured_on import MeasuredOn
from headstart.report.words import SPLITS

DIVERGED = "diverged: see below"
"""In the table, of a setting of which a row diverged."""


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """Under what conditions settings were compared."""

    in_common: Mapping[str, str]
    """What all settings share: option → value."""
    prepared: float
    """Seconds spent on the outputs of what is frozen, and on getting ready, all rows together."""
    stand_ins: tuple[tuple[str, str], ...]
    """Backbone of the write-up, and the one that was used."""
    weights: Mapping[str, str]
    """Backbone → where its weights are from."""
    departures: Mapping[str, Sequence[str]]
    """Where some settings, and not all, are other than their write-up → these settings."""


def measured_pictures(measured_on: MeasuredOn) -> str:
    """The pictures that all rows were measured on."""
    chosen = " after the last epoch, which nothing was chosen on" if measured_on.epoch == "last" else ""
    return f"the {measured_on.n} pictures of {SPLITS[measured_on.split]}{chosen}"


def caveats(conditions: Conditions) -> tuple[str, ...]:
    """What the reader must know before using the numbers, a sentence each."""
    shared = "; ".join(f"{option} {value}" for option, value in conditions.in_common.items())
    return (
        f"All settings have in common: {shared or 'nothing'}.",
        "The figure of a setting is that of the last epoch. The best epoch is picked by looking at the pictures it "
        "is measured on, so it flatters; it stands here because write-ups quote it.",
        "Times are of the epochs alone, on this machine. The outputs of what is frozen are computed once for all "
        f"rows that share them; that and getting ready took {conditions.prepared:.0f} s.",
        *(
            f"{used} stands in for the published {own}: a conclusion that does not hold here may hold there."
            for own, used in conditions.stand_ins
        ),
        *(f"Weights of {name}: {origin}." for name, origin in conditions.weights.items()),
        *(f"Not as published in {', '.join(names)}: {said}." for said, names in conditions.departures.items()),
    )


def row_line(setting: str, seed: int, *, accuracy: float, best_accuracy: float, seconds: float, diverged: bool) -> str:
    """A finished row in a line."""
    return f"{setting}, seed {seed}: {accuracy:.4f} after the last epoch, best {best_accuracy:.4f}, {seconds:.1f} s" + (
        "; diverged" if diverged else ""
    )


def no_result_line(setting: str, seeds: Sequence[int], reason: str) -> str:
    """Rows of a setting that gave no result, all for the same reason."""
    return f"{setting}, seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}: no result. {reason}"


def diverged_line(setting: str, seed: int, note: str, *, done: int, planned: int) -> str:
    """A row whose figure means something else, because its training diverged."""
    return f"{setting}, seed {seed}: {note}; {done} of {planned} epochs."


def kept_line(finished: int, total: int, folder: str) -> str:
    """What is there after an interruption."""
    return f"{finished} of {total} rows are finished and kept in {folder}"
