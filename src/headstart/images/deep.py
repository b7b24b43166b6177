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
    bands: NDArray[Any] | None = None
    """All values (h, w, 1 to 4), where they were read without Pillow's decoding."""
    inverted: bool = False
    """Whether 0 is white."""
    low_bytes: Callable[[], NDArray[np.uint8]] | None = None
    """Reads the low bytes (h, w, 3 or 4) of colours that Pillow reads as high bytes."""

    def extent(self, image: Any) -> Extent | None:
        """Between which values the pixels of the image lie; None where all are missing."""
        if self.low_bytes is None:
            values = np.asarray(image) if self.bands is None else _parts(self.bands)[0]
            return extent_of(values, self.said)
        if self.said.missing is not None:  # which is seen in whole values alone
            return extent_of(self._values(image, self.low_bytes())[..., :3], self.said)
        high = np.asarray(image)[..., :3]
        least, most = 256.0 * int(high.min()), 256.0 * int(high.max()) + 255
        return Extent(kind="uint16", darkest=least, brightest=most, scale=self.said.scale)

    def pixels(self, image: Any, levels: Levels | None) -> Pixels | None:
        """The decoded image in 8 bits, (h, w) or (h, w, 1 to 4); None where it is right as Pillow gives it."""
        if self.low_bytes is None:
            pixels = in_eight_bits(np.asarray(image) if self.bands is None else self.bands, levels, self.said)
            return 255 - pixels if self.inverted else pixels
        extent = self.extent(image)
        if extent and scale_of(extent, levels) == FULL:
            return None
        return in_eight_bits(self._values(image, self.low_bytes()), levels, self.said)

    def hidden(self, image: Any) -> NDArray[np.bool_] | None:
        """(h, w) the pixels of the level or colour that the file says is not shown; None where it says none."""
        clear = image.info.get("transparency")
        if isinstance(clear, int):
            return np.asarray(np.asarray(image) == clear)
        if isinstance(clear, tuple) and self.low_bytes is not None:
            return np.asarray((self._values(image, self.low_bytes()) == np.array(clear)).all(axis=-1))
        return None

    @staticmethod
    def _values(image: Any, low: NDArray[np.uint8]) -> NDArray[np.uint16]:
        """All 16 bits, where Pillow has read the high bytes."""
        values: NDArray[np.uint16] = np.left_shift(np.asarray(image), 8, dtype=np.uint16)
        return np.bitwise_or(values, low, dtype=np.uint16)


def depth(image: Any) -> Depth:
    """Of which kind an open image is that has more than 8 bits a channel; empty for any other."""
    if image.mode == "F" or image.mode.startswith("I"):
        return "grey"
    if (bands := getattr(image, "bands", None)) is not None:
        return "colour" if bands.shape[2] >= 3 else "grey"
    return "colour" if _raw_mode(image) in (*_OTHER_ORDER, _GREY_ALPHA) else ""


def deep(image: Any, reopen: Callable[[IO[bytes]], Any]) -> Deep | None:
    """What an open image says of its values; None where they have 8 bits. ``reopen`` opens its stream once more."""
    if not depth(image):
        return None
    said, raw_mode = _said(image), _raw_mode(image)
    if raw_mode not in (*_OTHER_ORDER, _GREY_ALPHA):
        return Deep(said=said, bands=getattr(image, "bands", None), inverted=getattr(image, "inverted", False))
    stream, frame = image.fp, image.tell()

    def low_bytes() -> NDArray[np.uint8]:
        again = reopen(stream)
        again.seek(frame)
        other = _OTHER_ORDER.get(raw_mode, "RGBA")
        again.tile = [tile._replace(args=_replaced(tile.args, other)) for tile in again.tile]
        again.load()
        low: NDArray[np.uint8] = np.asarray(again)
        return low[..., [1, 1, 1, 3]] if raw_mode == _GREY_ALPHA else low

    return Deep(said=said, low_bytes=low_bytes)


def in_eight_bits(values: NDArray[Any], levels: Levels | None = None, said: Said = NOTHING) -> Pixels:
    """Pixels (h, w) or (h, w, 1 to 4), the second or fourth of which is alpha, in 8 bits; those of 8 as they are."""
    if values.dtype == np.uint8:
        return values
    if values.ndim == 2:
        return eight_bits(values, levels=levels, said=said)
    colours, alpha = _parts(values)
    return np.concatenate([eight_bits(colours, levels=levels, said=said), *map(eight_bits, alpha)], axis=-1)


def _parts(values: NDArray[Any]) -> tuple[NDArray[Any], list[NDArray[Any]]]:
    """Colours (h, w, 1 or 3), and alpha (h, w, 1), whose white is its own, if there is any."""
    colours = 3 if values.shape[2] >= 3 else 1
    return values[..., :colours], [values[..., colours:]] if values.shape[2] > colours else []


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
    """The number that a text says, which some writers give as bytes."""
    try:
        return float((text.decode("ascii") if isinstance(text, bytes) else str(text)).strip(" \0"))
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
