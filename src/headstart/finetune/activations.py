"""Pictures × frozen part of a network → the activations that are trained on, computed once for each fixed view.

Activations are rounded to bf16 whether they come from the file or are computed anew, so nothing depends on which. With
nothing frozen the same code hands on the pictures themselves, uint8.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from headstart import cache_folder
from headstart.backbones.network import FrozenModule
from headstart.backbones.prepared import prepare
from headstart.backbones.runtime import Outputs, Runtime, stacked
from headstart.backbones.space import NetworkSpec
from headstart.backbones.split import FrozenPrefix
from headstart.files import digest
from headstart.finetune.notes import DiskFull, Note, NotRepeatable, Remade, TooLarge
from headstart.finetune.views import KeptRows, Look, ViewFile, Wanted, decoded
from headstart.progress import Progress, Silent
from headstart.store import FeatureStore

CHECKED = 4
"""How many kept rows are computed again and compared before they are trained on."""
COMMIT_SECONDS = 5.0
"""At least this long between two commits to disk: what a killed process has computed in vain."""
IN_MEMORY = 8_000_000
"""Bytes of a view up to which it is read into memory: a file each would use up the handles of a process."""
FRESH_VIEWS, FRESH_BYTES = 100, 500_000_000
"""The most views that are new in every epoch and kept all the same, and the most bytes of them."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """What gives the activations of a phase: a frozen part of a network at one of its cuts, or nothing."""

    runtime: Runtime | None
    """None: nothing is frozen, and the pictures themselves are trained on."""
    shape: tuple[int, ...]
    """Of the activations of one view, or ``(s, s, 3)``."""
    name: str = "map0"
    """Of the cut among what the runtime gives."""

    @property
    def key(self) -> str:
        """Tells one source from another."""
        return "pictures" if self.runtime is None else f"{self.runtime.key}-{self.name}"


def sources(frozen: FrozenPrefix, network: NetworkSpec, **identity: Any) -> tuple[Source, ...]:
    """Everything that the frozen part of a network gives in one pass, a source for each cut; see `prepared`."""
    runtime = prepared(frozen, network, **identity)
    return tuple(Source(runtime=runtime, shape=shape, name=name) for name, shape in frozen.shapes.items())


def prepared(module: FrozenModule, network: NetworkSpec, **identity: Any) -> Runtime:
    """The runtime of a module made of ``network``, which training may have changed since.

    ``identity``: all that decides what it computes beside the architecture and its tensors; ``size`` among it.
    """
    content = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        content.update(name.encode() + value.contiguous().numpy().tobytes())
    versions = {package: importlib.metadata.version(package) for package in ("timm", "torch")}
    identity = {"architecture": network.backbone.architecture, "weights": content.hexdigest(), **identity, **versions}
    precision = "auto" if network.precision == "int8" else network.precision  # what trains is not rounded that far
    return prepare(lambda: module, identity, cache=network.cache, device=network.device, precision=precision)


@dataclass(kw_only=True)
class ActivationCache:
    """The activations of a set of pictures, from files where they are kept, else computed as they are asked for."""

    paths: Sequence[Path]
    digests: Sequence[str]
    """SHA-256 of each file; one that has changed since is not used."""
    look: Look
    source: Source
    folder: Path
    """Where views are kept, a folder each."""
    limit: int
    """The most bytes to keep there."""
    notes: list[Note] = field(default_factory=list)
    """What was decided on the way."""
    beside: ActivationCache | None = None
    """The same pictures at another cut of the same pass: kept along, while there is room."""
    progress: Progress = field(default_factory=Silent)
    _kept: dict[int, KeptRows | NDArray[np.generic]] = field(default_factory=dict, init=False)
    _files: dict[int, ViewFile] = field(default_factory=dict, init=False)

    @property
    def dtype(self) -> type[np.generic]:
        """Of the rows: uint16 holds the bits of a bf16."""
        return np.uint8 if self.source.runtime is None else np.uint16

    def batches(self, wanted: Wanted, sizes: Sequence[int]) -> Iterator[Tensor]:
        """The activations ``wanted``, in order, in batches of ``sizes``: float32 (b, *shape), or uint8 (b, s, s, 3).

        Raises:
            DataError: pictures that cannot be read, all of them.
        """
        rows = (row for (row,) in self._computed(wanted, [self]))
        if all(view in self._kept for _, view in wanted):
            rows = (self._kept[view][i] for i, view in wanted)
        for size in sizes:
            yield self._tensor(np.stack(list(islice(rows, size))))

    def keep(self, wanted: Wanted) -> bool:
        """Compute what is ``wanted`` and keep it on disk, as far as it is not there; False if it does not fit.

        Killed at any instant, a file holds what it says it holds, and the next run goes on from there. A few rows are
        computed again and compared before any is used.

        Raises:
            DataError: pictures that cannot be read, all of them.
        """
        views = sorted({view for _, view in wanted})
        if not self._kept_on_disk(wanted, views):
            for view in views:  # what was kept of them is not all that is wanted
                self._kept.pop(view, None)
            return False
        if len(self.paths) * self._row_bytes <= IN_MEMORY:
            self._kept.update({view: np.stack(list(self._kept[view])) for view in views})
        return True

    def keep_fresh(self, rows: Sequence[int], views: range) -> bool:
        """`keep` views that are shown in one epoch each, where they are so small that other runs may as well use them.

        As a rule that is so behind the cut before the head, where a view is a row of features.
        """
        size = len(views) * len(self.paths) * self._row_bytes
        if len(views) > FRESH_VIEWS or size > min(FRESH_BYTES, self.limit / 4):
            return False
        return self.keep([(i, view) for i in rows for view in views])

    def _kept_on_disk(self, wanted: Wanted, views: Sequence[int]) -> bool:
        if (needed := self._needed(views)) > self.limit:
            self.notes.append(TooLarge(needed=needed, limit=self.limit))
            return False
        try:
            together = self._with_room(wanted, views)
        except OSError as error:
            cache_folder.note_unusable(self.folder.parent, error)
            return False
        if not together:
            self.notes.append(DiskFull(folder=str(self.folder)))
            return False
        return self._kept_soundly(wanted, views, together)

    # ── files ───────────────────────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def _pictures(self) -> str:
        return digest(list(self.digests))

    @property
    def _row_bytes(self) -> int:
        return int(np.prod(self.source.shape)) * np.dtype(self.dtype).itemsize

    def _needed(self, views: Sequence[int]) -> int:
        """Bytes of everything that is kept once ``views`` are."""
        return len(self._kept.keys() | views) * len(self.paths) * self._row_bytes

    def _missing(self, wanted: Wanted, views: Sequence[int]) -> int:
        """Bytes of the rows ``wanted`` that are not on disk."""
        done = {view: self._file(view).done() for view in views}
        return sum(not done[view][i] for i, view in set(wanted)) * self._row_bytes

    def _file(self, view: int) -> ViewFile:
        """The file of a view."""
        if view not in self._files:
            name = digest({"network": self.source.key, "look": self.look.key(view), "pictures": self._pictures})
            self._files[view] = ViewFile(self.folder / name, (len(self.paths), *self.source.shape), self.dtype)
        return self._files[view]

    def _with_room(self, wanted: Wanted, views: Sequence[int]) -> list[ActivationCache]:
        """This cache and the one `beside` it, this alone, or none: as many as there is room for, which is made.

        Raises OSError.
        """
        cache_folder.made(self.folder)
        choices = [[self]]
        if self.beside is not None and self._needed(views) + self.beside._needed(views) <= self.limit:
            choices.insert(0, [self, self.beside])
        for together in choices:
            used = {cache._file(view).folder for cache in together for view in cache._kept.keys() | views}
            missing = sum(cache._missing(wanted, views) for cache in together)
            with FeatureStore(self.folder.parent, limit=self.limit) as store:
                if store.make_room(missing, used=used):
                    return together
        return []

    def _kept_soundly(self, wanted: Wanted, views: Sequence[int], together: Sequence[ActivationCache]) -> bool:
        """Fill the files of ``views``; False where the disk fails, or the machine does not repeat itself."""
        self._fill(wanted, views, together)
        if not all(cache._file(view).usable for cache in together for view in views):
            return False
        for cache in together:
            cache._kept.update({view: cache._file(view).rows() for view in views})
        if self._holds(wanted):
            return True
        self.notes.append(Remade())
        for view in views:
            self._file(view).forget()
        self._fill(wanted, views, [self])
        if self._holds(wanted):
            return True
        self.notes.append(NotRepeatable())
        return False

    def _fill(self, wanted: Wanted, views: Sequence[int], together: Sequence[ActivationCache]) -> None:
        """Write what is missing of ``wanted``, in one pass for all caches in ``together``."""
        files = [cache._file(view) for cache in together for view in views]
        for file in files:
            file.check()
        if not all(file.usable for file in files):
            return
        done = {view: np.all([cache._file(view).done() for cache in together], axis=0) for view in views}
        todo = [(i, view) for i, view in dict.fromkeys(wanted) if not done[view][i]]
        if not todo:
            return
        committed = time.monotonic()
        try:
            with self.progress.stage("frozen part of the network", len(todo)) as advance:
                computed = zip(todo, self._computed(todo, together), strict=True)
                for count, ((i, view), row_of_each) in enumerate(computed, start=1):
                    for cache, row in zip(together, row_of_each, strict=True):
                        cache._file(view).write(i, row)
                    if not all(cache._file(view).usable for cache in together):
                        return
                    if time.monotonic() - committed >= COMMIT_SECONDS:
                        for file in files:
                            file.commit()
                        committed = time.monotonic()
                    advance(count)
        finally:
            for file in files:
                file.end()

    def _holds(self, wanted: Wanted) -> bool:
        """Whether a few of the kept rows are, bit for bit, what the network computes now."""
        places = np.linspace(0, len(wanted) - 1, min(CHECKED, len(wanted))).round().astype(int)
        some = [wanted[place] for place in places]
        return all(
            np.array_equal(self._kept[view][i], row)
            for (i, view), (row,) in zip(some, self._computed(some, [self]), strict=True)
        )

    # ── computing ───────────────────────────────────────────────────────────────────────────────────────────────

    def _computed(
        self, wanted: Wanted, together: Sequence[ActivationCache]
    ) -> Iterator[tuple[NDArray[np.generic], ...]]:
        """For each of ``wanted``, in order, its row in every cache in ``together``."""
        pictures = decoded(self.paths, self.digests, self.look, wanted)
        runtime = self.source.runtime
        if runtime is None:
            yield from ((picture,) for picture in pictures)
            return
        for outputs in runtime.run(stacked(pictures, runtime.batch)):
            yield from zip(*(cache._rounded(outputs) for cache in together), strict=True)

    def _rounded(self, outputs: Outputs) -> NDArray[np.uint16]:
        """The bits of these activations (n, *shape) as bf16 among what the runtime gave for a batch."""
        rows = torch.from_numpy(outputs[self.source.name]).to(torch.bfloat16)
        return rows.view(torch.int16).numpy().view(np.uint16).reshape(-1, *self.source.shape)

    def _tensor(self, rows: NDArray[np.generic]) -> Tensor:
        if self.source.runtime is None:
            return torch.from_numpy(rows)
        return torch.from_numpy(rows.view(np.int16)).view(torch.bfloat16).float()
