"""Settings × seeds over the one loop: a table that says which settings can be told apart, and what was published.

::

    rows/KEY.json       a finished row: settings, history, answers on every measured picture
    rows/KEY.checkpoint what an interrupted row goes on from
    table.csv           a line per setting
    results.json        the comparison, every row with its history, published conclusions and whether they hold
    compare.html        the same for people

A row is named by everything that determines it, so the same command goes on with whatever is not finished, and a
changed one computes only what is new.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from headstart import output_folder
from headstart.backbones import catalog
from headstart.backbones.weights import Weights, locate_named
from headstart.errors import (
    DataError,
    MissingPackageError,
    OptionError,
    Problem,
    UserInputError,
    WeightsError,
)
from headstart.evaluation.comparison import check_claim, compare_results
from headstart.evaluation.history import History
from headstart.evaluation.losses import correct
from headstart.evaluation.measured_on import MeasuredOn
from headstart.evaluation.times import check_times
from headstart.features.cluster import Cluster, connected
from headstart.files import display, plain, write_json
from headstart.finetune.notes import Diverged, from_plain
from headstart.images.folder import ImageSet, scan
from headstart.images.formats.given import Given, Source
from headstart.images.formats.reading import picture_folders
from headstart.progress import Progress, Silent
from headstart.recipes.grid import Claim, Setting, TimeClaim
from headstart.recipes.pictures import usable, with_splits
from headstart.recipes.results import Experiment, Failure, Outcome
from headstart.recipes.rows import FORMAT, Row, Trained, short, train, train_on
from headstart.recipes.runner import Tell, job_of, require_possible
from headstart.report.comparison import kept_line, no_result_line, row_line

FILES = ("rows", "table.csv", "results.json", "compare.html")
SPLIT_SEED = 0
"""Of a validation split where none is given: the same pictures for every row, else none can be paired."""


def run(
    settings: Sequence[Setting],
    source: Source,
    folder: Path,
    *,
    seeds: Sequence[int],
    claims: Sequence[Claim] = (),
    time_claims: Sequence[TimeClaim] = (),
    weights: str | None = None,
    title: str = "Settings compared",
    command: str = "",
    tell: Tell = lambda line: None,
    progress: Progress | None = None,
    engine: str | None = None,
) -> Experiment:
    """Train every setting with every seed on the pictures of ``source``, and compare them.

    Seeds come one after the other, and cheap rows before dear ones, so that the first table is soon there; the files
    are written anew after as many rows as there are settings. A row that fails is reported, and the others go on.

    Args:
        settings: what to compare; names must differ.
        source: pictures; a validation split is made once if there is none.
        folder: where rows and results are kept.
        seeds: one row of each setting for each.
        claims: published conclusions on accuracy to check.
        time_claims: published conclusions on time.
        weights: a file, or ``"random"``, in place of the backbones' own.
        title: of the page.
        command: what to type to make this again.
        tell: is given a line for people when a row is finished.
        progress: is told how far the rows are.
        engine: where rows are trained, see `cluster.connected`; it changes none of them.

    Raises:
        DataError: the pictures cannot be used, or no row gave a result.
        OptionError: settings of one name, an unknown backbone, a folder inside the pictures, or no such engine.
        WeightsError: no backbone has weights.
        MissingPackageError: the same, for weights that are a package.
    """
    given = Given.of(source)
    output_folder.refuse_unsafe(given.path, folder, what="table", writes=FILES, pictures=picture_folders(given))
    _require_distinct(settings)
    images = scan(given)
    located, missing = _located(settings, weights)
    settings = [_with_weights(setting, located) for setting in settings]
    refused = _refused(settings, located, missing, images.classes)
    largest = max(setting.recipe.plan.size for setting in settings)
    images = with_splits(usable(images, size=largest, progress=progress), settings[0].recipe, seed=SPLIT_SEED)
    output_folder.claim(folder, "table")
    (folder / "rows").mkdir(exist_ok=True)
    rows = _Rows(
        images=images, folder=folder, weights=located, refused=refused, tell=tell, progress=progress or Silent(),
        total=len(settings) * len(seeds),
    )  # fmt: skip
    cheap_first = sorted(settings, key=lambda setting: setting.recipe.plan.phases[-1].train_from != "head")
    todo = [(setting, seed) for seed in seeds for setting in cheap_first]
    with connected(engine) as cluster, rows.progress.stage("rows", rows.total) as advance:
        for _ in rows.each(todo, cluster):
            advance(done := rows.gone_through)
            if done == rows.total or (done % len(settings) == 0 and (rows.outcomes or cluster is None)):
                rows.sort(todo)
                experiment = rows.experiment(settings, claims, time_claims, title=title, command=command)
                experiment.write()
    return experiment


@dataclass(kw_only=True)
class _Rows:
    """What all rows share, and what came out of them so far."""

    images: ImageSet
    folder: Path
    weights: dict[str, Weights]
    """Of each backbone that has any."""
    refused: dict[str, str]
    """Setting → why it cannot be trained."""
    tell: Tell
    progress: Progress
    total: int
    outcomes: list[Outcome] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.test = self.images.in_split("test")
        tested = bool(len(self.test))
        self.measured = self.test if tested else self.images.in_split("val")
        of = MeasuredOn(kind="split", split="test") if tested else MeasuredOn(kind="split", split="val", epoch="last")
        self.measured_on = replace(of, n=len(self.measured))

    @property
    def gone_through(self) -> int:
        """Rows with a result, or without for good."""
        return len(self.outcomes) + len(self.failures)

    def each(self, todo: Sequence[tuple[Setting, int]], cluster: Cluster | None) -> Iterator[None]:
        """Go through rows, keeping what comes of each, even a failure; what a cluster trains as it comes."""
        away: list[tuple[Setting, int, Row]] = []
        try:
            for setting, seed in todo:
                if reason := self.refused.get(setting.name):
                    self.failed(setting, seed, reason)
                elif (row := self.row(setting, seed)).file.is_file():
                    kept = json.loads(row.file.read_text(encoding="utf-8"))
                    self.finished(self.outcome(setting, seed, kept))
                elif cluster is None:
                    self.keep(setting, seed, row, train(row, self.progress))
                else:
                    away.append((setting, seed, row))
                    continue
                yield
            if cluster is not None and away:
                for i, trained in train_on(cluster, [row for *_, row in away]):
                    self.keep(*away[i], trained)
                    yield
        except KeyboardInterrupt:
            self.tell(kept_line(len(self.outcomes), self.total, display(self.folder)))
            raise

    def sort(self, todo: Sequence[tuple[Setting, int]]) -> None:
        """Put what there is into the order of ``todo``, in whatever order it came."""
        order = {(setting.name, seed): i for i, (setting, seed) in enumerate(todo)}
        for each in self.outcomes, self.failures:
            each.sort(key=lambda row: order[row.setting, row.seed])

    def row(self, setting: Setting, seed: int) -> Row:
        """A row, whether or not it is finished."""
        job = job_of(setting.recipe, self.images, self.weights[setting.recipe.backbone], seed=seed)
        return Row(job=job, folder=self.folder / "rows")

    def keep(self, setting: Setting, seed: int, row: Row, trained: Trained) -> None:
        """Take in what came of a row; a result is written beside the others."""
        if isinstance(trained, str):
            self.failed(setting, seed, trained)
            return
        outcome = self.outcome(setting, seed, trained)
        document = {"format": FORMAT, **plain(setting.recipe, "backbone", "plan")}
        write_json(row.file, {**document, **outcome.to_dict(), "proba": trained["proba"]})
        row.checkpoint.unlink(missing_ok=True)
        self.finished(outcome)

    def finished(self, outcome: Outcome) -> None:
        """A row has a result."""
        self.outcomes.append(outcome)
        line = row_line(outcome.result(), diverged=bool(outcome.diverged))
        self.tell(f"[{self.gone_through}/{self.total}] {line}")

    def failed(self, setting: Setting, seed: int, reason: str) -> None:
        """A row has none."""
        self.failures.append(Failure(setting.name, seed, reason))
        self.tell(f"[{self.gone_through}/{self.total}] {no_result_line(setting.name, [seed], reason)}")

    def experiment(
        self,
        settings: Sequence[Setting],
        claims: Sequence[Claim],
        time_claims: Sequence[TimeClaim],
        *,
        title: str,
        command: str,
    ) -> Experiment:
        """What all rows so far show. Raises DataError if there is none."""
        if not self.outcomes:
            raise _nothing([(failure.setting, failure.reason) for failure in self.failures])
        results = [outcome.result() for outcome in self.outcomes]
        comparison = compare_results(results)
        return Experiment(
            title=title,
            settings=tuple(settings),
            outcomes=tuple(self.outcomes),
            failures=tuple(self.failures),
            comparison=comparison,
            claims=tuple(check_claim(comparison, claim.better, claim.worse) for claim in claims),
            time_claims=tuple(
                check_times(results, claim.slower, claim.faster, published=claim.times) for claim in time_claims
            ),
            left_out=self.images.left_out,
            measured_on=self.measured_on,
            weights={name: f"{weights.origin} ({weights.sha256[:12]})" for name, weights in self.weights.items()},
            folder=self.folder,
            command=command,
        )

    def outcome(self, setting: Setting, seed: int, trained: Mapping[str, Any]) -> Outcome:
        """What a row came to, by what is kept of it. Its key vouches for that; the setting's name may have changed."""
        proba = np.array(trained["proba"], dtype=np.float64)
        return Outcome(
            setting=setting.name,
            seed=seed,
            planned=sum(phase.epochs for phase in setting.recipe.plan.phases),
            history=History.from_dict(trained["history"]),
            proba=proba,
            correct=correct(proba, self.images.y[self.measured]),
            prepared=trained["prepared_seconds"],
            runtime=trained["runtime"],
            notes=tuple(trained["notes"]),
            diverged=tuple(note for note in map(from_plain, trained["diverged"]) if isinstance(note, Diverged)),
        )


