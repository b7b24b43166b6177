"""Varied views of a picture for training: each is decided by the picture's own number, and by nothing else."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart.images.transforms import Geometry, augmented, load

KINDS = ("none", "crop", "rotate")
ALGORITHM = 1
"""Raised whenever the code below gives other pixels than before."""


def vary(
    source: Path | bytes, geometry: Geometry, kind: str, seed: int, *, area: tuple[float, float], turn: float
) -> NDArray[np.uint8]:
    """One varied view, ``(size, size, 3)`` RGB. Same seed, same pixels.

    Args:
        source: the picture.
        geometry: of the result.
        kind: ``none`` for the plain view; ``crop`` for a random resized crop; ``rotate`` for the plain view turned
            about its centre. The last two are mirrored in half of the cases.
        seed: of this view of this picture.
        area: least and greatest share of the picture in a ``crop``.
        turn: greatest rotation either way, in full turns.

    Raises:
        UnreadablePictureError: with the reason in plain words.
    """
    if kind == "crop":
        return augmented(source, geometry, seed, area=area)
    plain: NDArray[np.uint8] = load(source, geometry)[0]
    if kind == "none":
        return plain
    rng = np.random.default_rng(seed)
    mirrored = plain[:, ::-1] if rng.random() < 0.5 else plain
    return rotated(mirrored, rng.uniform(-turn, turn))


def rotated(picture: NDArray[np.uint8], turn: float) -> NDArray[np.uint8]:
    """``picture`` (s, s, 3) turned anticlockwise by ``turn`` full turns about its centre, between pixels bilinearly.

    What comes from outside is mirrored at the edge with the edge pixel repeated, as in Keras' ``RandomRotation``.
    """
    side = picture.shape[0]
    centre, cos, sin = (side - 1) / 2, math.cos(2 * math.pi * turn), math.sin(2 * math.pi * turn)
    offset = np.arange(side, dtype=np.float32) - np.float32(centre)
    down, across = offset[:, None], offset[None, :]
    # The place in the picture that each pixel of the result comes from; rows count downwards.
    rows, row_share = _between(centre + cos * down + sin * across, side)
    columns, column_share = _between(centre - sin * down + cos * across, side)
    pixels = picture.astype(np.float32)
    (top, bottom), (left, right) = rows, columns
    upper = pixels[top, left] + (pixels[top, right] - pixels[top, left]) * column_share
    lower = pixels[bottom, left] + (pixels[bottom, right] - pixels[bottom, left]) * column_share
    turned: NDArray[np.uint8] = np.rint(upper + (lower - upper) * row_share).astype(np.uint8)
    return turned


def _between(
    place: NDArray[np.floating], side: int
) -> tuple[tuple[NDArray[np.int64], NDArray[np.int64]], NDArray[np.float32]]:
    """The two pixels on either side of each place along one axis, and the share (…, 1) of the second."""
    below = np.floor(place)
    first = below.astype(np.int64)
    share = (place - below).astype(np.float32)[..., None]
    return (_mirrored(first, side), _mirrored(first + 1, side)), share


def _mirrored(index: NDArray[np.int64], side: int) -> NDArray[np.int64]:
    """``… 1 0 | 0 1 … side-1 | side-1 …``."""
    folded = np.mod(index, 2 * side)
    inside: NDArray[np.int64] = np.where(folded < side, folded, 2 * side - 1 - folded)
    return inside
