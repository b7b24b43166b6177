"""Varied views of a picture for training; a view is decided by its seed alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart.images.decode import moved
from headstart.images.transforms import Geometry, augmented, load

KINDS = ("none", "crop", "rotate")
ALGORITHM = 2
"""Raised whenever the code below gives other pixels than before."""


def vary(
    source: Path | bytes, geometry: Geometry, kind: str, seeds: Sequence[int], *, area: tuple[float, float], turn: float
) -> list[NDArray[np.uint8]]:
    """A varied view for each seed, ``(size, size, 3)`` RGB. Same seed, same pixels; the picture is decoded once.

    Args:
        source: the picture.
        geometry: of the result.
        kind: ``none`` for the plain view; ``crop`` for a random resized crop; ``rotate`` for the plain view turned
            about its centre. The last two are mirrored in half of the cases.
        seeds: of the views of this picture.
        area: least and greatest share of the picture in a ``crop``.
        turn: greatest rotation either way, in full turns.

    Raises:
        UnreadableImageError: with the reason in plain words.
    """
    if kind == "crop":
        return augmented(source, geometry, seeds, area=area)
    plain: NDArray[np.uint8] = load(source, geometry)[0]
    return [plain if kind == "none" else _turned(plain, seed, turn) for seed in seeds]


def _turned(plain: NDArray[np.uint8], seed: int, turn: float) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    mirrored = plain[:, ::-1] if rng.random() < 0.5 else plain
    return rotated(mirrored, rng.uniform(-turn, turn))


def rotated(image: NDArray[np.uint8], turn: float) -> NDArray[np.uint8]:
    """``image`` (s, s, 3) turned anticlockwise by ``turn`` full turns about its centre, between pixels bilinearly.

    What comes from outside is mirrored at the edge with the edge pixel repeated, as in Keras' ``RandomRotation``.
    Fractions of a grey level are dropped.
    """
    side = image.shape[0]
    cos, sin = (round(f(2 * math.pi * turn), 12) for f in (math.cos, math.sin))  # quarter turns stay exact
    border = math.ceil(side * (abs(cos) + abs(sin) - 1) / 2) + 2  # what a turned square reaches outside, and a pixel
    wide = np.pad(image, ((border, border), (border, border), (0, 0)), mode="symmetric")
    centre = side / 2
    # The place in the widened picture that each pixel of the result comes from; rows count downwards.
    left = border + centre - cos * centre + sin * centre
    top = border + centre - sin * centre - cos * centre
    return moved(wide, (side, side), (cos, -sin, left, sin, cos, top))
