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

import csv
import io
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from headstart.backbones import catalog
from headstart.backbones.graph import digest
from headstart.backbones.weights import Weights, locate
from headstart.deploy.artifact import versions, write_json
from headstart.errors import DataError, HeadstartError, OptionError, Problem, UserInputError
from headstart.evaluation.compare import Comparison, Result, compare, published_claim
from headstart.evaluation.curves import History
from headstart.features.extract import Progress, Silent
from headstart.features.store import cache_folder
from headstart.grid import Setting
from headstart.images.folder import ImageSet, scan
from headstart.report.compare import Content, page, settings_table
from headstart.report.page import write_report
from headstart.reproduce import with_splits
from headstart.tables import Claim

FORMAT = 1
SPLIT_SEED = 0  # of a validation split where none is given: the same pictures for every row, else none can be paired

Tell = Callable[[str], None]


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


class Verdict(NamedTuple):
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
    claims: tuple[Verdict, ...]
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
        troubled = {one.setting for one in self.outcomes if one.notes or len(one.history.epochs) < one.planned}
        marks = {name: "see what did not go as planned" for name in troubled if _troubles(self.outcomes, name)}
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
        return said

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "folder": str(self.folder),
            "measured_on": self.measured_on,
            **self.comparison.to_dict(),
            "claims": [verdict._asdict() for verdict in self.claims],
            "failures": [failure._asdict() for failure in self.failures],
            "caveats": self._caveats(),
            "rows": [_row(one) for one in self.outcomes],
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
        OptionError: settings of one name, or a folder inside the pictures.
    """
    _check(settings, source, folder)
    images = with_splits(scan(source), settings[0].recipe, seed=SPLIT_SEED)
    trunks, missing = _trunks(settings, weights)
    (folder / "rows").mkdir(parents=True, exist_ok=True)
    job = _Job(images=images, folder=folder, progress=progress or Silent())
    ordered = sorted(settings, key=lambda one: one.recipe.plan.phases[-1].train_from != "head")
    outcomes: list[Outcome] = []
    failures: list[Failure] = []
    total = len(settings) * len(seeds)
    with job.progress.stage("rows", total) as advance:
        for seed in seeds:
            for setting in ordered:
                reason = missing.get(setting.recipe.backbone, "")
                try:
                    if not reason:
                        outcomes.append(job.row(setting, seed, trunks[setting.recipe.backbone]))
                        tell(f"[{len(outcomes) + len(failures)}/{total}] {_line(outcomes[-1])}")
                except (HeadstartError, RuntimeError, MemoryError) as error:
                    reason = _short(error)
                except KeyboardInterrupt:
                    tell(f"{len(outcomes)} of {total} rows are finished and kept in {folder}")
                    raise
                if reason:
                    failures.append(Failure(setting.name, seed, reason))
                    tell(f"[{len(outcomes) + len(failures)}/{total}] {setting.name}, seed {seed}: no result. {reason}")
                advance(len(outcomes) + len(failures))
            if not outcomes:
                problems = [
                    Problem(expected="a result", found=one.reason, todo=f"mend {one.setting} or leave it out")
                    for one in failures
                ]
                raise DataError("nothing to compare: every row failed", problems)
            comparison = compare([one.result() for one in outcomes])
            experiment = Experiment(
                title=title,
                settings=tuple(settings),
                outcomes=tuple(outcomes),
                failures=tuple(failures),
                comparison=comparison,
                claims=tuple(check(comparison, claim) for claim in claims),
                measured_on=job.measured_on,
                trunks={name: f"{one.origin} ({one.sha256[:12]})" for name, one in trunks.items()},
                folder=folder,
                command=command,
            )
            experiment.write()
    return experiment


def check(comparison: Comparison, claim: Claim) -> Verdict:
    """Whether a published conclusion holds here."""
    known = [one.name for one in comparison.settings]
    worse = [claim.worse] if claim.worse else [name for name in known if name != claim.better]
    words = f"“{claim.better}” is better than " + (f"“{claim.worse}”" if claim.worse else "all others")
    if absent := [name for name in (claim.better, *worse) if name not in known]:
        return Verdict(None, f"The published conclusion {words} cannot be checked: no result for {', '.join(absent)}.")
    pairs = [comparison.pair(claim.better, name) for name in worse]
    beaten = [one for one in pairs if one.told_apart and one.a == claim.better]
    holds = len(beaten) == len(pairs)
    if claim.worse:
        return Verdict(holds, published_claim(comparison, claim.better, claim.worse))
    if holds:
        return Verdict(True, f"The published conclusion {words} holds here.")
    unbeaten = [f"“{one.b if one.a == claim.better else one.a}”" for one in pairs if one not in beaten]
    above = [f"“{one.a}”" for one in pairs if one.told_apart and one.b == claim.better]
    equal = [name for name in unbeaten if name not in above]
    said = [f"it cannot be told from {', '.join(equal)}"] if equal else []
    said += [f"{', '.join(above)} {'is' if len(above) == 1 else 'are'} better"] if above else []
    return Verdict(False, f"The published conclusion {words} does not hold here: {'; '.join(said)}.")


@dataclass(kw_only=True)
class _Job:
    """What all rows share."""

    images: ImageSet
    folder: Path
    progress: Progress

    def __post_init__(self) -> None:
        split = self.images.split
        self.train, self.val, self.test = (np.flatnonzero(split == name) for name in ("train", "val", "test"))
        self.measured = self.test if len(self.test) else self.val
        self.measured_on = f"the {len(self.measured)} pictures of the " + (
            "test split" if len(self.test) else "validation split after the last epoch, which nothing was chosen on"
        )

    def row(self, setting: Setting, seed: int, weights: Weights) -> Outcome:
        """The outcome of a row, from its file if it is finished."""
        from headstart.training.finetune import finetune

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
        write_json(file, {**document, **_row(outcome), "proba": proba.tolist()})
        checkpoint.unlink(missing_ok=True)
        return outcome

    def key(self, setting: Setting, seed: int, weights: Weights) -> str:
        """The name of a row: everything that its result depends on."""
        import torch

        backbone = catalog.get(setting.recipe.backbone)
        index = np.concatenate([self.train, self.val, self.test])
        return digest(
            {
                "format": FORMAT,
                "backbone": backbone.architecture,
                "weights": weights.sha256,
                "plan": setting.recipe.plan.to_dict(),
                "pictures": [self.images.digests[i] for i in index],
                "y": self.images.y[index].tolist(),
                "split": self.images.split[index].tolist(),
                "seed": seed,
                "torch": torch.__version__,
                "cuda": torch.cuda.is_available(),
            }
        )[:32]

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


def _row(outcome: Outcome) -> dict[str, Any]:
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


def _epoch_seconds(checkpoint: Path) -> float:
    """Seconds of the epochs that an interrupted row had finished; 0 where there are none to be found."""
    import torch

    try:
        found = torch.load(checkpoint, map_location="cpu", weights_only=True)["snapshot"]["epochs"]
        return float(sum(epoch["seconds"] for epoch in found))
    except Exception:  # the loop itself says what is wrong with a checkpoint
        return 0.0


def _line(outcome: Outcome) -> str:
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


def _short(error: BaseException) -> str:
    """What went wrong, in a line."""
    if isinstance(error, UserInputError):
        found = "; ".join(f"expected {one.expected}, found {one.found}" for one in error.problems)
        return f"{error.what}: {found}"
    return f"{type(error).__name__}: {error}".splitlines()[0]


def _without_result(failures: Sequence[Failure]) -> list[str]:
    """A line per setting and reason."""
    seeds: dict[tuple[str, str], list[str]] = {}
    for one in failures:
        seeds.setdefault((one.setting, one.reason), []).append(str(one.seed))
    return [
        f"{setting}, seed{'s' if len(of) > 1 else ''} {', '.join(of)}: no result. {reason}."
        for (setting, reason), of in seeds.items()
    ]


def _trunks(settings: Sequence[Setting], weights: str | None) -> tuple[dict[str, Weights], dict[str, str]]:
    """The weights of every backbone, and of those that have none why."""
    found: dict[str, Weights] = {}
    missing: dict[str, str] = {}
    random = weights == "random"
    for name in dict.fromkeys(setting.recipe.backbone for setting in settings):
        try:
            found[name] = locate(
                catalog.get(name), random=random, file=Path(weights) if weights and not random else None
            )
        except HeadstartError as error:
            missing[name] = _short(error)
    if not found:
        problems = [Problem(expected="weights", found=reason, todo="see above") for reason in missing.values()]
        raise OptionError("no backbone can be used", problems)
    return found, missing


def _check(settings: Sequence[Setting], source: Path, folder: Path) -> None:
    problems = []
    names = [one.name for one in settings]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        todo = "give each setting a name of its own"
        problems.append(Problem(expected="settings of different names", found=", ".join(twice), todo=todo))
    if source.is_dir() and folder.resolve().is_relative_to(source.resolve()):
        todo = "choose a folder elsewhere with -o: the pictures are only ever read"
        problems.append(Problem(expected="a folder outside the pictures", found=str(folder), todo=todo))
    if problems:
        raise OptionError("what to compare", problems)
