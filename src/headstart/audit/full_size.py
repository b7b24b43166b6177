"""Compare two pictures at full size, where a copy can be told from another picture of the same kind of thing.

At 64 pixels the cells of solar panels, the frames of a film or the pages of a form look the same. A copy is told by two
figures, once the pictures are laid on each other:

**What differs.** Resizing and compression change what is fine and leave what is broad. So both pictures are smoothed
over a few of their own pixels, and what still differs is measured everywhere: another picture, or a mark of a few
pixels that only one of them has, stands out.

**Grain.** Where both pictures hold grain, it is the same in a copy and another in a second photograph of the same
thing. A copy may have lost its grain to compression; then it says nothing.

The limits were set on planted copies, and on solar cells that differ from each other: ``benchmarks/false_copies.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from headstart.arrays import Floats, Singles
from headstart.audit.alignment import LUMINANCE, align, lay, levels_apart, shrink, smooth
from headstart.images.grey_levels import Levels
from headstart.images.recognise import read_header
from headstart.images.transforms import Geometry, load

LARGEST_SIDE = 512
"""Pixels along each side at which pictures are compared at most. Smaller ones are compared at their shorter side."""

_STEP = 16  # pixels that a side is a multiple of, so that it can be halved and cut into patches
_ALIGNED_AT = 256  # pixels along each side at which the placement is refined at most: a quarter of a pixel is enough
_LEVELS = ((4, 3), (2, 3), (1, 2))  # pixels averaged, and steps taken, from coarse to fine
_BLUR = 3.0  # pixels over which compression averages out
_GRAIN_BLUR = 0.6  # pixels: of the finest grain, which resizing changes most, less is left
_GRAIN = np.array([1, -2, 1]) / 6**0.5  # along rows and columns; of white noise its standard deviation is left
_PATCHES = 8  # along each side in which grain is compared
_HELD = 0.33  # levels of grain from which a patch holds any
_FEWEST = 8  # patches that must hold grain before it says anything


class Limit(NamedTuple):
    """What copies may differ by, in levels of 255."""

    typical: float
    largest: float

    def for_two(self) -> Limit:
        """The same of two copies of one picture, of which both were compressed."""
        return Limit(self.typical * 2**0.5, self.largest * 2**0.5)


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What tells two pictures that lie on each other apart."""

    typical: float
    """Levels of 255 by which 99 % of the places differ at most."""
    largest: float
    """The largest such difference, in levels."""
    grain: float
    """Correlation of grain, −1 to 1, the median of the patches in which both pictures hold any; 1 if too few do."""

    def within(self, limit: Limit) -> bool:
        """Whether compression and resizing explain what differs."""
        return self.typical <= limit.typical and self.largest <= limit.largest and self.grain >= SAME_GRAIN


SAME_GRAIN = 0.12
"""Correlation of grain from which it is the same. Of planted copies of photographs 99 in 100 have 0.5 and more, white
noise recompressed with JPEG quality 40 has 0.14 and more; where only the grain differs it is 0.1 at most."""


def side_of(path: Path) -> int:
    """Pixels along each side at which a picture is compared. Raises UnreadableImageError."""
    header = read_header(path)
    return max(_STEP, min(header.width, header.height, LARGEST_SIDE) // _STEP * _STEP)


def luminance(path: Path, side: int, levels: Levels | None = None) -> Singles:
    """(side, side) luminance of the whole picture, of a set of these levels, squashed to a square.

    Raises:
        UnreadableImageError: with the reason.
    """
    pixels = load(path, Geometry(size=side, mode="squash", interpolation="bilinear", levels=levels))[0]
    return np.asarray(pixels.astype(np.float32) @ LUMINANCE)


@dataclass(frozen=True, kw_only=True)
class Ground:
    """A picture that others are laid on, and what is computed of it once for all of them."""

    luminance: Singles
    """(s, s) in levels of 255; s is a multiple of 16."""
    smoothed: Singles
    grain: Singles

    @classmethod
    def of(cls, luminance: Singles) -> Ground:
        """From a picture's `luminance`."""
        return cls(luminance=luminance, smoothed=smooth(luminance[None], _BLUR)[0], grain=_grain(luminance))


def compare(
    first: Ground, second: Singles, placement: Singles, *, mirrored: bool, enough: Limit
) -> tuple[Difference, Singles]:
    """Compare two pictures of one size: what differs, and the placement, refined.

    Args:
        first: the one.
        second: (s, s) luminance of the other.
        placement: (4,) of the second picture on the first (`headstart.audit.alignment`), which is refined.
        mirrored: whether the second is mirrored first.
        enough: pictures that differ by no more as they lie are not laid on each other any better, which takes most of
            the time.
    """
    a, b = first.luminance[None], (second[:, ::-1] if mirrored else second)[None]
    place = placement[None]
    if (difference := _difference(first, b, place)).within(enough):
        return difference, placement
    for pixels, steps in _LEVELS:
        if _STEP * 4 <= len(second) // pixels <= _ALIGNED_AT:
            place, _ = align(shrink(a, pixels), shrink(b, pixels), place, steps)
    return _difference(first, b, place), place[0]


def _difference(first: Ground, second: Singles, place: Singles) -> Difference:
    """What tells pictures apart that lie on each other at ``place`` (1, 4); the second is (1, s, s)."""
    laid, overlap = lay(second, place)
    apart = levels_apart(first.smoothed[None], smooth(laid, _BLUR), overlap, blur=_BLUR)
    seen = ~np.isnan(apart)
    if not seen.any():  # too small to be told apart from anything
        return Difference(typical=np.inf, largest=np.inf, grain=-1.0)
    return Difference(
        typical=float(np.percentile(apart[seen], 99)),
        largest=float(apart[seen].max()),
        grain=_same_grain(first.grain, _grain(laid[0]), seen[0].astype(np.float32)),
    )


def _grain(luminance: Singles) -> Singles:
    """The grain of a picture (s, s): the second difference along rows of that along columns.

    Of lines, edges and slopes next to nothing is left (Immerkær 1996, "Fast noise variance estimation").
    """
    from scipy.ndimage import correlate1d, gaussian_filter

    smoothed = gaussian_filter(luminance, _GRAIN_BLUR)
    return np.asarray(correlate1d(correlate1d(smoothed, _GRAIN, axis=0), _GRAIN, axis=1))


def _same_grain(x: Singles, y: Singles, seen: Singles) -> float:
    """The median correlation of grain (s, s) over the patches in which both pictures hold some; 1 if too few do."""

    def per_patch(values: Singles) -> Floats:
        side = len(values) // _PATCHES
        return np.asarray((values * seen).reshape(_PATCHES, side, _PATCHES, side).sum(axis=(1, 3)), dtype=np.float64)

    pixels = per_patch(np.ones_like(x))
    n = np.maximum(pixels, 1)
    xx, yy, xy = per_patch(x * x) / n, per_patch(y * y) / n, per_patch(x * y) / n
    holds = (np.minimum(xx, yy) > _HELD**2) & (pixels > pixels.max() / 4)
    return float(np.median((xy / np.sqrt(xx * yy + 1e-12))[holds])) if holds.sum() >= _FEWEST else 1.0
