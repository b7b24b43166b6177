"""Images of more than 8 bits a channel: what their files say of the values, and the values themselves.

Pillow reads colours of 16 bits as their high bytes. The low bytes come from reading the file again with the two bytes
of each value taken in the other order.
"""

from __future__ import annotations

import io
import math
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import NDArray

from headstart.arrays import Pixels
from headstart.images.grey_levels import FULL, NOTHING, Extent, Levels, Said, Scale, eight_bits, extent_of, scale_of

Depth = Literal["", "grey", "colour"]
"""Of which kind an image of more than 8 bits a channel is; empty for all others."""

# Tags of TIFF 6.0, section 19, and of GDAL.
_LEAST, _GREATEST, _NODATA = 340, 341, 42113
_MOST = 2.0**31 - 1
"""A greatest value from here on is the default of numbers of 32 bits, and says nothing."""
_SCALED = ("PPM", "JPEG2000")
"""Formats that say how many bits their values have, whose grey levels Pillow scales to all 16."""
_SEARCHED = 1000
"""Chunks of a PNG that are gone through in search of its significant bits."""
_FOREIGN = "B" if sys.byteorder == "little" else "L"
_OTHER_ORDER = {
    f"{bands};16{order}": f"{bands};16{other}"
    for bands in ("RGB", "RGBA", "RGBX")
    for order, other in (("L", "B"), ("B", "L"), ("N", _FOREIGN))
}
"""Pillow's names of ways to unpack colours of 16 bits, each with that which takes the low byte for the high one."""
_GREY_ALPHA = "LA;16B"
"""Is unpacked to RGBA. Taken for four channels of 8 bits, its bytes are grey high, grey low, alpha high, alpha low."""


@dataclass(frozen=True, kw_only=True)
class Deep:
    """What is to be known of a deep image before Pillow decodes it."""

    said: Said
    low_bytes: Callable[[], NDArray[np.uint8]] | None
    """Reads the low bytes of colours (h, w, 3 or 4); None of grey levels."""

    def extent(self, image: Any) -> Extent | None:
        """Between which values the pixels of the decoded image lie; None where all are missing."""
        if self.low_bytes is None:
            return extent_of(np.asarray(image), self.said)
        high = np.asarray(image)[..., :3]
        least, most = 256.0 * int(high.min()), 256.0 * int(high.max()) + 255
        return Extent(kind="uint16", darkest=least, brightest=most, scale=self.said.scale)

    def pixels(self, image: Any, levels: Levels | None) -> Pixels | None:
        """The decoded image in 8 bits, (h, w) or (h, w, 3 or 4); None where it is right as Pillow gives it."""
        if self.low_bytes is None:
            return eight_bits(np.asarray(image), said=self.said, levels=levels)
        extent = self.extent(image)
        if extent and scale_of(extent, levels) == FULL:
            return None
        values = np.asarray(image).astype(np.uint16) << 8
        return colours(values | self.low_bytes(), said=self.said, levels=levels)


def depth(image: Any) -> Depth:
    """Whether an open image has more than 8 bits a channel, and of which kind it is."""
    if image.mode == "F" or image.mode.startswith("I"):
        return "grey"
    return "colour" if _raw_mode(image) in (*_OTHER_ORDER, _GREY_ALPHA) else ""


def deep(image: Any, reopen: Callable[[IO[bytes]], Any]) -> Deep | None:
    """What an open image says of its values; None where they have 8 bits. ``reopen`` opens its stream once more."""
    if not (channels := depth(image)):
        return None
    stream: Any = getattr(image, "fp", None)
    frame, raw_mode = image.tell(), _raw_mode(image)

    def low_bytes() -> NDArray[np.uint8]:
        again = reopen(stream)
        again.seek(frame)
        other = _OTHER_ORDER.get(raw_mode, "RGBA")
        again.tile = [tile._replace(args=_replaced(tile.args, other)) for tile in again.tile]
        again.load()
        low: NDArray[np.uint8] = np.asarray(again)
        return low[..., [1, 1, 1, 3]] if raw_mode == _GREY_ALPHA else low

    return Deep(said=_said(image), low_bytes=low_bytes if channels == "colour" else None)


def in_eight_bits(values: NDArray[Any], levels: Levels | None) -> Pixels:
    """Pixels (h, w), (h, w, 3) or (h, w, 4) of more bits in 8; those of 8 as they are."""
    if values.dtype == np.uint8:
        return values
    return eight_bits(values, levels=levels) if values.ndim == 2 else colours(values, levels=levels)


def colours(values: NDArray[Any], *, said: Said = NOTHING, levels: Levels | None = None) -> Pixels:
    """Colours of 16 bits (h, w, 3), or with alpha (h, w, 4), in 8 bits."""
    rgb = eight_bits(values[..., :3], said=said, levels=levels)
    if values.shape[2] == 3:
        return rgb
    # alpha is of as many bits as the colours, or of all 16
    alpha = values[..., 3]
    extent = extent_of(values[..., :3], said)
    scale = scale_of(extent, levels) if extent else FULL
    own = Levels(integers=scale if alpha.max() <= scale[1] else FULL)
    return np.dstack([rgb, eight_bits(alpha[..., None], levels=own)])


def _raw_mode(image: Any) -> str:
    """How Pillow is to unpack all of an image that is not decoded yet; empty where there is no single way."""
    tiles = getattr(image, "tile", None) or ()
    names = {args if isinstance(args, str) else str(args[0]) for args in (tile.args for tile in tiles) if args}
    return names.pop() if len(names) == 1 else ""


def _replaced(args: Any, raw_mode: str) -> Any:
    """What Pillow's decoder is told, with another way to unpack."""
    return raw_mode if isinstance(args, str) else (raw_mode, *args[1:])


def _said(image: Any) -> Said:
    try:
        if image.format in _SCALED and image.mode.startswith("I"):
            return Said(scale=FULL)
        if image.format == "PNG" and image.fp is not None:
            bits = _significant_bits(image.fp)
            return Said(scale=(0.0, 2.0**bits - 1)) if bits else NOTHING
        if image.format == "TIFF":
            twelve = (0.0, 4095.0) if _raw_mode(image) == "I;12" else None
            return Said(scale=_tagged(image.tag_v2) or twelve, missing=_number(image.tag_v2.get(_NODATA)))
    except Exception:  # damaged tags say nothing, and any kind of exception may say so
        pass
    return NOTHING


def _tagged(tags: Any) -> Scale | None:
    """Black and white by the tags of a TIFF, which hold a number or one for each channel."""
    most = np.max(tags.get(_GREATEST, math.nan))
    least = np.min(tags.get(_LEAST, 0))
    return (float(least), float(most)) if -_MOST < least < most < _MOST else None


def _number(text: Any) -> float | None:
    try:
        return float(str(text).strip(" \0"))
    except ValueError:
        return None


def _significant_bits(stream: IO[bytes]) -> int:
    """The largest number of bits that a PNG says its colours have; 0 where it does not say."""
    place = stream.tell()
    try:
        stream.seek(8)
        for _ in range(_SEARCHED):
            length, name = struct.unpack(">I4s", stream.read(8))
            if name == b"sBIT":
                bits = stream.read(min(length, 4))
                most = max(bits[:1] if len(bits) < 3 else bits[:3])  # the last of two or four is alpha's
                return most if most <= 16 else 0
            if name == b"IDAT":
                return 0
            stream.seek(length + 4, io.SEEK_CUR)
        return 0
    finally:
        stream.seek(place)
