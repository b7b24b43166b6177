"""Train on labelled pictures, and write the run directory.

::

    model/          the deployable model
    training/       what `explain` and `watch` need to know of the training pictures; not for passing on
    metrics.json    every metric with its interval and what it was measured on
    predictions.csv answer and label of every picture that the first of them was measured on
    data.json       the pictures, file by file: what `headstart replay` compares
    review.csv      suspicious pictures and a column for what to do, which `headstart check --apply` carries out
    run.json        options, versions, data fingerprint, the choice of the head, seconds by stage, hashes of the above
    report.html     the same for people

They are there, and valid, from the first answer on. Each later state of `headstart.pipeline.states` replaces them all
at one instant, see `headstart.workflows.states`; ``review.csv`` comes with the last.
"""

from __future__ import annotations

import math
import os
import platform
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from headstart import output_folder, pipeline
from headstart.audit import decisions
from headstart.command import command, fit_options
from headstart.deploy.model import versions
from headstart.device import computing_with, threads
from headstart.errors import OptionError, interruptible
from headstart.evaluation.held_out import HeldOut, write_held_out
from headstart.features.cluster import connected
from headstart.files import plain, sha256, write_json
from headstart.images import record
from headstart.images.folder import ImageSet
from headstart.images.formats.given import Given, Source
from headstart.images.formats.reading import picture_folders
from headstart.images.grouping import read
from headstart.options import FitOptions
from headstart.pipeline import Doubts, Fitted
from headstart.probe.forecast import Forecast, forecast, remember, work_of
from headstart.progress import Clock, Progress
from headstart.report import run_page, tuning
from headstart.report.page import write_report
from headstart.report.pictures import review_reasons
from headstart.report.tuning import choice_reason
from headstart.report.words import measurement_document, rounding_line, runtime_note
from headstart.versions import version
from headstart.workflows.states import States

