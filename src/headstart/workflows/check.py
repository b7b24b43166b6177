"""Check a folder of pictures: what is doubtful about it, on a page and in a list that a person decides on.

::

    review.html     findings in plain words, the suspicious pictures with the label each may deserve
    review.csv      the same pictures, with a column for the decision
    pictures.csv    written by :func:`apply_review`: a table to train on, with the decisions carried out
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from headstart import output_folder, pipeline
from headstart.audit import decisions
from headstart.audit.duplicates import Deduplicated
from headstart.audit.findings import Findings
from headstart.audit.leak import Leak
from headstart.claims.alarms import alarms_of_pictures
from headstart.command import command, fit_options
from headstart.errors import DataError
from headstart.features.table import Workbench
from headstart.files import below, display, plain
from headstart.images.folder import ImageSet, scan
from headstart.images.formats.given import Given, Source
from headstart.images.formats.reading import picture_folders
from headstart.options import FitOptions
from headstart.progress import Progress
from headstart.report import gallery, review
from headstart.report.alarms import alarm_lines
from headstart.report.duplicates import duplicates
from headstart.report.page import PlainPage, write_report
from headstart.report.pictures import (
    copy_lines,
    finding_lines,
    leak_sentence,
    poor_reason,
    review_reasons,
    suspect_reasons,
)
from headstart.workflows.check_begun import LIST, PAGE, begun

TABLE = "pictures.csv"
_FOLDERS = {"--to": "folders"}
PARAMETERS = ("backbone", "sizes", "budget", "group_by", "random_state")
"""What `headstart check` has an option for."""


@dataclass(frozen=True, kw_only=True)
class Checkup:
    """What :func:`check_pictures` found and wrote."""

    folder: Path
    findings: Findings
    copies: Deduplicated
    """The copies among the pictures."""
    leak: Leak | None
    """What they would have added to the accuracy; None without copies."""
    apply: str
    """The command that carries out what a person has decided."""
    seconds: float

    @property
    def alarms(self) -> tuple[str, ...]:
        """What would change the meaning of an accuracy measured on these pictures, in plain sentences."""
        return alarm_lines(alarms_of_pictures(self.findings, self.leak), self.findings.images.classes)

    @property
    def lines(self) -> tuple[str, ...]:
        """What was found in plain sentences, the most serious first."""
        inside = [leak_sentence(self.leak)] if self.leak and self.leak.split == "folds" else []
        return (*self.alarms, *finding_lines(self.findings), *copy_lines(self.copies), *inside)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        findings, images, copies = self.findings, self.findings.images, self.copies.copies
        names = [below(images.root, path) for path in images.paths]
        return plain(
            self,
            "folder",
            pictures=len(images),
            alarms=self.alarms,
            findings=self.lines,
            suspects=[
                {
                    "path": names[suspect.index],
                    "label": images.classes[images.y[suspect.index]],
                    "suggested": suspect.suggested or None,
                    "suspicion": round(suspect.suspicion, 6),
                    "why": suspect_reasons(findings, suspect),
                }
                for suspect in findings.suspects
            ],
            wrong_labels=findings.wrong_labels,
            poor={names[picture.index]: poor_reason(findings, picture) for picture in findings.poor},
            grey=[names[i] for i in findings.grey],
            shortcuts=[
                {
                    "fact": shortcut.fact,
                    "label": images.classes[shortcut.label],
                    **{name: round(getattr(shortcut, name), 4) for name in ("effect", "recognised", "mistaken")},
                    "p": round(shortcut.p, 6),
                    "alarm": shortcut.alarm,
                }
                for shortcut in findings.shortcuts
            ],
            copies=[
                sorted(below(copies.images.root, copies.images.paths[i]) for i in each) for each in copies.clusters
            ],
            leak=self.leak,
            left_out={below(images.root, out.path): out.reason for out in images.left_out},
            apply=self.apply,
            seconds=round(self.seconds, 2),
        )


def check_pictures(
    source: Source,
    folder: Path,
    options: FitOptions,
    *,
    tell: Callable[[ImageSet], None] = lambda images: None,
    progress: Progress | None = None,
    engine: str | None = None,
) -> Checkup:
    """`examine` what `begun` reads: choose a head for the pictures in order to doubt them."""
    with begun(source, folder, options, tell=tell, progress=progress, engine=engine) as (images, bench):
        return examine(source, folder, options, images, bench)


def examine(source: Source, folder: Path, options: FitOptions, images: ImageSet, bench: Workbench) -> Checkup:
    """Doubt the pictures that were read from ``source``; write the page and the list into ``folder``.

    Raises:
        DataError: with everything that keeps the pictures from being used.
    """
    given = Given.of(source)
    fitted = pipeline.fit(images, replace(options, finetune="never"), bench, evaluate=False)
    findings, leak = pipeline.doubt_images(fitted, bench)
    seconds = bench.clock.elapsed
    output_folder.claim(folder, "review")
    decisions.write_review(folder / LIST, findings, review_reasons(findings))
    apply = command("check", given.address, options={"--apply": folder / LIST, "-o": folder, **given.options})
    copies = fitted.deduplicated
    done = Checkup(folder=folder, findings=findings, copies=copies, leak=leak, apply=apply, seconds=seconds)
    parts = (
        *review.sections(findings, partial(gallery.whole, findings.images)),
        duplicates(copies, leak, partial(gallery.thumbnail, copies.copies.images)),
        review.todo(LIST, apply),
    )
    page = PlainPage(
        title=f"{display(given.title)}: what is doubtful about these pictures",
        lede=(*done.alarms, *review.lede(findings)),
        sections=tuple(part for part in parts if part),
        command=command(
            "check", given.address, options={"-o": folder, **given.options, **fit_options(options, only=PARAMETERS)}
        ),
    )
    write_report(folder / PAGE, page)
    return done


def apply_review(source: Source, decided: Path, folder: Path) -> decisions.Applied:
    """Carry out the decisions of a filled-in review list; writes ``pictures.csv`` into ``folder``.

    Raises:
        DataError: the pictures lie in an archive, where a table cannot name them; or a decision cannot be carried out.
    """
    given = Given.of(source)
    pictures = picture_folders(given)
    output_folder.refuse_unsafe(given.path, folder, what="review", never=[TABLE], as_left=[TABLE], pictures=pictures)
    images = scan(given, for_training=False)
    if images.understood.unpacked:
        found, expected = (
            f"{display(given.address)}, which is unpacked in the cache",
            "pictures that are files of yours",
        )
        todo = f"write them as files, then check those: {command('convert', given.address, 'NEW', options=_FOLDERS)}"
        raise DataError.of("the decisions", expected=expected, found=found, todo=todo)
    applied = decisions.apply(images, decided, folder / TABLE)
    output_folder.remember(applied.table, "review")
    return applied
