"""What each phase of a run is trained on: the maps that its frozen part gives, for the views an epoch wants."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np

from headstart.backbones.split import FrozenPrefix
from headstart.features.cache import size_limit
from headstart.finetune import lora
from headstart.finetune.activations import PLAIN, ActivationCache, Look, Source, sources
from headstart.finetune.job import Job
from headstart.finetune.notes import Note, OfRuntime
from headstart.finetune.trainable import Trainable
from headstart.images.transforms import Geometry
from headstart.progress import Progress


@dataclass(kw_only=True)
class PhaseActivations:
    """The pictures of a run, as the phases of its plan see them."""

    job: Job
    trainable: Trainable
    cache: Path
    progress: Progress
    _latest: tuple[int, ActivationCache] | None = field(default=None, init=False)
    _sources: dict[int, Source] = field(default_factory=dict, init=False)
    _frozen: dict[int, FrozenPrefix] = field(default_factory=dict, init=False)
    """What phases run in one pass with the one after them, as it is before any training."""

    def __post_init__(self) -> None:
        job, self.backbone = self.job, self.trainable.backbone
        self.images, self.train, self.val, self.plan = job.images, job.train, job.val, job.plan
        # Sorted by content, so that any two runs on the same pictures find each other's maps.
        together = sorted({int(i) for i in (*self.train, *self.val)}, key=lambda i: self.images.digests[i])
        self._pool = np.array(together, dtype=np.int64)
        self._place = {i: row for row, i in enumerate(together)}
        for phase, (one, after) in enumerate(pairwise(self.trainable.splits)):
            if one.suffix is not None or not self._views_stay:
                break
            if after.prefix is not None and after.suffix is not None:
                parts = lora.merged(after.prefix), lora.merged(after.suffix)
                self._frozen[phase] = FrozenPrefix(self.backbone, *parts, size=self.plan.size)

    @property
    def geometry(self) -> Geometry:
        """The plan's, and where it is silent the backbone's."""
        return Geometry(
            size=self.plan.size,
            mode=self.plan.mode,
            crop_pct=self.plan.crop_pct or self.backbone.crop_pct,
            interpolation=self.plan.interpolation or self.backbone.interpolation,
        )

    def rows(self, index: Iterable[int]) -> list[int]:
        """Where in the maps the pictures at these positions in ``images`` are."""
        return [self._place[int(i)] for i in index]

    def wanted(self, order: Iterable[int], epoch: int) -> list[tuple[int, int]]:
        """The rows of the training pictures ``order`` (positions in ``train``), each with the view an epoch shows."""
        return [(self._place[int(self.train[i])], self._view(int(i), epoch)) for i in order]

    def of(self, phase: int, notes: list[Note]) -> ActivationCache:
        """The maps of all pictures of the run in a phase; what is fixed is computed and kept."""
        if self._latest is not None and self._latest[0] == phase:
            return self._latest[1]
        maps = self.of_files(
            phase, [self.images.paths[i] for i in self._pool], [self.images.digests[i] for i in self._pool], notes
        )
        if phase in self._frozen:
            maps.beside = self.of_files(phase + 1, maps.paths, maps.digests, notes)
        maps.keep([(row, PLAIN) for row in self.rows(self.val)], self.progress)
        views = self.plan.augment.views
        if self.plan.augment.kind == "none":
            maps.keep([(row, PLAIN) for row in self.rows(self.train)], self.progress)
        elif views != "fresh":
            maps.keep([(row, view) for row in self.rows(self.train) for view in range(views)], self.progress)
        elif maps.source.runtime is not None and not any(one.patience for one in self.plan.phases[: phase + 1]):
            # Views are numbered by the epochs they are shown in, so every run with this seed has the same ones.
            first = 1 + sum(one.epochs for one in self.plan.phases[:phase])
            epochs = range(first, first + self.plan.phases[phase].epochs)
            maps.keep_fresh(self.rows(self.train), epochs, self.progress)
        notes.extend(note for note in maps.notes if note not in notes)
        self._latest = phase, maps
        return maps

    def of_files(self, phase: int, paths: Sequence[Path], digests: Sequence[str], notes: list[Note]) -> ActivationCache:
        """The maps of any pictures in a phase."""
        if phase not in self._sources:
            self._find_source(phase)
        source = self._sources[phase]
        said = [OfRuntime(text=text) for text in (source.runtime.notes if source.runtime else ())]
        notes.extend(note for note in said if note not in notes)
        return ActivationCache(
            paths=paths,
            digests=digests,
            look=Look(geometry=self.geometry, augment=self.plan.augment, seed=self.job.seed),
            source=source,
            folder=self.cache / "maps",
            limit=size_limit(),
        )

    def _find_source(self, phase: int) -> None:
        splits, size = self.trainable.splits, self.plan.size
        prefix = splits[phase].prefix
        if prefix is None:
            self._sources[phase] = Source(runtime=None, shape=(size, size, 3))
            return
        first = next((one for one in (phase, phase - 1) if one in self._frozen), None)
        frozen = FrozenPrefix(self.backbone, lora.merged(prefix), size=size) if first is None else self._frozen[first]
        phases = [phase] if first is None else [first + 1, first]  # the shorter part comes first
        found = sources(
            self.backbone,
            frozen,
            [splits[one].at for one in phases],
            reads=self.plan.head.reads,
            size=size,
            cache=self.cache,
            device=self.job.device,
            precision=self.job.precision,
        )
        self._sources.update(zip(phases, found, strict=True))

    @property
    def _views_stay(self) -> bool:
        """Whether every phase shows the same views."""
        return self.plan.augment.kind == "none" or self.plan.augment.views != "fresh"

    def _view(self, i: int, epoch: int) -> int:
        """Which view of the i-th training picture an epoch shows: a new one, or the fixed ones in turn."""
        if self.plan.augment.kind == "none":
            return PLAIN
        views = self.plan.augment.views
        return epoch if views == "fresh" else (epoch + i) % views