FILES = (
    "model", "training", "metrics.json", "predictions.csv", "data.json", "review.csv", "report.html", "run.json",
)  # fmt: skip
"""Everything in a run directory."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """What :func:`train` has found and written so far."""

    folder: Path
    fitted: Fitted
    doubts: Doubts | None
    """None until the last state, or where it was not reached."""
    seconds: float
    """Since the beginning."""
    stages: Mapping[str, float] = field(default_factory=dict)
    """Of them, by stage in the order in which they began; empty until the end."""
    interrupted: bool = False
    """Whether somebody ended it before its last state."""

    @property
    def state(self) -> str:
        """The state that it is in, one of `headstart.options.UNTIL`."""
        return self.fitted.state if self.doubts is None else "all"

    @property
    def said(self) -> list[str]:
        """What is to be said of the pictures beside the alarms, the most serious first."""
        return run_page.lines(self.fitted, self.doubts)

    @property
    def alarms(self) -> tuple[str, ...]:
        """What changes the meaning of the accuracy, to be said beside it."""
        return run_page.alarms_beside(self.fitted, self.doubts)

    @property
    def notes(self) -> list[str]:
        """What is to be said of the pictures, and of what runs the model."""
        rounding = self.fitted.rounding
        rounded = [rounding_line(rounding)] if rounding else []
        return [*self.said, *rounded, *map(runtime_note, self.fitted.model.notes)]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "run": str(self.folder),
            "state": self.state,
            "interrupted": self.interrupted,
            **measurement_document(self.fitted.evaluations[0]),
            "alarms": list(self.alarms),
            "notes": self.notes,
            "choice": choice_reason(self.fitted.choice),
            "finetune": tuning.outcome(self.fitted.selection),
            "left_out": len(self.fitted.images.left_out),
            "seconds": round(self.seconds, 2),
        }


def train(
    source: Source,
    folder: Path,
    options: FitOptions,
    *,
    title: str = "",
    tell: Callable[[ImageSet], None] = lambda images: None,
    foresee: Callable[[Forecast], None] = lambda seconds: None,
    reached: Callable[[Run], None] = lambda run: None,
    progress: Progress | None = None,
    engine: str | None = None,
) -> Run:
    """Fit a classifier to the pictures of a source and write the run directory ``folder``.

    ``tell`` is given the pictures as they were understood, before anything is computed of them, ``foresee`` how long
    it will take, and ``reached`` each state of the run but the last, once it is written. An interruption (Ctrl-C) after
    the first state keeps the best so far. ``engine``: where features are computed, see `cluster.connected`; it changes
    no byte.

    Raises:
        OptionError: the folder lies among the pictures, or holds something else; an option has no meaning; the first
            answer takes longer than the budget.
        DataError: with everything that keeps the pictures from being used.
    """
    given = Given.of(source)
    output_folder.refuse_unsafe(given.path, folder, what="run", writes=FILES, pictures=picture_folders(given))
    with (
        computing_with(threads()),
        connected(engine) as computing,
        pipeline.workbench(options, progress, computing) as bench,
    ):
        sizes = options.sizes or bench.network.backbone.sizes
        bench.begin(sizes[0])
        with bench.timed("reading the folder"):
            images = read(given, options.group_by, bench.progress)
        tell(images)
        threading.Thread(target=_load_ahead, name="loading", daemon=True).start()
        with bench.timed("opening the network"):
            work = work_of(images, bench, sizes, pipeline.NOTES)
            foreseen = forecast(work, bench, options, sizes[0])
        foresee(foreseen)
        began = bench.clock.elapsed
        if options.budget is not None and options.budget < foreseen.first:
            raise OptionError.of(
                "budget",
                expected=f"{math.ceil(foreseen.first)} seconds or more, which the first answer takes",
                found=f"{options.budget:g}",
                todo=f"--budget {math.ceil(foreseen.first)}s, or more for a better answer",
            )
        writer = _Writer(given, folder, options, title or given.title, bench.clock)
        run: Run | None = None
        try:
            with interruptible():
                for run in writer.written(pipeline.states(images, options, bench)):
                    if run.state == "first":
                        remember(work, run.seconds - began, bench, sizes[0])
                    reached(run)
                assert run is not None
                if options.until == "all" and bench.clock.reaches(foreseen.questions):
                    run = replace(run, doubts=pipeline.doubt(run.fitted, bench))
                run = writer.write(run)
        except KeyboardInterrupt:
            if run is None:
                raise
            run = replace(run, interrupted=True)
        finally:
            writer.settle()
        return replace(run, seconds=bench.clock.elapsed, stages=dict(bench.clock.seconds))


def _load_ahead() -> None:
    """Load what pages are drawn with while the network computes: it takes a second, in which nobody would answer."""
    with suppress(ImportError):  # said where it is needed
        for name in ("matplotlib.figure", "jinja2"):
            import_module(name)


class _Writer:
    """Writes the states of one run into its directory, each in place of the one before."""

    def __init__(self, source: Given, folder: Path, options: FitOptions, title: str, clock: Clock) -> None:
        self._source, self._folder, self._title, self._clock = source, folder, title, clock
        self._command = command(
            "train", source.address, options={"-o": folder, **source.options, **fit_options(options)}
        )
        self._states: States | None = None
        self._latest: Run | None = None

    def written(self, states: Iterable[Fitted]) -> Iterator[Run]:
        """Each of ``states`` as a run, written where more than its reasons is new."""
        for fitted in states:
            run = Run(folder=self._folder, fitted=fitted, doubts=None, seconds=self._clock.elapsed)
            is_new = self._latest is None or fitted.evaluations is not self._latest.fitted.evaluations
            yield self.write(run) if is_new else run

    def write(self, run: Run) -> Run:
        """Write a state of the run, unless it is what is there; returns it with the seconds that have passed."""
        if self._states is None:
            output_folder.claim(self._folder, "run")
            self._states = States(self._folder, FILES)
        there = self._latest
        if there is None or run.fitted is not there.fitted or run.doubts is not there.doubts:
            with (
                self._states.next() as folder,
                self._clock.timed("writing the results"),
                ThreadPoolExecutor(1) as beside,  # the network computes its golden answers while the page is drawn
            ):
                seconds = dict(self._clock.seconds)
                saving = beside.submit(self._save_model, folder, run.fitted)
                self._write(folder, run, seconds)
                saving.result()
                self._write_record(folder, run, seconds)
            self._latest = run = replace(run, seconds=self._clock.elapsed)
        return run

    def _save_model(self, folder: Path, fitted: Fitted) -> None:
        """The model and what is remembered of its pictures; links to those files of the state before, if it is that."""
        if self._latest is not None and fitted.model is self._latest.fitted.model:
            for name in ("model", "training"):
                shutil.copytree(self._folder / name, folder / name, copy_function=_link_or_copy)
            return
        fitted.model.save(folder / "model")
        if fitted.reference is not None:
            fitted.reference.save(folder / "training")

    def settle(self) -> None:
        """No further state follows."""
        if self._states is not None:
            self._states.settle()

    def _write(self, folder: Path, run: Run, seconds: Mapping[str, float]) -> None:
        """What a state says, into ``folder``: figures, answers, pictures and the page."""
        fitted, doubts, first = run.fitted, run.doubts, run.fitted.evaluations[0]
        others = [measurement_document(part) for part in fitted.evaluations[1:]]
        write_json(folder / "metrics.json", {**measurement_document(first), "others": others})
        write_held_out(folder / "predictions.csv", HeldOut.of(fitted.images, first.index, first.proba))
        record.write(folder / record.FILE, fitted.images)
        if doubts is not None:
            decisions.write_review(folder / "review.csv", doubts.findings, review_reasons(doubts.findings))
        page = run_page.content(self._title, fitted, doubts, run.said, seconds=seconds, command=self._command)
        write_report(folder / "report.html", page)

    def _write_record(self, folder: Path, run: Run, seconds: Mapping[str, float]) -> None:
        """``run.json``: how the state was made, and the hashes of its files, which are all there."""
        doubts = run.doubts
        written = (*FILES[2:-1], "model/model.json")
        write_json(
            folder / "run.json",
            {
                "source": self._source.whereabouts,
                "reading": self._source.reading,
                "command": self._command,
                "state": run.state,
                "files": {name: sha256(folder / name) for name in written if (folder / name).exists()},
                **_record(run.fitted),
                "seconds": {stage: round(taken, 3) for stage, taken in seconds.items()},
                "alarms": list(run.alarms),
                "doubts": None if doubts is None else run_page.doubts_document(doubts, run.said),
            },
        )


def _link_or_copy(source: str, target: str) -> None:
    """The same file under another name; a copy where the file system has no such links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _record(fitted: Fitted) -> dict[str, Any]:
    """How the model was made: options, versions, data, the choice of the head, what came of fine-tuning."""
    choice, cost = fitted.choice, fitted.options.cost
    return {
        "options": fitted.options.to_dict(),
        "cost_sha256": None if cost is None else sha256(Path(cost)),
        "versions": surroundings(),
        "data": {**fitted.model.training, "left_out": len(fitted.images.left_out)},
        "backbone": dict(fitted.model.backbone),
        "runtime": fitted.model.space.runtime.name,
        "rounding": fitted.rounding and plain(fitted.rounding),
        "choice": {
            "reason": choice_reason(choice),
            "candidate": str(choice.candidate),
            "strength": choice.strength,
            "temperature": choice.head.temperature,
            "board": [score.to_dict() for score in choice.board],
        },
        "finetune": tuning.document(fitted.selection),
    }


def surroundings() -> dict[str, str]:
    """Versions of all that takes part in training, and the kind of machine: what may change the last digits."""
    others = {name: version(name) for name in ("scikit-learn", "scipy", "timm", "torch")}
    here = {"python": platform.python_version(), "system": platform.system(), "processor": platform.machine()}
    return {**versions(), **others, **here, "threads": str(threads())}
