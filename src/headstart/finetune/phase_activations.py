"""What each phase of a run is trained on: the activations of its frozen part, for the views an epoch wants."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from headstart.arrays import Floats
from headstart.backbones.split import FrozenPrefix
from headstart.cache_folder import size_limit
from headstart.finetune import lora
from headstart.finetune.activations import ActivationCache, Source, sources
from headstart.finetune.batches import predict
from headstart.finetune.job import Job
from headstart.finetune.notes import Note
from headstart.finetune.trainable import Trainable
from headstart.finetune.views import PLAIN, Look
from headstart.progress import Progress


@dataclass(kw_only=True)
class PhaseActivations:
    """The pictures of a job, as the phases of its plan see them."""

    job: Job
    trainable: Trainable
    progress: Progress
    _latest: tuple[int, ActivationCache] | None = field(default=None, init=False)
    _sources: dict[int, Source] = field(default_factory=dict, init=False)
    _frozen: dict[int, FrozenPrefix] = field(default_factory=dict, init=False)
    """What phases run in one pass with the one after them, as it is before any training."""

    def __post_init__(self) -> None:
        job, plan = self.job, self.job.plan
        self.look = Look(geometry=job.geometry, augment=plan.augment, seed=job.seed)
        # Sorted by content, so that any two runs on the same pictures find each other's activations.
        pool = sorted({int(i) for i in (*job.train, *job.val)}, key=lambda i: job.images.digests[i])
        self._paths, self._digests = [job.images.paths[i] for i in pool], [job.images.digests[i] for i in pool]
        self._place = {i: row for row, i in enumerate(pool)}
        for phase, (split, after) in enumerate(pairwise(self.trainable.splits)):
            if split.suffix is not None or (plan.augment.kind != "none" and plan.augment.views == "fresh"):
                break  # what learns has been changed, or the phases show different views
            if after.prefix is not None and after.suffix is not None:
                parts = lora.merged(after.prefix), lora.merged(after.suffix)
                self._frozen[phase] = FrozenPrefix(self.trainable.backbone, *parts, size=plan.size)

    def rows(self, index: Iterable[int]) -> list[int]:
        """Where in the activations the pictures at these positions in the job's images are."""
        return [self._place[int(i)] for i in index]

    def wanted(self, order: Iterable[int], epoch: int) -> list[tuple[int, int]]:
        """The rows of the training pictures ``order`` (positions in ``train``), each with the view an epoch shows."""
        return [(self._place[int(self.job.train[i])], self._view(int(i), epoch)) for i in order]

    def of(self, phase: int, notes: list[Note]) -> ActivationCache:
        """The activations of all pictures of the job in a phase; what is fixed is computed and kept."""
        if self._latest is not None and self._latest[0] == phase:
            return self._latest[1]
        plan, train = self.job.plan, self.rows(self.job.train)
        kept = self.of_files(phase, self._paths, self._digests, notes)
        if phase in self._frozen:
            kept.beside = self.of_files(phase + 1, self._paths, self._digests, notes)
        kept.keep([(row, PLAIN) for row in self.rows(self.job.val)])
        views = plan.augment.views
        if plan.augment.kind == "none":
            kept.keep([(row, PLAIN) for row in train])
        elif views != "fresh":
            kept.keep([(row, view) for row in train for view in range(views)])
        elif kept.source.runtime is not None and not any(options.patience for options in plan.phases[: phase + 1]):
            # Views are numbered by the epochs they are shown in, so every run with this seed has the same ones.
            first = 1 + sum(options.epochs for options in plan.phases[:phase])
            kept.keep_fresh(train, range(first, first + plan.phases[phase].epochs))
        notes.extend(note for note in kept.notes if note not in notes)
        self._latest = phase, kept
        return kept

    def val_proba(self, phase: int, notes: list[Note]) -> Floats:
        """(n, k) probabilities of the validation pictures, by the network as it is now, cut as in a phase."""
        return self.proba(phase, self.of(phase, notes), self.rows(self.job.val))

    def proba(self, phase: int, activations: ActivationCache, rows: Sequence[int]) -> Floats:
        """(n, k) probabilities of ``rows`` of ``activations``, by the network as it is now, cut as in a phase."""
        self.trainable.eval()
        return predict(self.trainable.suffix(phase), activations, rows, bf16=self.job.evaluates_in == "bf16")

    def of_files(self, phase: int, paths: Sequence[Path], digests: Sequence[str], notes: list[Note]) -> ActivationCache:
        """The activations of any pictures in a phase."""
        source = self.source(phase)
        notes.extend(note for note in (source.runtime.notes if source.runtime else ()) if note not in notes)
        return ActivationCache(
            paths=paths,
            digests=digests,
            look=self.look,
            source=source,
            folder=self.job.network.cache / "maps",
            limit=size_limit(),
            progress=self.progress,
        )

    def source(self, phase: int) -> Source:
        """What gives the activations of a phase; made at the first call, with the weights as they are then."""
        if phase in self._sources:
            return self._sources[phase]
        plan, splits = self.job.plan, self.trainable.splits
        prefix = splits[phase].prefix
        if prefix is None:
            return Source(runtime=None, shape=(plan.size, plan.size, 3))
        first = next((number for number in (phase, phase - 1) if number in self._frozen), None)
        if first is None:
            frozen, phases = FrozenPrefix(self.trainable.backbone, lora.merged(prefix), size=plan.size), [phase]
        else:
            frozen, phases = self._frozen[first], [first + 1, first]  # the shorter part comes first
        cuts = [splits[number].at for number in phases]
        made = sources(frozen, self.job.network, cuts=cuts, reads=plan.head.reads, size=plan.size)
        self._sources.update(zip(phases, made, strict=True))
        return self._sources[phase]

    def _view(self, i: int, epoch: int) -> int:
        """Which view of the i-th training picture an epoch shows: a new one, or the fixed ones in turn."""
        augment = self.job.plan.augment
        if augment.kind == "none":
            return PLAIN
        return epoch if augment.views == "fresh" else (epoch + i) % augment.views
