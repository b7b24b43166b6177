"""Rows of a table of settings and seeds, what comparing them showed, and the files that hold it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from headstart.deploy.model import versions
from headstart.evaluation.comparison import ClaimCheck, Comparison, Result
from headstart.evaluation.history import History
from headstart.evaluation.measured_on import MeasuredOn
from headstart.evaluation.times import TimeCheck
from headstart.files import display, plain, write_csv, write_json
from headstart.finetune.notes import Diverged, to_plain
from headstart.finetune.plan import Departure
from headstart.images.walk import LeftOut
from headstart.recipes import records
from headstart.recipes.grid import Setting, in_common
from headstart.report import comparison as words
from headstart.report.departures import departure_documents
from headstart.report.finetuning_notes import in_words
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
    """What was decided on the way, in words."""
    diverged: tuple[Diverged, ...] = ()
    """Each time that the loss diverged, so that the figure means something else."""

    @property
    def accuracy(self) -> float:
        """After the last epoch."""
        return float(self.correct.mean())

    def result(self) -> Result:
        """For the comparison. A row that never finished an epoch counts as the untrained network it left."""
        epochs = self.history.epochs
        return Result(
            name=self.setting,
            seed=self.seed,
            correct=self.correct,
            last_accuracy=self.history.last.val_accuracy if epochs else self.history.initial_accuracy,
            best_accuracy=self.history.best_accuracy.val_accuracy if epochs else self.history.initial_accuracy,
            seconds=self.prepared + self.history.seconds,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; without ``proba``."""
        result = self.result()
        return plain(
            self,
            *("setting", "seed", "accuracy", "planned", "runtime", "notes", "history"),
            last_epoch=result.last_accuracy,
            best_epoch=result.best_accuracy,
            seconds=result.seconds,
            training_seconds=self.history.seconds,
            prepared_seconds=self.prepared,
            diverged=[to_plain(event) for event in self.diverged],
            correct=self.correct.astype(int),
        )


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
    measured_on: MeasuredOn
    weights: dict[str, str]
    """Backbone → where its weights are from."""
    folder: Path
    command: str = ""
    time_claims: tuple[TimeCheck, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    """Files that no row used."""

    @property
    def published(self) -> dict[str, tuple[float, int]]:
        """Setting → best validation accuracy and seconds of the write-up, where there is one."""
        rows = {setting.name: setting.published for setting in self.settings}
        return {name: (row.accuracy, row.seconds) for name, row in rows.items() if row}

    def caveats(self) -> tuple[str, ...]:
        """What all numbers rest on."""
        backbones = {
            (records.get(setting.published.recipe).backbone, setting.recipe.backbone)
            for setting in self.settings
            if setting.published
        }
        departing: dict[Departure, list[str]] = {}
        for setting in self.settings:
            for departure in setting.recipe.departures:
                departing.setdefault(departure, []).append(setting.name)
        return words.settings_caveats(
            in_common=in_common(self.settings),
            prepared=sum(outcome.prepared for outcome in self.outcomes),
            left_out=[(display(out.path), out.reason) for out in self.left_out],
            stand_ins=sorted((own, used) for own, used in backbones if own != used),
            weights=self.weights,
            departures=departing,
            count=len(self.settings),
        )

    def troubles(self) -> tuple[str, ...]:
        """Rows that are missing, and rows that diverged, a line each."""
        seeds: dict[tuple[str, str], list[int]] = {}
        for failure in self.failures:
            seeds.setdefault((failure.setting, failure.reason), []).append(failure.seed)
        return (
            *(f"{words.no_result_line(name, of, reason)}." for (name, reason), of in seeds.items()),
            *(
                words.diverged_line(
                    setting.name, outcome.seed, note, done=len(outcome.history.epochs), planned=outcome.planned
                )
                for setting in self.settings
                for outcome in self.outcomes
                if outcome.setting == setting.name
                for note in in_words(outcome.diverged)
            ),
        )

    def content(self) -> words.ComparisonContent:
        """For the page and the terminal."""
        marks = {outcome.setting: words.DIVERGED for outcome in self.outcomes if outcome.diverged}
        return words.ComparisonContent(
            title=self.title,
            comparison=self.comparison,
            table=words.settings_table(self.comparison, published=self.published, marks=marks),
            measured_on=self.measured_on,
            claims=(*map(words.claim_words, self.claims), *map(words.time_words, self.time_claims)),
            caveats=self.caveats(),
            troubles=self.troubles(),
            command=self.command,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "folder": str(self.folder),
            "measurement": plain(self.measured_on),
            **self.content().to_dict(),
            "claims": [
                *({**plain(check, "outcome", "holds"), "text": words.claim_words(check)} for check in self.claims),
                *({**plain(check, "outcome", "holds"), "text": words.time_words(check)} for check in self.time_claims),
            ],
            "departures": {setting.name: departure_documents(setting.recipe) for setting in self.settings},
            "left_out": [plain(out) for out in self.left_out],
            "failures": [failure._asdict() for failure in self.failures],
            "rows": [outcome.to_dict() for outcome in self.outcomes],
            "versions": versions(),
        }

    def write(self) -> None:
        """The table, the results and the page; each whole or not at all."""
        write_json(self.folder / "results.json", self.to_dict())
        rows = self.comparison.table()
        lines = ([*row.values(), *self.published.get(row["setting"], (None, None))] for row in rows)
        write_csv(self.folder / "table.csv", [*rows[0], "published_best_epoch", "published_seconds"], lines)
        write_report(self.folder / "compare.html", words.comparison_page(self.content()))
