"""From a picture to network input, by the same code in training and in serving.

Pixels stay uint8 here: each network normalises inside its own graph.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Literal

import numpy as np

from headstart.arrays import Pixels
from headstart.errors import OptionError, Problem
from headstart.images.decode import DECODER, INTERPOLATIONS, Box, Content, DecodedImage, moved
from headstart.images.grey_levels import Levels
from headstart.options import LARGEST_SIZE

ALGORITHM = 2
"""Raised whenever `load`, or decoding, gives other pixels than before."""
VARIED_ALGORITHM = 2
"""Raised whenever `vary` gives other pixels than before."""
KINDS = ("none", "crop", "rotate")
"""Of varied views."""
LEAST_CROP = 0.25
"""Of the shorter side. Chosen for memory: networks are published with 0.8 to 1, and of a picture made large enough to
keep 1 % of it, most is never looked at."""

_SQUASH_CROP = 0.875  # side of a corner window, as a share of a squashed picture
_CROP_AREA = (0.35, 1.0)  # share of the picture's area in an augmented crop
_CROP_RATIO = (3 / 4, 4 / 3)  # its width over its height


class View(str, Enum):
    """Which part of a picture a network is shown, and whether mirrored."""

    CENTRE = "centre"
    FLIP = "flip"
    TOP_LEFT = "top_left"
    TOP_RIGHT = "top_right"
    BOTTOM_LEFT = "bottom_left"
    BOTTOM_RIGHT = "bottom_right"


FEW_SHOT_VIEWS = tuple(View)
"""All six, for tasks of few pictures: more rows of each."""


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """How a picture of any size becomes ``size × size``."""

    size: int
    """Side of the result, in pixels."""

    mode: Literal["crop", "squash"] = "crop"
    """``crop`` resizes the shorter side to ``size / crop_pct`` and keeps the centre; ``squash`` keeps everything
    and gives up the proportions."""

    crop_pct: float = 0.875
    """Share of the shorter side that ``crop`` keeps, from `LEAST_CROP` to 1."""

    interpolation: str = "bicubic"
    """``bilinear``, ``bicubic`` or ``lanczos``; all filter before they reduce."""

    levels: Levels | None = None
    """Black and white of pictures of more than 8 bits a channel; None where the training pictures have no more."""

    def __post_init__(self) -> None:
        expected = {
            "size": (f"from 1 to {LARGEST_SIZE}", 1 <= self.size <= LARGEST_SIZE),
            "mode": ("crop or squash", self.mode in ("crop", "squash")),
            "crop_pct": (f"from {LEAST_CROP} to 1", LEAST_CROP <= self.crop_pct <= 1),
            "interpolation": (" or ".join(INTERPOLATIONS), self.interpolation in INTERPOLATIONS),
        }
        problems = [
            Problem(expected=f"{name}: {want}", found=repr(getattr(self, name)), todo=f"change {name}")
            for name, (want, holds) in expected.items()
            if not holds
        ]
        if problems:
            raise OptionError("geometry of pictures", problems)

    @property
    def resized(self) -> int:
        """Shorter side of the whole picture at the scale of the result, in pixels."""
        return self.size if self.mode == "squash" else max(self.size, round(self.size / self.crop_pct))

    def key(self) -> str:
        """Everything that decides the pixels, as a short text fit for a file name."""
        kept = f"crop{self.crop_pct:.6g}" if self.mode == "crop" else "squash"
        levels = f"-{self.levels.key()}" if self.levels else ""
        return f"v{ALGORITHM}-{DECODER}-{self.size}-{kept}-{self.interpolation}{levels}"


def load(source: Content, geometry: Geometry, views: Sequence[View] = (View.CENTRE,)) -> Pixels:
    """Decode a picture once and look at it in each of ``views``: ``(len(views), size, size, 3)`` RGB.

    A view's pixels do not depend on which other views are asked for.

    Raises:
        UnreadableImageError: with the reason in plain words.
    """
    with DecodedImage.read(source, at_least=geometry.resized, levels=geometry.levels) as image:
        return views_of(image, geometry, views)


def views_of(image: DecodedImage, geometry: Geometry, views: Sequence[View]) -> Pixels:
    """What `load` gives, of a picture that is decoded: with a shorter side of ``geometry.resized``, if it has that."""
    out = np.empty((len(views), geometry.size, geometry.size, 3), np.uint8)
    for row, view in zip(out, views, strict=True):
        row[:] = _cut(image, window(view, geometry, image.width, image.height), geometry)
        if view is View.FLIP:
            row[:] = row[:, ::-1].copy()
    return out


def augmented(
    source: Path | bytes, geometry: Geometry, seeds: Iterable[int], *, area: tuple[float, float] = _CROP_AREA
) -> list[Pixels]:
    """A random resized crop for each seed, mirrored in half of the cases: ``(size, size, 3)`` RGB.

    Same seed, same pixels; the picture is decoded once.

    The crop is torchvision's ``RandomResizedCrop`` (Szegedy et al. 2015, "Going deeper with convolutions"), with
    a share of the picture between the two of ``area`` and sides of 3:4 to 4:3.

    Raises:
        UnreadableImageError: with the reason in plain words.
    """
    # The smallest crop's shorter side is √(area · 3/4) of a square's: decode enough pixels to fill the result.
    smallest = math.sqrt(area[0] * _CROP_RATIO[0])
    views = []
    at_least = math.ceil(geometry.size / smallest)
    with DecodedImage.read(source, at_least=at_least, levels=geometry.levels) as image:
        for seed in seeds:
            rng = np.random.default_rng(seed)
            cut = _cut(image, _random_box(rng, image.width, image.height, area), geometry)
            views.append(cut[:, ::-1].copy() if rng.random() < 0.5 else cut)
    return views


def vary(
    source: Path | bytes, geometry: Geometry, kind: str, seeds: Sequence[int], *, area: tuple[float, float], turn: float
) -> list[Pixels]:
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
    plain: Pixels = load(source, geometry)[0]
    if kind == "none":
        return [plain for _ in seeds]
    views = []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        mirrored = plain[:, ::-1] if rng.random() < 0.5 else plain
        views.append(rotated(mirrored, rng.uniform(-turn, turn)))
    return views


def rotated(image: Pixels, turn: float) -> Pixels:
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


def window(view: View, geometry: Geometry, width: int, height: int) -> Box:
    """The part of a ``width × height`` picture that ``view`` shows."""
    if geometry.mode == "squash":
        share = 1.0 if view in (View.CENTRE, View.FLIP) else _SQUASH_CROP
        shown_width, shown_height = share * width, share * height
    else:
        shown_width = shown_height = min(width, height) * geometry.size / geometry.resized
    across, down = {
        View.TOP_LEFT: (0.0, 0.0),
        View.TOP_RIGHT: (1.0, 0.0),
        View.BOTTOM_LEFT: (0.0, 1.0),
        View.BOTTOM_RIGHT: (1.0, 1.0),
    }.get(view, (0.5, 0.5))
    left, top = across * (width - shown_width), down * (height - shown_height)
    return left, top, min(left + shown_width, width), min(top + shown_height, height)


def _cut(image: DecodedImage, box: Box, geometry: Geometry) -> Pixels:
    return image.resampled((geometry.size, geometry.size), box, geometry.interpolation)


def _random_box(rng: np.random.Generator, width: int, height: int, share: tuple[float, float]) -> Box:
    low, high = np.log(_CROP_RATIO)
    for _ in range(10):
        area = width * height * rng.uniform(*share)
        ratio = math.exp(rng.uniform(low, high))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            left, top = int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1))
            return left, top, left + w, top + h
    # A picture too long for any such crop: the largest centred one whose proportions are allowed.
    w, h = min(width, round(height * _CROP_RATIO[1])), min(height, round(width / _CROP_RATIO[0]))
    w, h = max(w, 1), max(h, 1)
    left, top = (width - w) // 2, (height - h) // 2
    return left, top, left + w, top + h
