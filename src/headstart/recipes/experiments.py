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
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from headstart import output_folder
from headstart.backbones import catalog
from headstart.backbones.weights import Weights, locate
from headstart.errors import (
    DataError,
    HeadstartError,
    MissingPackageError,
    OptionError,
    Problem,
    UserInputError,
    WeightsError,
)
from headstart.evaluation.comparison import compare
from headstart.evaluation.curves import History
from headstart.features.store import cache_folder
from headstart.files import digest, write_json
from headstart.images.folder import ImageSet, scan
from headstart.progress import Progress, Silent
from headstart.recipes.findings import Experiment, Failure, Outcome, check, line, row_of
from headstart.recipes.grid import Setting
from headstart.recipes.runner import Tell, with_splits
from headstart.recipes.tables import Claim

FORMAT = 2
FILES = ("rows", "table.csv", "results.json", "compare.html")
SPLIT_SEED = 0  # of a validation split where none is given: the same pictures for every row, else none can be paired


def run(
    settings: Sequence[Setting],
    source: Path,
    folder: Path,
    *,
    seeds: Sequence[int],
    claims: Sequence[Claim] = (),
    weights: str | None = None,
    title: str = "Settings compared",
    command: str = "",
    tell: Tell = lambda line: None,
    progress: Progress | None = None,
) -> Experiment:
    """Train every setting with every seed on the pictures of ``source``, and compare them.

    Seeds come one after the other, and cheap rows before dear ones, so that the first table is soon there; the files
    are written anew after every seed. A row that fails is reported, and the others go on.

    Args:
        settings: what to compare; names must differ.
        source: pictures; a validation split is made once if there is none.
        folder: where rows and results are kept.
        seeds: one row of each setting for each.
        claims: published conclusions to check.
        weights: a file, or ``"random"``, in place of the backbones' own.
        title: of the page.
        command: what to type to make this again.
        tell: is given a line for people when a row is finished.
        progress: is told how far the rows are.

    Raises:
        DataError: the pictures cannot be used, or no row gave a result.
        OptionError: settings of one name, an unknown backbone, or a folder inside the pictures.
        WeightsError: no backbone has weights.
        MissingPackageError: the same, for weights that are a package.
    """
    output_folder.check(source, folder, what="table", writes=FILES)
    _check(settings)
    images = with_splits(scan(source), settings[0].recipe, seed=SPLIT_SEED)
    trunks, missing = _trunks(settings, weights)
    output_folder.claim(folder, "table")
    (folder / "rows").mkdir(exist_ok=True)
    job = _Job(
        images=images, folder=folder, trunks=trunks, missing=missing, tell=tell, progress=progress or Silent(),
        total=len(settings) * len(seeds),
    )  # fmt: skip
    cheap_first = sorted(settings, key=lambda one: one.recipe.plan.phases[-1].train_from != "head")
    with job.progress.stage("rows", job.total) as advance:
        for seed in seeds:
            for setting in cheap_first:
                job.attempt(setting, seed)
                advance(job.gone_through)
            found = job.found(settings, claims, title=title, command=command)
            found.write()
    return found


