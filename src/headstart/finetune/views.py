"""Views of pictures: the plain one, and varied ones whose pixels follow from picture, seed and number alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart.errors import DataError, Problem, UnreadableImageError
from headstart.finetune.plan import Augment
from headstart.images import transforms
from headstart.images.threads import in_order
from headstart.images.transforms import Geometry

PLAIN = -1
"""The number of the view that is not varied; varied ones count from 0."""
TOGETHER = 4
"""The most views that are made of a picture while it is decoded."""
WAITING = 64
"""The most views that are decoded and not yet used."""

Wanted = Sequence[tuple[int, int]]
"""Pictures, by their position, each with the number of a view."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """How a picture becomes pixels: everything that decides them but the picture and the view's number."""

    geometry: Geometry
    augment: Augment
    seed: int

    def pixels(self, data: bytes, digest: str, views: Sequence[int]) -> list[NDArray[np.uint8]]:
        """The views ``views`` of a picture, each (s, s, 3), all plain or none. Raises UnreadableImageError."""
        kind = "none" if PLAIN in views else self.augment.kind
        seeds = [hashlib.sha256(f"{self.seed} {digest} {view}".encode()).hexdigest()[:16] for view in views]
        options = self.augment
        return transforms.vary(
            data, self.geometry, kind, [int(seed, 16) for seed in seeds], area=options.area, turn=options.turn
        )

    def key(self, view: int) -> str:
        """The name of a view's pixels."""
        options = self.augment
        if view == PLAIN or options.kind == "none":
            return self.geometry.key()
        varied = f"{options.kind}-{options.area}-{options.turn}-{self.seed}-{view}"
        return f"{self.geometry.key()}-augment{transforms.VARIED_ALGORITHM}-{varied}"


def decoded(paths: Sequence[Path], digests: Sequence[str], look: Look, wanted: Wanted) -> Iterator[NDArray[np.uint8]]:
    """The pixels (s, s, 3) of ``wanted``, in order, decoded in threads a few ahead.

    Args:
        paths: of the pictures.
        digests: SHA-256 of each file; one that has changed since is not used.
        look: how they become pixels.
        wanted: positions in ``paths``, each with a view.

    Raises:
        DataError: naming every picture that cannot be read, once the rest has been gone through.
    """

    def read(picture: tuple[int, list[int]]) -> list[NDArray[np.uint8]] | str:
        i, views = picture
        return _read(paths[i], digests[i], look, views)

    reasons: list[str] = []
    for views in in_order(read, _by_picture(wanted), window=WAITING // TOGETHER):
        if isinstance(views, str):
            reasons.append(views)
        elif not reasons:
            yield from views
    if reasons:
        problems = [
            Problem(expected="a picture that can be read", found=reason, todo="replace it or leave it out")
            for reason in dict.fromkeys(reasons)
        ]
        raise DataError("pictures that cannot be read", problems)


def _read(path: Path, digest: str, look: Look, views: Sequence[int]) -> list[NDArray[np.uint8]] | str:
    """The pixels of a picture's ``views``, or why there are none."""
    try:
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != digest:
            return f"{path}: changed while it was being used"
        return look.pixels(data, digest, views)
    except UnreadableImageError as error:
        return f"{path}: {error.reason}"
    except OSError as error:
        return f"{path}: cannot be read: {error.strerror}"


def _by_picture(wanted: Wanted) -> Iterator[tuple[int, list[int]]]:
    """Pictures with the views of each that are ``wanted`` in a row, a few at a time: they are decoded together."""
    for (i, _), pairs in groupby(wanted, key=lambda pair: (pair[0], pair[1] == PLAIN)):
        views = [view for _, view in pairs]
        for start in range(0, len(views), TOGETHER):
            yield i, views[start : start + TOGETHER]
