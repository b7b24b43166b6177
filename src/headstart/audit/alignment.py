"""Align pairs of small pictures, one of which may be a crop or mirror image of the other, and measure their agreement.

All functions take many pairs at once. A placement (p, 4) holds, for rows and for columns, a scale and a shift: the
point y in [−1, 1] of the first picture lies at scale · y + shift of the second.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from headstart.arrays import Index, Mask, Singles
from headstart.images.decode import SQUARE, Picture
from headstart.images.notes import Note

LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of red, green and blue: ITU-R BT.601."""
PATCHES = 16
"""Of the colours that are compared: the means of patches, so many along each side."""

COPY = 0.75
"""Correlation of details at 64 pixels from which two pictures look alike. Copies have 0.85 and more, other photographs
0.3 at most; a broad frame in common makes 0.7."""
SAME_COLOUR = 20.0
"""Root mean square difference of colours up to which two pictures look alike, in levels of 255: cropping makes 12."""

_LARGEST_SCALE = 1.15  # of one picture on the other: 13 % of a side may be cut off
_LARGEST_SHIFT = 0.15
_LARGEST_STEP = 0.1  # of scales and shifts at a time
_ALIKE = 0.5  # correlation of coarse pictures below which a pair is not aligned; 5 % cropped copies have over 0.7
_HOPEFUL = 0.7  # the same after aligning, below which a pair is not looked at any closer; copies have 0.77
_PLAUSIBLE = 0.8  # the same where half as coarse: 1 in 100 copies has less than 0.95, 1 in 30 of the others has 0.8
_GLANCES = 8192  # pairs glanced at at a time
_TOGETHER = 1024  # pictures that are in memory at full size as f32
_LEVELS = ((4, 2), (2, 2), (1, 2))  # pixels averaged, and steps taken, from coarse to fine
_SMALL = 64  # pixels along each side up to which a picture is laid by products with matrices
_NEIGHBOURHOOD = 9  # pixels across that local brightness and contrast are taken from
_BLUR = 1.0  # pixels over which small pictures are smoothed before they are compared in each place
_EDGES = 0.25  # share of the change over one blur by which a difference counts less
_NOISE = 2.0  # grey levels of contrast that compression alone may make


