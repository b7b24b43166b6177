"""Images × frozen network → feature rows. Training, evaluation and serving all come through here.

Decoding runs in threads, inference in the runtime's own; this thread only
hands arrays over. At most a few batches are in memory at any time, whatever the number of images.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import NamedTuple

from headstart.arrays import Pixels, Rows
from headstart.backbones.runtime import Outputs, Runtime, stacked
from headstart.backbones.space import Space, SpaceSpec, opened
from headstart.errors import UnreadableImageError
from headstart.images.notes import Note, load_with_notes
from headstart.images.processes import ENDED, shared_out
from headstart.images.reading import NOT_FOUND
from headstart.images.sources import Source, content
from headstart.images.threads import in_order
from headstart.images.transforms import Geometry, View
from headstart.progress import Progress, Silent
from headstart.store import FeatureStore

COMMIT_EVERY_S = 1.0
LEAST_WAITING = 64
"""Decoded images that may wait for the network, so that one which takes long to decode holds up no others."""
CHANGED = "changed while it was being read"
NO_SUCH_FILE, VANISHED = "no such file", "vanished after it was listed: put it back and start again"
"""Reasons for a file that is not there."""


@dataclass(frozen=True, kw_only=True)
class Misses:
    """Images whose rows are to be computed, n of them, in what, and what is to be noted beside."""

    sources: Sequence[Source]
    space: Space | SpaceSpec
    views: Sequence[View] = (View.CENTRE,)
    digests: Sequence[str] | None = None
    """(n,) SHA-256, hex: a file whose bytes have changed since they were taken counts as unreadable."""
    notes: Sequence[Note] = ()


Found = tuple[dict[View, Outputs], list[bytes]]
"""Rows ``{view: {output: (d,) float32}}`` of an image, and its notes."""
Engine = Callable[[Misses], Iterator[Found | str]]
"""Who computes: for each of the misses, in order, what was found, or the reason why it cannot be decoded."""


def extract(
    sources: Sequence[Source],
    space: Space | SpaceSpec,
    *,
    views: Sequence[View] = (View.CENTRE,),
    digests: Sequence[str] | None = None,
    engine: Engine | None = None,
) -> Iterator[dict[View, Outputs] | str]:
    """Compute the rows of each image once, in the order of ``sources``.

    Yields ``{view: {output: (d,) float32}}`` for each, or the reason for an image that cannot be decoded.
    With ``digests`` (SHA-256, hex) a file whose bytes have changed since they were taken counts as unreadable. A spec
    is opened once in each process. ``engine``: `here` if not given.
    """
    for found in (engine or here)(Misses(sources=sources, space=space, views=views, digests=digests)):
        yield found if isinstance(found, str) else found[0]


def here(misses: Misses) -> Iterator[Found | str]:
    """Compute the rows of ``misses`` in this process: the `Engine` of one machine."""
    space, views = opened(misses.space), misses.views
    handed_over: deque[list[bytes] | str] = deque()  # the notes of an image, or why it cannot be decoded

    def images() -> Iterator[Pixels]:
        window = max(4 * space.runtime.batch, LEAST_WAITING)
        for decoded in _decoded(misses, space.geometry, window=window):
            handed_over.append(decoded if isinstance(decoded, str) else decoded[1])
            if not isinstance(decoded, str):
                yield from decoded[0]

    def unreadable() -> Iterator[str]:
        while handed_over and isinstance(handed_over[0], str):
            yield str(handed_over.popleft())

    rows: list[Outputs] = []  # of the views of one image
    for row in rows_of(images(), space.runtime):
        rows.append(row)
        if len(rows) == len(views):
            yield from unreadable()
            yield dict(zip(views, rows, strict=True)), [*handed_over.popleft()]
            rows = []
    yield from unreadable()


def rows_of(images: Iterable[Pixels], runtime: Runtime) -> Iterator[Outputs]:
    """The rows (d,) by output of decoded images (size, size, 3), in order, computed in batches."""
    for outputs in runtime.run(stacked(images, runtime.batch)):
        for i in range(len(next(iter(outputs.values())))):
            yield {name: values[i] for name, values in outputs.items()}


def extract_to_store(
    paths: Sequence[Path],
    digests: Sequence[str],
    space: Space | SpaceSpec,
    store: FeatureStore,
    *,
    views: Sequence[View] = (View.CENTRE,),
    notes: Sequence[Note] = (),
    progress: Progress | None = None,
    engine: Engine | None = None,
) -> dict[int, str]:
    """Make sure that every image has its rows in the store; returns ``{index: reason}`` of the unreadable ones.

    What is already there is not computed again; with the rows of an image its ``notes`` are kept. Both are committed
    every second, so that a run cut off at any instant goes on from there. ``engine``: `here` if not given.

    Raises:
        DiskError: the disk does not answer any more; the rows computed so far are in the store.
    """
    space = opened(space)
    keys = {(view, output): space.key(view, output) for view in views for output in space.runtime.widths}
    known = set(digests)
    for key in keys.values():
        known &= store.known(key, known)
    todo = {digest: path for digest, path in zip(digests, paths, strict=True) if digest not in known}
    if not todo:
        return {}
    failed: dict[str, str] = {}
    waiting: dict[str, dict[str, Rows | bytes]] = {}
    committed = time.monotonic()
    with (progress or Silent()).stage(f"features at {space.geometry.size}", len(todo)) as advance:
        misses = Misses(sources=list(todo.values()), space=space, views=views, digests=list(todo), notes=notes)
        extracted = (engine or here)(misses)
        try:
            for done, (digest, found) in enumerate(zip(todo, extracted, strict=True), start=1):
                if isinstance(found, str):
                    failed[digest] = found
                else:
                    rows, noted = found
                    for (view, output), key in keys.items():
                        waiting.setdefault(key, {})[digest] = rows[view][output]
                    for note, value in zip(notes, noted, strict=True):
                        waiting.setdefault(note.space(space.geometry.levels), {})[digest] = value
                if time.monotonic() - committed > COMMIT_EVERY_S:
                    store.write(waiting)
                    waiting, committed = {}, time.monotonic()
                advance(done)
        finally:  # also where a disk does not answer any more: the next run goes on from here
            store.write(waiting)
    return {i: failed[digest] for i, digest in enumerate(digests) if digest in failed}


def _decoded(misses: Misses, geometry: Geometry, *, window: int) -> Iterator[tuple[Pixels, list[bytes]] | str]:
    """Each image's views (v, s, s, 3) and notes, or the reason why not, in order; at most some ``window`` wait."""
    sources, digests = misses.sources, misses.digests
    files = [isinstance(source, (str, PathLike)) for source in sources]
    asked = [
        _Asked(source, digests[i] if digests else None, bool(digests or not files[i] or os.path.lexists(str(source))))
        for i, source in enumerate(sources)
    ]
    work = _Decoding(geometry=geometry, views=misses.views, notes=misses.notes)
    if all(files):
        return shared_out(work, asked, window=window, lost=lambda asked: ENDED)
    return in_order(work, asked, window=window)


class _Asked(NamedTuple):
    source: Source
    digest: str | None
    there: bool
    """Whether it was there before; what has a digest was, a moment ago."""


@dataclass(frozen=True, kw_only=True)
class _Decoding:
    """Plain data: it may be done in another process."""

    geometry: Geometry
    views: Sequence[View]
    notes: Sequence[Note]

    def __call__(self, asked: _Asked) -> tuple[Pixels, list[bytes]] | str:
        if not asked.there:
            return NO_SUCH_FILE
        try:
            with content(asked.source) as data:
                if asked.digest and not (isinstance(data, bytes) and hashlib.sha256(data).hexdigest() == asked.digest):
                    return CHANGED
                return load_with_notes(data, self.geometry, self.views, self.notes)
        except UnreadableImageError as error:
            return VANISHED if asked.digest and error.reason == NOT_FOUND else error.reason
