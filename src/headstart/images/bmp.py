"""BMP files whose colours lie at other bits than the few layouts that Pillow knows."""

from __future__ import annotations

import struct

import numpy as np

from headstart.arrays import Pixels
from headstart.errors import UnreadableImageError
from headstart.images import limits

_BITFIELDS = (3, 6)  # compressions: masks of red, green and blue, and the same with alpha


def masked(data: bytes) -> Pixels | None:
    """The pixels ``(h, w, 3)``, or ``(h, w, 4)`` with alpha, of a BMP of 16 or 32 bits with masks; None for another.

    Levels of few bits are stretched, so that the highest becomes 255.

    Raises:
        UnreadableImageError: too large, or cut off.
    """
    try:
        begin, size, width, height, _, bits, compression = struct.unpack_from("<IIiiHHI", data, 10)
        red, green, blue, alpha = struct.unpack_from("<4I", data, 54)
    except struct.error:
        return None
    if not data.startswith(b"BM") or size < 40 or bits not in (16, 32) or compression not in _BITFIELDS or width <= 0:
        return None
    rows = abs(height)
    limits.check_size(width, rows)
    stride = (width * bits + 31) // 32 * 4
    if len(data) < begin + stride * rows:
        raise UnreadableImageError("truncated or damaged: image file is truncated; fetch it again")
    lines = np.frombuffer(data, np.uint8, stride * rows, begin).reshape(rows, stride)
    values = lines[:, : width * bits // 8].copy().view(f"<u{bits // 8}")
    masks = [red, green, blue, *([alpha] if alpha and (size >= 56 or compression == 6) else [])]
    pixels = np.stack([_level(values, mask) for mask in masks], axis=-1)
    return pixels if height < 0 else pixels[::-1]


def _level(values: np.ndarray[tuple[int, ...], np.dtype[np.uint32]], mask: int) -> Pixels:
    """The bits under a mask, on a scale from 0 to 255."""
    lowest = (mask & -mask) or 1
    highest = mask // lowest or 1
    levels: Pixels = np.rint((values & mask) // lowest * (255 / highest)).astype(np.uint8)
    return levels