class Miniature(NamedTuple):
    """What is compared of a picture, or of many: luminance (…, 64, 64) and colours (…, 16, 16, 3), as uint8. Each shows
    the whole picture, squashed to a square."""

    luminance: NDArray[np.uint8]
    colour: NDArray[np.uint8]

    @classmethod
    def unpacked(cls, data: bytes) -> Miniature:
        """Of one picture, of which the note `MINIATURE` was kept."""
        values, cut = np.frombuffer(data, np.uint8), SQUARE * SQUARE
        return cls(values[:cut].reshape(SQUARE, SQUARE), values[cut:].reshape(PATCHES, PATCHES, 3))


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How p pairs of pictures agree where they overlap, once laid on each other as well as they can be."""

    detail: Singles
    """(p,) correlation of their details, −1 to 1: brightness less that of the surroundings, over local contrast, so
    that every part of the picture counts and not the strongest edges alone. 0 where they do not even agree coarsely."""
    colour: Singles
    """(p,) root mean square difference of their colours, in levels of 255; infinite where not looked at."""
    mirrored: Mask
    """(p,) whether one had to be mirrored."""
    placement: Singles
    """(p, 4) of the second on the first, the second mirrored where it had to be."""
    apart: Singles
    """(p,) levels of 255 by which 95 % of the places differ at most (`levels_apart`); infinite where unlike."""

    @property
    def alike(self) -> Mask:
        """(p,) whether they look alike."""
        return np.asarray((self.detail >= COPY) & (self.colour <= SAME_COLOUR))


def _packed(picture: Picture) -> bytes:
    pixels = picture.square.astype(np.float32)
    patches = shrink(pixels.transpose(2, 0, 1), SQUARE // PATCHES).transpose(1, 2, 0)
    return b"".join(np.rint(values).astype(np.uint8).tobytes() for values in (pixels @ LUMINANCE, patches))


MINIATURE = Note(name=f"miniature3|{SQUARE}|{PATCHES}", of=_packed)
"""What `Miniature.unpacked` reads."""


def coarse(pictures: Miniature) -> Singles:
    """Luminance (n, 16, 16) of n pictures."""
    pixels = _LEVELS[0][0]
    shrunk = np.empty((len(pictures.luminance), SQUARE // pixels, SQUARE // pixels), np.float32)
    for start in range(0, len(shrunk), _TOGETHER):
        shrunk[start : start + _TOGETHER] = shrink(pictures.luminance[start : start + _TOGETHER], pixels)
    return shrunk


def promising(pictures: Miniature, pairs: Index) -> Mask:
    """Which of the pairs (p, 2) of the pictures look alike enough at a coarse glance for `compare` to be worth it."""
    plain = coarse(pictures)
    upright, mirrored = (np.empty((len(plain), plain.shape[1] * plain.shape[2]), np.float32) for _ in range(2))
    for start in range(0, len(plain), _TOGETHER):
        some = slice(start, start + _TOGETHER)
        for turned, pixels in ((upright, plain[some]), (mirrored, plain[some, :, ::-1])):
            turned[some] = _standard(pixels, np.ones(pixels.shape, np.float32)).reshape(len(pixels), -1)
    alike = np.zeros(len(pairs), np.float32)
    for start in range(0, len(pairs), _GLANCES):
        first, second = pairs[start : start + _GLANCES].T
        fits = [(turned[first] * upright[second]).sum(axis=1) for turned in (upright, mirrored)]
        alike[start : start + _GLANCES] = np.maximum(*fits)
    return alike >= _ALIKE


def compare_miniatures(first: Miniature, second: Miniature) -> Agreement:
    """Compare miniatures of p pictures with those of p others, each with the one in its row."""
    pairs = len(first.luminance)
    detail = np.zeros(pairs, np.float32)
    colour, apart = np.full((2, pairs), np.inf, np.float32)
    upright, turned = _coarse_fit(first, second, mirrored=False), _coarse_fit(first, second, mirrored=True)
    mirrored = turned.fit > upright.fit
    placements = np.where(mirrored[:, None], turned.placement, upright.placement)
    rows, fit = np.arange(pairs), np.maximum(upright.fit, turned.fit)
    for (pixels, steps), least in zip(_LEVELS[1:], (_HOPEFUL, _PLAUSIBLE), strict=True):
        rows = rows[fit >= least]
        a, b = (side.luminance[rows].astype(np.float32) for side in (first, second))
        b[mirrored[rows]] = b[mirrored[rows]][:, :, ::-1]
        placements[rows], fit = align(shrink(a, pixels), shrink(b, pixels), placements[rows], steps)
    if len(rows):
        placement = placements[rows]
        c, d = (side.colour[rows].astype(np.float32) for side in (first, second))
        d[mirrored[rows]] = d[mirrored[rows]][:, :, ::-1]
        laid, overlap = lay(b, placement)
        detail[rows] = correlation(_local(a), _local(laid), overlap)
        colour[rows] = _colour(c, d, placement)
        if (close := (detail[rows] >= COPY) & (colour[rows] <= SAME_COLOUR)).any():
            x, y = (smooth(pictures[close], _BLUR) for pictures in (a, laid))
            places = levels_apart(x, y, overlap[close], blur=_BLUR)
            apart[rows[close]] = np.nanpercentile(places.reshape(len(places), -1), 95, axis=1)
    return Agreement(detail=detail, colour=colour, mirrored=mirrored, placement=placements, apart=apart)


class _CoarseFit(NamedTuple):
    placement: Singles
    fit: Singles
    """(p,) correlation, aligned where that promised anything."""


def _coarse_fit(first: Miniature, second: Miniature, *, mirrored: bool) -> _CoarseFit:
    a, b = coarse(first), coarse(second)
    if mirrored:
        b = np.ascontiguousarray(b[:, :, ::-1])
    placement = np.tile(np.array([1, 0, 1, 0], np.float32), (len(a), 1))
    fit = correlation(a, b, np.ones_like(a))
    rows = np.flatnonzero(fit >= _ALIKE)
    placement[rows], fit[rows] = align(a[rows], b[rows], placement[rows], _LEVELS[0][1])
    return _CoarseFit(placement, fit)


def align(first: Singles, second: Singles, placement: Singles, steps: int) -> tuple[Singles, Singles]:
    """The placement (p, 4) that makes pictures (p, s, s) most alike, and their correlation (p,) there.

    Gauss-Newton steps from the placement given, halved where one made matters worse: Evangelidis and Psarakis 2008,
    "Parametric image alignment using enhanced correlation coefficient maximization". Both pictures are standardised,
    and of each derivative only what is orthogonal to the picture itself counts.
    """
    best, move, fit = placement, np.zeros_like(placement), np.full(len(first), -np.inf, np.float32)
    for step in range(steps + 1):
        laid, overlap = lay(second, placement)
        x, y = _standard(first, overlap), _centred(laid, overlap)
        length = _length(y)
        y = y / length
        now = (x * y).sum(axis=(1, 2))
        better = (now > fit)[:, None]
        best, fit = np.where(better, placement, best), np.maximum(now, fit)
        if step < steps:
            move = np.where(better, _step(x, y, laid / length, overlap, placement), move / 2)
            placement = best + move
            placement[:, ::2] = np.clip(placement[:, ::2], 1 / _LARGEST_SCALE, _LARGEST_SCALE)
            placement[:, 1::2] = np.clip(placement[:, 1::2], -_LARGEST_SHIFT, _LARGEST_SHIFT)
    return best, fit


def _step(x: Singles, y: Singles, laid: Singles, overlap: Singles, placement: Singles) -> Singles:
    """One step (p, 4) towards the placement at which ``y``, the standardised ``laid``, is most like ``x``."""
    pairs, side = x.shape[:2]
    place = _places(side)
    rows = np.empty((pairs, 7, side, side), np.float32)  # four derivatives, both pictures, the overlap
    down, across = np.gradient(laid, axis=(1, 2))
    for at, derivative, along, scale in ((0, down, place[:, None], 0), (2, across, place, 2)):
        np.multiply(derivative, overlap * (np.float32(side / 2) / placement[:, scale, None, None]), out=rows[:, at + 1])
        np.multiply(rows[:, at + 1], along, out=rows[:, at])
    rows[:, 4], rows[:, 5], rows[:, 6] = x, y, overlap
    flat = rows.reshape(pairs, 7, side * side)
    products = flat @ flat.transpose(0, 2, 1)
    own, total, pixels = products[:, :4, 5], products[:, :4, 6], np.maximum(products[:, 6, 6], 1)
    curvature = products[:, :4, :4] - own[:, :, None] * own[:, None, :]
    curvature -= total[:, :, None] * total[:, None, :] / pixels[:, None, None]
    ridge = np.trace(curvature, axis1=1, axis2=2)[:, None, None] * 2.5e-4 + 1e-9
    towards = products[:, :4, 4] - own * products[:, 4, 5, None]
    step = np.linalg.solve(curvature + ridge * np.eye(4, dtype=np.float32), towards[:, :, None])[:, :, 0]
    return np.asarray(np.clip(step, -_LARGEST_STEP, _LARGEST_STEP), dtype=np.float32)


def lay(pictures: Singles, placement: Singles) -> tuple[Singles, Singles]:
    """Pictures (p, s, s) as they lie on the others, and 1 where they do, else 0. Between pixels bilinearly."""
    side = pictures.shape[-1]
    places = [
        ((scale[:, None] * _places(side) + shift[:, None] + 1) * side - 1) / 2
        for scale, shift in (placement[:, :2].T, placement[:, 2:].T)
    ]
    rows, columns = ((at >= -0.5) & (at <= side - 0.5) for at in places)
    between = _between_large if side > _SMALL else _between_small
    laid = between(pictures, *(np.clip(at, 0, side - 1) for at in places))
    return laid, (rows[:, :, None] & columns[:, None, :]).astype(np.float32)


def _between_small(pictures: Singles, rows: Singles, columns: Singles) -> Singles:
    """Values between the pixels of pictures (p, s, s) at rows and columns (p, s), as products with matrices of weights:
    of many small pictures that is fastest."""
    pixels = np.arange(pictures.shape[-1], dtype=np.float32)
    down, across = (np.maximum(0, 1 - np.abs(at[:, :, None] - pixels)) for at in (rows, columns))
    return np.asarray(down @ pictures @ across.transpose(0, 2, 1))


def _between_large(pictures: Singles, rows: Singles, columns: Singles) -> Singles:
    """The same, each value from the four pixels around it: matrices for large pictures would be nearly all zero."""
    laid = np.empty_like(pictures)
    for picture, into, down, across in zip(pictures, laid, rows, columns, strict=True):
        (above, lower), (left, right) = (_around(at) for at in (down, across))
        mixed = picture[above]
        mixed += (picture[above + 1] - mixed) * lower[:, None]
        np.take(mixed, left, axis=1, out=into, mode="clip")
        into += (mixed.take(left + 1, axis=1, mode="clip") - into) * right
    return laid


def _around(at: Singles) -> tuple[Index, Singles]:
    """The pixel before each place (s,), and how far the place is from it towards the next, 0 to 1."""
    before = np.minimum(at.astype(np.int64), len(at) - 2)
    return before, (at - before).astype(np.float32)


def smooth(pictures: Singles, blur: float) -> Singles:
    """Pictures (p, s, s) smoothed by a Gaussian of ``blur`` pixels."""
    from scipy.ndimage import gaussian_filter

    return np.asarray(gaussian_filter(pictures, (0, blur, blur)))


def levels_apart(x: Singles, y: Singles, overlap: Singles, *, blur: float) -> Singles:
    """By how many levels of 255 pictures (p, s, s), `smooth` by ``blur`` pixels, differ in each place.

    Contrast and brightness are made equal. What compression changes is fine and was averaged out, what another picture
    shows was not. Near edges, where a shift of a fraction of a pixel changes much, a difference counts less. nan
    outside the overlap and near its border.
    """
    from scipy.ndimage import minimum_filter1d

    margin = 2 * round(2 * blur) + 1
    rows, columns = (minimum_filter1d(overlap.max(axis), margin, mode="constant") for axis in (2, 1))
    seen = rows[:, :, None] * columns[:, None, :]
    down, across = np.gradient(x, axis=(1, 2))
    slope = np.sqrt(down * down + across * across) * np.float32(blur)  # np.hypot takes six times as long
    x, y = _centred(x, seen), _centred(y, seen)
    gain = (x * y).sum(axis=(1, 2), keepdims=True) / np.maximum((y * y).sum(axis=(1, 2), keepdims=True), 1e-6)
    return np.asarray(np.where(seen > 0, np.abs(x - gain * y) / (1 + _EDGES * slope), np.nan), dtype=np.float32)


def _local(pictures: Singles) -> Singles:
    """Brightness less that of the neighbourhood, over the contrast there."""
    from scipy.ndimage import uniform_filter

    size = (1, _NEIGHBOURHOOD, _NEIGHBOURHOOD)
    above = pictures - uniform_filter(pictures, size, mode="nearest")
    return np.asarray(above / np.sqrt(uniform_filter(above * above, size, mode="nearest") + np.float32(_NOISE**2)))


def _colour(first: Singles, second: Singles, placement: Singles) -> Singles:
    """Root mean square difference of colours (p, 16, 16, 3), averaged over squares of 2 × 2."""
    squares, seen = np.zeros(len(first), np.float32), np.ones(0, np.float32)
    for channel in range(3):
        laid, overlap = lay(second[..., channel], placement)
        apart, seen = shrink((first[..., channel] - laid) * overlap, 2), shrink(overlap, 2)
        squares = squares + (apart * apart).sum(axis=(1, 2)) / 3
    return np.asarray(np.sqrt(squares / seen.sum(axis=(1, 2))))


def shrink(pictures: NDArray[Any], pixels: int) -> Singles:
    """Means of squares of ``pixels`` × ``pixels``."""
    if pixels == 1:
        return pictures.astype(np.float32, copy=False)
    count = pictures.shape[1] // pixels
    average = np.repeat(np.eye(count), pixels, axis=1).astype(np.float32) / np.float32(pixels)  # (count, side)
    return np.asarray(average @ pictures.astype(np.float32) @ average.T)


def _places(side: int) -> Singles:
    return ((np.arange(side, dtype=np.float32) + np.float32(0.5)) / side * 2 - 1).astype(np.float32)


def correlation(first: Singles, second: Singles, overlap: Singles) -> Singles:
    """(p,) of pictures (p, s, s) where they overlap."""
    return np.asarray((_standard(first, overlap) * _standard(second, overlap)).sum(axis=(1, 2)))


def _standard(pictures: Singles, overlap: Singles) -> Singles:
    """Mean 0 and length 1 over the overlap, 0 outside."""
    centred = _centred(pictures, overlap)
    return np.asarray(centred / _length(centred))


def _centred(pictures: Singles, overlap: Singles) -> Singles:
    pixels = np.maximum(overlap.sum(axis=(1, 2), keepdims=True), 1)
    mean = (pictures * overlap).sum(axis=(1, 2), keepdims=True) / pixels
    return np.asarray((pictures - mean) * overlap)


def _length(pictures: Singles) -> Singles:
    return np.asarray(np.maximum(np.sqrt((pictures * pictures).sum(axis=(1, 2), keepdims=True)), np.float32(1e-6)))
