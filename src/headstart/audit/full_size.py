"""Compare two pictures at full size, where a copy can be told from another picture of the same kind of thing.

At 64 pixels the cells of solar panels, the frames of a film or the pages of a form look the same. A copy is told by two
figures, once the pictures are laid on each other:

**What differs.** Resizing and compression change what is fine and leave what is broad. So both pictures are smoothed
over a few of their own pixels, and what still differs is measured everywhere: another picture, or a mark of a few
pixels that only one of them has, stands out.

**What is fine.** Where both pictures hold fine detail, such as grain and noise, it is the same detail in a copy and an
unrelated one in a second photograph of the same thing. A copy that has lost its fine detail is not held against it.

The limits were set on planted copies, and on solar cells that differ from each other: ``benchmarks/false_copies.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from headstart.arrays import Floats, Singles
from headstart.audit.alignment import LUMINANCE, align, lay, levels_apart, shrink
from headstart.images.grey_levels import Levels
from headstart.images.recognise import read_header
from headstart.images.transforms import Geometry, load

LARGEST_SIDE = 512
"""Pixels along each side at which pictures are compared at most. Smaller ones are compared at their shorter side."""

_STEP = 16  # pixels that a side is a multiple of, so that it can be halved and cut into patches
_ALIGNED_AT = 256  # pixels along each side at which the placement is refined at most: a quarter of a pixel is enough
_BLUR = 3.0  # pixels over which compression averages out
_FINE = 0.7, 2.0  # blurs in pixels between which detail is fine
_PATCHES = 8  # along each side in which fine detail is compared
_HELD = 0.5  # levels of fine contrast from which a patch holds detail: rounding to whole levels makes 0.3
_FEWEST = 4  # patches that must hold detail before it says anything


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What tells two pictures that lie on each other apart."""

    typical: float
    """Levels of 255 by which 99 % of the places differ at most."""
    largest: float
    """The largest such difference, in levels."""
    fine: float
    """Correlation of fine detail, −1 to 1, in the worst twentieth of the patches that hold any; 1 if too few do."""

    def within(self, levels: float) -> bool:
        """Whether compression and resizing explain what differs, if they change up to ``levels`` in most places."""
        return self.typical <= levels and self.largest <= LARGEST * levels and self.fine >= SAME_GRAIN


LARGEST = 2.5
"""Largest difference in one place over ``levels``. Of planted copies it is 2.3 at most, a speck has more."""
SAME_GRAIN = 0.2
"""Correlation of fine detail from which it is the same. Of planted copies 99 in 100 have more, and of two photographs
of one thing 9 in 10 less."""


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


def compare(first: Singles, second: Singles, placement: Singles, *, mirrored: bool) -> Difference:
    """Compare two pictures (s, s) of luminance, given how they lie on each other at a small size.

    Args:
        first: levels of 255; s is a multiple of 16.
        second: the same of the other picture.
        placement: (4,) of the second picture on the first (`headstart.audit.alignment`), which is refined.
        mirrored: whether the second is mirrored first.
    """
    a, b = first[None], (second[:, ::-1] if mirrored else second)[None]
    place = placement[None]
    for pixels, steps in ((4, 3), (2, 3), (1, 2)):
        if _STEP * 4 <= len(first) // pixels <= _ALIGNED_AT:
            place = align(shrink(a, pixels), shrink(b, pixels), place, steps)
    laid, overlap = lay(b, place)
    apart = levels_apart(a, laid, overlap, blur=_BLUR)
    seen = ~np.isnan(apart)
    if not seen.any():  # too small to be told apart from anything
        return Difference(typical=np.inf, largest=np.inf, fine=-1.0)
    return Difference(
        typical=float(np.percentile(apart[seen], 99)),
        largest=float(apart[seen].max()),
        fine=_fine(a[0], laid[0], seen[0].astype(np.float32)),
    )


def _fine(first: Singles, laid: Singles, seen: Singles) -> float:
    """The fifth percentile of correlations of fine detail over the patches in which both pictures hold some."""
    from scipy.ndimage import gaussian_filter

    def per_patch(values: Singles) -> Floats:
        side = len(values) // _PATCHES
        return np.asarray((values * seen).reshape(_PATCHES, side, _PATCHES, side).sum(axis=(1, 3)), dtype=np.float64)

    x, y = (gaussian_filter(pixels, _FINE[0]) - gaussian_filter(pixels, _FINE[1]) for pixels in (first, laid))
    pixels = per_patch(np.ones_like(first))
    n = np.maximum(pixels, 1)
    xx, yy, xy = per_patch(x * x) / n, per_patch(y * y) / n, per_patch(x * y) / n
    holds = (np.minimum(xx, yy) > _HELD**2) & (pixels > pixels.max() / 4)
    return float(np.percentile((xy / np.sqrt(xx * yy + 1e-12))[holds], 5)) if holds.sum() >= _FEWEST else 1.0
