"""What a comparison of settings found: rows, letters, published conclusions, and the files that show them."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from headstart.deploy.model import versions
from headstart.evaluation.comparison import Comparison, Result, published_claim
from headstart.evaluation.curves import History
from headstart.files import write_json
from headstart.recipes.grid import Setting, in_common
from headstart.recipes.tables import Claim
from headstart.report.compare import Content, page, settings_table
from headstart.report.page import write_report


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcome:
    """A finished row: a setting trained with a seed."""

    setting: str
    seed: int
    planned: int
    """Epochs of the plan; fewer are in the history where training diverged, or stopped early as planned."""
    history: History
    proba: NDArray[np.float64] = field(repr=False)
    """(n, k) of the measured pictures, after the last epoch."""
    correct: NDArray[np.bool_] = field(repr=False)
    """(n,)"""
    prepared: float
    """Seconds spent on the outputs of what is frozen, and on getting ready; almost none where another row had them."""
    runtime: str
    notes: tuple[str, ...]

    @property
    def seconds(self) -> float:
        """Of all epochs."""
        return sum(epoch.seconds for epoch in self.history.epochs)

    def result(self) -> Result:
        """For the comparison. A row that never finished an epoch counts as the untrained network it left."""
        epochs = self.history.epochs
        return Result(
            name=self.setting,
            seed=self.seed,
            correct=self.correct,
            last_accuracy=self.history.last.val_accuracy if epochs else self.history.initial_accuracy,
            best_accuracy=self.history.best_accuracy.val_accuracy if epochs else self.history.initial_accuracy,
            seconds=self.seconds,
        )


class ClaimCheck(NamedTuple):
    """A published conclusion. ``holds``: None where it could not be checked."""

    holds: bool | None
    text: str


class Failure(NamedTuple):
    """A row that gave no result."""

    setting: str
    seed: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """What was compared, and what came out."""

    title: str
    settings: tuple[Setting, ...]
    outcomes: tuple[Outcome, ...]
    failures: tuple[Failure, ...]
    comparison: Comparison
    claims: tuple[ClaimCheck, ...]
    measured_on: str
    trunks: dict[str, str]
    """Backbone → where its weights are from."""
    folder: Path
    command: str = ""

    def content(self) -> Content:
        """For the page and the terminal."""
        published = {
            one.name: (one.published.accuracy, one.published.seconds) for one in self.settings if one.published
        }
        marks = {one.name: "diverged: see below" for one in self.settings if _troubles(self.outcomes, one.name)}
        table = settings_table(self.comparison, about="every setting", published=published or None, marks=marks or None)
        return Content(
            title=self.title,
            comparison=self.comparison,
            table=table,
            measured_on=self.measured_on,
            claims=tuple(verdict.text for verdict in self.claims),
            caveats=tuple(self._caveats()),
            troubles=(
                *_without_result(self.failures),
                *(line for setting in self.settings for line in _troubles(self.outcomes, setting.name)),
            ),
            command=self.command,
        )

    def _caveats(self) -> list[str]:
        said = [
            f"All settings have in common: {in_common(self.settings)}.",
            "The figure of a setting is that of the last epoch. The best epoch is picked by looking at the pictures it "
            "is measured on, so it flatters; it stands here because write-ups quote it.",
            "Times are of the epochs alone, on this machine. The outputs of what is frozen are computed once for all "
            f"rows that share them; that and getting ready took {sum(one.prepared for one in self.outcomes):.0f} s.",
        ]
        stand_ins = {
            (setting.published.recipe.partition("-")[0], setting.recipe.backbone)
            for setting in self.settings
            if setting.published and not setting.published.recipe.startswith(f"{setting.recipe.backbone}-")
        }
        said += [
            f"{used} stands in for the published {own}: a conclusion that does not hold here may hold there."
            for own, used in sorted(stand_ins)
        ]
        said += [f"Weights of {name}: {origin}." for name, origin in self.trunks.items()]
        return said + self._departures()

    def _departures(self) -> list[str]:
        """Where some settings, and not all, are other than their write-up: that lies between them as well."""
        every = dict.fromkeys(one for setting in self.settings for one in setting.recipe.departures)
        having = {one: [other.name for other in self.settings if one in other.recipe.departures] for one in every}
        return [
            f"Not as published in {', '.join(names)}: {one}."
            for one, names in having.items()
            if len(names) < len(self.settings)
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "folder": str(self.folder),
            "measured_on": self.measured_on,
            **self.comparison.to_dict(),
            "claims": [verdict._asdict() for verdict in self.claims],
            "failures": [failure._asdict() for failure in self.failures],
            "caveats": self._caveats(),
            "rows": [row_of(one) for one in self.outcomes],
            "command": self.command,
            "versions": versions(),
        }

    def write(self) -> None:
        """The table, the results and the page; each whole or not at all."""
        write_json(self.folder / "results.json", self.to_dict())
        published = {one.name: one.published for one in self.settings if one.published}
        lines = [
            {
                **row,
                "published_best_epoch": published[row["setting"]].accuracy if row["setting"] in published else None,
                "published_seconds": published[row["setting"]].seconds if row["setting"] in published else None,
            }
            for row in self.comparison.table()
        ]
        text = io.StringIO()
        writer = csv.DictWriter(text, list(lines[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
        unfinished = self.folder / ".table.csv.part"
        unfinished.write_text(text.getvalue(), encoding="utf-8", newline="")
        unfinished.replace(self.folder / "table.csv")
        write_report(self.folder / "compare.html", page(self.content()))


def check(comparison: Comparison, claim: Claim) -> ClaimCheck:
    """Whether a published conclusion holds here."""
    known = [one.name for one in comparison.settings]
    worse = [claim.worse] if claim.worse else [name for name in known if name != claim.better]
    words = f"“{claim.better}” is better than " + (f"“{claim.worse}”" if claim.worse else "all others")
    if absent := [name for name in (claim.better, *worse) if name not in known]:
        return ClaimCheck(
            None, f"The published conclusion {words} cannot be checked: no result for {', '.join(absent)}."
        )
    pairs = [comparison.pair(claim.better, name) for name in worse]
    beaten = [one for one in pairs if one.significant and one.a == claim.better]
    holds = len(beaten) == len(pairs)
    if claim.worse:
        return ClaimCheck(holds, published_claim(comparison, claim.better, claim.worse))
    if holds:
        return ClaimCheck(True, f"The published conclusion {words} holds here.")
    unbeaten = [f"“{one.b if one.a == claim.better else one.a}”" for one in pairs if one not in beaten]
    above = [f"“{one.a}”" for one in pairs if one.significant and one.b == claim.better]
    equal = [name for name in unbeaten if name not in above]
    said = [f"it cannot be told from {', '.join(equal)}"] if equal else []
    said += [f"{', '.join(above)} {'is' if len(above) == 1 else 'are'} better"] if above else []
    return ClaimCheck(False, f"The published conclusion {words} does not hold here: {'; '.join(said)}.")


def row_of(outcome: Outcome) -> dict[str, Any]:
    """A finished row with its history, in plain JSON types."""
    result = outcome.result()
    return {
        "setting": outcome.setting,
        "seed": outcome.seed,
        "accuracy": float(outcome.correct.mean()),
        "last_epoch": result.last_accuracy,
        "best_epoch": result.best_accuracy,
        "planned": outcome.planned,
        "seconds": outcome.seconds,
        "prepared_seconds": outcome.prepared,
        "runtime": outcome.runtime,
        "notes": list(outcome.notes),
        "history": outcome.history.to_dict(),
        "correct": outcome.correct.astype(int).tolist(),
    }


def line(outcome: Outcome) -> str:
    """A finished row in a line."""
    result = outcome.result()
    return (
        f"{outcome.setting}, seed {outcome.seed}: {outcome.correct.mean():.4f} after the last epoch, best "
        f"{result.best_accuracy:.4f}, {outcome.seconds:.1f} s" + ("; diverged" if _diverged(outcome) else "")
    )


def _diverged(outcome: Outcome) -> bool:
    return any("the loss " in note for note in outcome.notes)


def _troubles(outcomes: Sequence[Outcome], name: str) -> list[str]:
    """What happened to the rows of a setting that changes what its figure means."""
    return [
        f"{name}, seed {one.seed}: {note}; {len(one.history.epochs)} of {one.planned} epochs."
        for one in outcomes
        if one.setting == name
        for note in one.notes
        if "the loss " in note
    ]


def _without_result(failures: Sequence[Failure]) -> list[str]:
    """A line per setting and reason."""
    seeds: dict[tuple[str, str], list[str]] = {}
    for one in failures:
        seeds.setdefault((one.setting, one.reason), []).append(str(one.seed))
    return [
        f"{setting}, seed{'s' if len(of) > 1 else ''} {', '.join(of)}: no result. {reason}."
        for (setting, reason), of in seeds.items()
    ]