def _located(settings: Sequence[Setting], weights: str | None) -> tuple[dict[str, Weights], dict[str, str]]:
    """The weights of every backbone, and of those that have none why. If none has any, the error of the last."""
    backbones = {setting.recipe.backbone: catalog.get(setting.recipe.backbone) for setting in settings}
    located: dict[str, Weights] = {}
    missing: dict[str, str] = {}
    for number, (name, backbone) in enumerate(backbones.items(), start=1):
        try:
            located[name] = locate_named(backbone, weights)
        except (WeightsError, MissingPackageError) as error:
            if number == len(backbones) and not located:
                raise
            missing[name] = short(error)
    return located, missing


def _with_weights(setting: Setting, located: Mapping[str, Weights]) -> Setting:
    """The same, which says if its weights are not those that were published."""
    weights = located.get(setting.recipe.backbone)
    return replace(setting, recipe=setting.recipe.with_weights(weights.origin)) if weights else setting


def _refused(
    settings: Sequence[Setting], located: Mapping[str, Weights], missing: Mapping[str, str], classes: Sequence[str]
) -> dict[str, str]:
    """Setting → why it cannot be trained. Raises DataError if none can."""
    refused: dict[str, str] = {}
    for setting in settings:
        backbone = setting.recipe.backbone
        try:
            if backbone in located:
                require_possible(setting.recipe, located[backbone], classes)
            else:
                refused[setting.name] = missing[backbone]
        except UserInputError as error:
            refused[setting.name] = short(error)
    if len(refused) == len(settings):
        raise _nothing(list(refused.items()))
    return refused


def _nothing(failures: Sequence[tuple[str, str]]) -> DataError:
    problems = [
        Problem(expected="a result", found=reason, todo=f"mend {setting} or leave it out")
        for setting, reason in failures
    ]
    return DataError("nothing to compare: every row failed", problems)


def _require_distinct(settings: Sequence[Setting]) -> None:
    names = [setting.name for setting in settings]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        expected, todo = "settings of different names", "give each setting a name of its own"
        raise OptionError.of("what to compare", expected=expected, found=", ".join(twice), todo=todo)
