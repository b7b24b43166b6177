"""Pictures × frozen network → feature rows. Training, evaluation and serving all come through here.

Decoding runs in threads, inference in the runtime's own; this thread only
hands arrays over. At most a few batches are in memory at any time, whatever the number of pictures.
"""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart.backbones.space import Space
from headstart.errors import UnreadableImageError
from headstart.features.store import FeatureStore
from headstart.images.threads import in_order
from headstart.images.transforms import Geometry, View, load
from headstart.progress import Progress, Silent

Rows = dict[str, NDArray[np.float32]]
COMMIT_EVERY_S = 1.0


def extract(
    paths: Sequence[Path],
    space: Space,
    *,
    views: Sequence[View] = (View.CENTRE,),
    digests: Sequence[str] | None = None,
) -> Iterator[tuple[int, dict[View, Rows] | str]]:
    """Compute the rows of each picture once, in the order of ``paths``.

    Yields ``(index, {view: {output: (d,) float32}})``, or ``(index, reason)`` for a picture that cannot be decoded.
    With ``digests`` (SHA-256, hex) a file whose bytes have changed since they were taken counts as unreadable.
    """
    order: deque[int | tuple[int, str]] = deque()  # pictures handed to the runtime, and failures between them
    flat: deque[Rows] = deque()

    def batches() -> Iterator[NDArray[np.uint8]]:
        pending: list[NDArray[np.uint8]] = []
        for i, decoded in enumerate(_decoded(paths, digests, space.geometry, views, window=4 * space.runtime.batch)):
            if isinstance(decoded, str):
                order.append((i, decoded))
                continue
            order.append(i)
            pending.extend(decoded)
            while len(pending) >= space.runtime.batch:
                yield np.stack(pending[: space.runtime.batch])
                del pending[: space.runtime.batch]
        if pending:
            yield np.stack(pending)

    def finished() -> Iterator[tuple[int, dict[View, Rows] | str]]:
        while order:
            head = order[0]
            if isinstance(head, tuple):
                yield head
            elif len(flat) >= len(views):
                yield head, {view: flat.popleft() for view in views}
            else:
                return
            order.popleft()

    for outputs in space.runtime.run(batches()):
        count = len(next(iter(outputs.values())))
        flat.extend({name: values[i] for name, values in outputs.items()} for i in range(count))
        yield from finished()
    yield from finished()


def extract_to_store(
    paths: Sequence[Path],
    digests: Sequence[str],
    space: Space,
    store: FeatureStore,
    *,
    views: Sequence[View] = (View.CENTRE,),
    progress: Progress | None = None,
) -> dict[int, str]:
    """Make sure that every picture has its rows in the store; returns ``{index: reason}`` of the unreadable ones.

    What is already there is not computed again. Rows are committed every second, so that a run cut off at any
    instant goes on from there.
    """
    outputs = list(space.runtime.widths)
    known = set(digests)
    for view in views:
        for output in outputs:
            known &= store.known(space.key(view, output), known)
    first: dict[str, int] = {}
    for i, digest in enumerate(digests):
        if digest not in known:
            first.setdefault(digest, i)
    todo = list(first.values())
    failed: dict[str, str] = {}
    waiting: dict[str, dict[str, NDArray[np.float32]]] = {}
    committed = time.monotonic()
    stage = (progress or Silent()).stage(f"features at {space.geometry.size}", len(todo)) if todo else None
    with stage or nullcontext(lambda done: None) as advance:
        for done, (i, rows) in enumerate(
            extract([paths[i] for i in todo], space, views=views, digests=[digests[i] for i in todo]), start=1
        ):
            digest = digests[todo[i]]
            if isinstance(rows, str):
                failed[digest] = rows
            else:
                for view in views:
                    for output in outputs:
                        waiting.setdefault(space.key(view, output), {})[digest] = rows[view][output]
            if time.monotonic() - committed > COMMIT_EVERY_S:
                store.write(waiting)
                waiting, committed = {}, time.monotonic()
            advance(done)
        store.write(waiting)
    return {i: failed[digest] for i, digest in enumerate(digests) if digest in failed}


def _decoded(
    paths: Sequence[Path],
    digests: Sequence[str] | None,
    geometry: Geometry,
    views: Sequence[View],
    *,
    window: int,
) -> Iterator[NDArray[np.uint8] | str]:
    """Each picture's views (v, s, s, 3), or the reason why not, in order; at most ``window`` wait to be used."""

    def one(i: int) -> NDArray[np.uint8] | str:
        try:
            data = paths[i].read_bytes()
            if digests is not None and hashlib.sha256(data).hexdigest() != digests[i]:
                return "changed while it was being read"
            return load(data, geometry, views)
        except UnreadableImageError as error:
            return error.reason
        except FileNotFoundError:
            return "no such file"
        except OSError as error:
            return f"cannot be read: {error.strerror}"

    return in_order(one, range(len(paths)), window=window)
