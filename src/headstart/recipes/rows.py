"""A row of a table as data, and what comes of it: in this process, or on another machine that is sent the row."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.cache_folder import made
from headstart.device import take_share, threads
from headstart.errors import HeadstartError, OptionError, UserInputError
from headstart.features.calls import Ended
from headstart.features.cluster import Cluster, not_shared
from headstart.features.worker import network_here
from headstart.files import digest
from headstart.finetune.notes import to_plain
from headstart.progress import Progress
from headstart.recipes.runner import Stopwatch
from headstart.report.finetuning_notes import in_words

if TYPE_CHECKING:
    from headstart.finetune.job import Job

FORMAT = 3
"""Raised whenever a row's file holds something else than before."""
Trained = dict[str, Any] | str
"""What came of a row in plain JSON types, or the reason why nothing did."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """What is to be trained, and where what comes of it is kept."""

    job: Job
    folder: Path

    @cached_property
    def key(self) -> str:
        """The name of the row: everything that its result depends on."""
        images = self.job.images
        measured = [[images.digests[i], int(images.y[i])] for i in images.in_split("test")]
        return digest({"format": FORMAT, "run": self.job.key(), "test": measured})

    @property
    def file(self) -> Path:
        """Where the result is kept."""
        return self.folder / f"{self.key}.json"

    @property
    def checkpoint(self) -> Path:
        """What an interrupted row goes on from; in the cache of a machine that does not see the folder."""
        if self.folder.is_dir():
            return self.folder / f"{self.key}.checkpoint"
        return made(self.job.network.cache / "checkpoints")


def train(row: Row, progress: Progress | None = None) -> Trained:
    """Train a row, and let it answer the test pictures; the validation pictures where there are none."""
    try:
        return _trained(row, progress)
    except (HeadstartError, RuntimeError, MemoryError, OSError) as error:
        return short(error)


def _trained(row: Row, progress: Progress | None) -> dict[str, Any]:
    from headstart.finetune.loop import finetune

    images, stopwatch = row.job.images, Stopwatch()
    tuned = finetune(row.job, checkpoint=row.checkpoint, progress=progress, watch=stopwatch.watch)
    paths = [images.paths[i] for i in images.in_split("test")]
    proba = tuned.predict_proba(paths, weights="last") if paths else tuned.last_proba
    return {
        "history": tuned.history.to_dict(),
        "proba": proba.tolist(),
        "prepared_seconds": stopwatch.prepared(tuned.history),
        "runtime": tuned.runtime,
        "notes": in_words(tuned.notes),
        "diverged": [to_plain(event) for event in tuned.diverged],
    }


def short(error: BaseException) -> str:
    """What went wrong, in a line."""
    if isinstance(error, UserInputError):
        found = "; ".join(f"expected {problem.expected}, found {problem.found}" for problem in error.problems)
        return f"{error.what}: {found}"
    return f"{type(error).__name__}: {error}".splitlines()[0]


# ── elsewhere ───────────────────────────────────────────────────────────────────────────────────────────────────────


def train_on(cluster: Cluster, rows: Sequence[Row]) -> Iterator[tuple[int, Trained]]:
    """What comes of each of the ``rows`` on the machines of a cluster, with its position, as they come.

    A row is trained with as many threads as here, so that it comes out the same, byte for byte.

    Raises:
        OptionError, DiskError, WeightsError, MissingPackageError: a machine that cannot do what this one can.
    """
    there = partial(_train_there, count=threads(), sender=socket.gethostname())
    gpu = any(row.job.trains_on == "cuda" for row in rows)
    for i, answer in cluster.each(there, [(row, row.key) for row in rows], cpus=threads(), gpu=gpu):
        if isinstance(answer, HeadstartError):
            raise answer
        yield i, f"the process that trained it ended: {answer.reason}" if isinstance(answer, Ended) else answer


def _train_there(keyed: tuple[Row, str], *, count: int, sender: str) -> Trained | HeadstartError:
    """What comes of a row of the machine ``sender``, which calls it so, or what keeps this machine from it."""
    (row, key), host = keyed, socket.gethostname()
    take_share(count)
    try:
        row = replace(row, job=replace(row.job, network=network_here(row.job.network)))
    except UserInputError as error:
        return type(error)(f"{error.what}, on {host}", error.problems)
    if row.key != key:
        return OptionError.of(
            "workers that train other rows",
            expected=f"the same versions of all packages as on {sender}, and devices of the same kind",
            found=f"others on {host}",
            todo="take machines of one kind with the same versions",
        )
    trained = train(row)
    if isinstance(trained, str):
        for path in row.job.images.paths:
            if not os.path.lexists(path):
                return not_shared(path, host, here=sender)
    return trained