@dataclass(kw_only=True)
class _Job:
    """What all rows share, and what came out of them so far."""

    images: ImageSet
    folder: Path
    trunks: dict[str, Weights]
    missing: dict[str, str]
    """Backbone → why its weights are not to be had."""
    tell: Tell
    progress: Progress
    total: int
    outcomes: list[Outcome] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    def __post_init__(self) -> None:
        split = self.images.split
        self.train, self.val, self.test = (np.flatnonzero(split == name) for name in ("train", "val", "test"))
        self.measured = self.test if len(self.test) else self.val
        self.measured_on = f"the {len(self.measured)} pictures of the " + (
            "test split" if len(self.test) else "validation split after the last epoch, which nothing was chosen on"
        )

    @property
    def gone_through(self) -> int:
        """Rows with a result, or without for good."""
        return len(self.outcomes) + len(self.failures)

    def attempt(self, setting: Setting, seed: int) -> None:
        """A row, which may fail."""
        reason = self.missing.get(setting.recipe.backbone, "")
        try:
            if not reason:
                self.outcomes.append(self.row(setting, seed, self.trunks[setting.recipe.backbone]))
                self.tell(f"[{self.gone_through}/{self.total}] {line(self.outcomes[-1])}")
        except (HeadstartError, RuntimeError, MemoryError, OSError) as error:
            reason = _short(error)
        except KeyboardInterrupt:
            self.tell(f"{len(self.outcomes)} of {self.total} rows are finished and kept in {self.folder}")
            raise
        if reason:
            self.failures.append(Failure(setting.name, seed, reason))
            self.tell(f"[{self.gone_through}/{self.total}] {setting.name}, seed {seed}: no result. {reason}")

    def found(self, settings: Sequence[Setting], claims: Sequence[Claim], *, title: str, command: str) -> Experiment:
        """What all rows so far show. Raises DataError if there is none."""
        if not self.outcomes:
            problems = [
                Problem(expected="a result", found=one.reason, todo=f"mend {one.setting} or leave it out")
                for one in self.failures
            ]
            raise DataError("nothing to compare: every row failed", problems)
        comparison = compare([one.result() for one in self.outcomes])
        return Experiment(
            title=title,
            settings=tuple(settings),
            outcomes=tuple(self.outcomes),
            failures=tuple(self.failures),
            comparison=comparison,
            claims=tuple(check(comparison, claim) for claim in claims),
            measured_on=self.measured_on,
            trunks={name: f"{one.origin} ({one.sha256[:12]})" for name, one in self.trunks.items()},
            folder=self.folder,
            command=command,
        )

    def row(self, setting: Setting, seed: int, weights: Weights) -> Outcome:
        """The outcome of a row, from its file if it is finished."""
        from headstart.finetune.loop import finetune

        key = self.key(setting, seed, weights)
        file, checkpoint = (self.folder / "rows" / f"{key}.{suffix}" for suffix in ("json", "checkpoint"))
        if file.is_file():
            return self.read(setting, file)
        began, before = time.monotonic(), _epoch_seconds(checkpoint)
        tuned = finetune(
            catalog.get(setting.recipe.backbone),
            weights,
            self.images,
            self.train,
            self.val,
            setting.recipe.plan,
            cache=cache_folder(),
            seed=seed,
            checkpoint=checkpoint,
            progress=self.progress,
        )
        paths = [self.images.paths[i] for i in self.test]
        proba = tuned.predict_proba(paths, weights="last") if paths else tuned.last_proba
        seconds = sum(epoch.seconds for epoch in tuned.history.epochs) - before
        outcome = Outcome(
            setting=setting.name,
            seed=seed,
            planned=sum(phase.epochs for phase in setting.recipe.plan.phases),
            history=tuned.history,
            proba=proba,
            correct=proba.argmax(axis=1) == self.images.y[self.measured],
            prepared=max(time.monotonic() - began - seconds, 0.0),
            runtime=tuned.runtime,
            notes=tuned.notes,
        )
        document = {"format": FORMAT, "backbone": setting.recipe.backbone, "plan": setting.recipe.plan.to_dict()}
        write_json(file, {**document, **row_of(outcome), "proba": proba.tolist()})
        checkpoint.unlink(missing_ok=True)
        return outcome

    def key(self, setting: Setting, seed: int, weights: Weights) -> str:
        """The name of a row: everything that its result depends on."""
        from headstart.finetune.run_key import run_key

        backbone = catalog.get(setting.recipe.backbone)
        run = run_key(backbone, weights, self.images, self.train, self.val, setting.recipe.plan, seed=seed)
        measured = [[self.images.digests[i], int(self.images.y[i])] for i in self.test]
        return digest({"format": FORMAT, "run": run, "test": measured})

    def read(self, setting: Setting, file: Path) -> Outcome:
        """A finished row. Its key vouches for the content; its name may have changed since."""
        plain = json.loads(file.read_text(encoding="utf-8"))
        proba = np.array(plain["proba"], dtype=np.float64)
        return Outcome(
            setting=setting.name,
            seed=plain["seed"],
            planned=plain["planned"],
            history=History.from_dict(plain["history"]),
            proba=proba,
            correct=proba.argmax(axis=1) == self.images.y[self.measured],
            prepared=plain["prepared_seconds"],
            runtime=plain["runtime"],
            notes=tuple(plain["notes"]),
        )


def _epoch_seconds(checkpoint: Path) -> float:
    """Seconds of the epochs that an interrupted row had finished; 0 where there are none to be found."""
    import torch

    try:
        found = torch.load(checkpoint, map_location="cpu", weights_only=True)["snapshot"]["epochs"]
        return float(sum(epoch["seconds"] for epoch in found))
    except Exception:  # the loop itself says what is wrong with a checkpoint
        return 0.0


def _short(error: BaseException) -> str:
    """What went wrong, in a line."""
    if isinstance(error, UserInputError):
        found = "; ".join(f"expected {one.expected}, found {one.found}" for one in error.problems)
        return f"{error.what}: {found}"
    return f"{type(error).__name__}: {error}".splitlines()[0]


def _trunks(settings: Sequence[Setting], weights: str | None) -> tuple[dict[str, Weights], dict[str, str]]:
    """The weights of every backbone, and of those that have none why. If none has any, the error of the last."""
    backbones = {setting.recipe.backbone: catalog.get(setting.recipe.backbone) for setting in settings}
    found: dict[str, Weights] = {}
    missing: dict[str, str] = {}
    random = weights == "random"
    file = Path(weights) if weights and not random else None
    for number, (name, backbone) in enumerate(backbones.items(), start=1):
        try:
            found[name] = locate(backbone, random=random, file=file)
        except (WeightsError, MissingPackageError) as error:
            if number == len(backbones) and not found:
                raise
            missing[name] = _short(error)
    return found, missing


def _check(settings: Sequence[Setting]) -> None:
    names = [one.name for one in settings]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        todo = "give each setting a name of its own"
        problem = Problem(expected="settings of different names", found=", ".join(twice), todo=todo)
        raise OptionError("what to compare", [problem])
