"""What Pillow does not do with TIFF files: tell which of their pages is the picture, and read bands in any number.

Tags are those of TIFF 6.0 (Adobe 1992), BigTIFF, TIFF/EP (ISO 12234-2) and DNG 1.7. Pixels are decoded by Pillow all
the same: a picture of many bands is shown to it as a grey one that is as many times as wide.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from headstart.images import limits

MAX_PAGES = 64
"""Directories of one file that are looked at."""
MAX_VALUES = 1 << 20
"""Values of one tag that are read: no picture within the limits has as many strips or tiles."""

_TYPES = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}  # unsigned integers: all that matters here is written so
(
    _SUBFILE_TYPE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER, _STRIPS, _SAMPLES, _ROWS,
    _STRIP_BYTES, _PLANAR, _PREDICTOR, _TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_BYTES, _BELOW, _EXTRA, _FORMAT, _DNG,
) = (
    254, 256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 317, 322, 323, 324, 325, 330, 338, 339, 50706,
)  # fmt: skip
_LAYOUT = (_WIDTH, _HEIGHT, _COMPRESSION, _FILL_ORDER, _STRIPS, _ROWS, _STRIP_BYTES, _TILE_WIDTH, _TILE_HEIGHT, _TILES,
           _TILE_BYTES)  # fmt: skip
_SENSOR = (32803, 34892)  # photometric interpretations of a camera's sensor: colour filter array, linear raw
_INVERTED, _GREY, _RGB = 0, 1, 2
_UNCOMPRESSED = 1
_UNSIGNED, _SIGNED, _FLOAT = 1, 2, 3
_PREVIEW, _MASK = 1, 4
_ANY_BYTES = (1, 5, 8, 32773, 32946, 34925, 50000)  # compressions that do not ask what the bytes mean
_NOT_READ = {
    **dict.fromkeys((33003, 33005, 34712), "JPEG 2000"), **dict.fromkeys((50002, 52546), "JPEG XL"),
    **dict.fromkeys((22610, 34934), "JPEG XR"), 34661: "JBIG", 34887: "LERC", 34933: "PNG", 50001: "WebP",
}  # fmt: skip
"""Compressions that Pillow does not read, by the number in the tag."""


@dataclass(frozen=True)
class Page:
    """One picture in a TIFF file."""

    order: str
    """``<`` or ``>``, as `struct` has it."""
    tags: dict[int, tuple[int, ...]] = field(repr=False)

    def first(self, tag: int, default: int = 0) -> int:
        """The first value of a tag."""
        return next(iter(self.tags.get(tag, ())), default)

    @property
    def is_preview(self) -> bool:
        """Whether it is a smaller version of another picture of the file, or a mask for it."""
        return bool(self.first(_SUBFILE_TYPE) & (_PREVIEW | _MASK))

    @property
    def is_raw(self) -> bool:
        """Whether its pixels are those of a camera's sensor."""
        return _DNG in self.tags or self.first(_PHOTOMETRIC) in _SENSOR

    @property
    def bits(self) -> int:
        """Of a value, the most of all bands."""
        return max(self.tags.get(_BITS, (1,)))

    @property
    def is_long(self) -> bool:
        """Whether its values are whole numbers of 32 bits without a sign."""
        return self.bits == 32 and self.first(_FORMAT, 1) == _UNSIGNED

    @property
    def is_misread(self) -> bool:
        """Whether Pillow takes it for another picture.

        It takes the two bytes of a band for two values, black for white, or large numbers for negative ones.
        """
        in_planes = self.first(_PLANAR, 1) == 2 and self.first(_COMPRESSION, 1) == _UNCOMPRESSED
        inverted = _PHOTOMETRIC in self.tags and self.first(_PHOTOMETRIC) == _INVERTED
        return self.bits > 8 and ((in_planes and self.first(_SAMPLES, 1) > 1) or inverted or self.is_long)

    @property
    def not_read(self) -> str:
        """Why Pillow does not read it though nothing is wrong with it, as far as that is known; else empty."""
        if name := _NOT_READ.get(self.first(_COMPRESSION, 1)):
            return f"a TIFF compressed as {name}, which is not read: save it with LZW or without compression"
        is_float = self.first(_FORMAT, 1) == _FLOAT
        if self.bits not in (1, 2, 4, 8, 12, 16, 32) or (self.bits == 16 and is_float):
            kind = "floating-point numbers" if is_float else "numbers"
            return f"a TIFF of {kind} of {self.bits} bits, which is not read: save it with 8 or 16 bits"
        return ""


@dataclass(frozen=True, kw_only=True)
class Bands:
    """A picture of several bands as grey TIFF files, which any decoder reads."""

    files: tuple[bytes, ...]
    """One with the bands of a pixel side by side, or one for each band."""
    count: int
    """Bands of a pixel in each file."""
    colours: int
    """How many of them, from the first, are colours: 3 for red, green, blue, or 1 for grey."""
    mode: str
    """Pillow's name for them, and for the transparency that the next band may be."""
    differenced: bool
    """Whether a pixel is stored as its difference to the one on its left."""
    inverted: bool
    """Whether 0 is white."""
    is_long: bool
    """Whether values are numbers of 32 bits without a sign, though the files say that they have one."""

    def joined(self, planes: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """Colours and transparency ``(h, w, bands)`` from the pixels ``(h, w)`` of the files."""
        planes = [plane.view(np.uint32) for plane in planes] if self.is_long else planes
        if self.count == 1:
            return np.stack(planes, axis=-1)
        height, width = planes[0].shape
        values = planes[0].reshape(height, width // self.count, self.count)[..., : len(self.mode)]
        return np.add.accumulate(values, axis=1, dtype=values.dtype) if self.differenced else values


def wanted_page(stream: IO[bytes]) -> tuple[int, Page] | None:
    """Which page of a TIFF file is the picture, from 0, and its tags: the first that is no preview of another.

    None where there are only previews that can be read: in the raw file of a camera. What cannot be made out is page 0
    without tags, for the decoder to say what is wrong.
    """
    pages = list(_pages(stream))
    below = [page for outer in pages for page in _linked(stream, outer.tags.get(_BELOW, ()))]
    if any(page.is_raw for page in (*pages, *below)):
        return None
    nothing = None if pages else (0, Page("<", {}))
    return next(((at, page) for at, page in enumerate(pages) if not page.is_preview), nothing)


def bands(data: bytes, page: Page) -> Bands | None:
    """A page of the TIFF file ``data`` as grey files; None where it has bands of several kinds, or none at all.

    Raises:
        UnreadableImageError: too large.
        ValueError, struct.error: numbers that no such file can have.
    """
    count, photometric = page.first(_SAMPLES, 1), page.first(_PHOTOMETRIC)
    bits, formats = (set(page.tags.get(tag, (1,))) for tag in (_BITS, _FORMAT))
    if not page.tags or count < 1 or len(bits) > 1 or len(formats) > 1 or photometric not in (_INVERTED, _GREY, _RGB):
        return None
    if page.first(_COMPRESSION, 1) not in _ANY_BYTES:
        return None
    colours = 3 if photometric == _RGB and count >= 3 else 1
    alpha = {1: "a", 2: "A"}.get(page.first(_EXTRA), "") if count > colours else ""
    mode = ("RGB" if colours == 3 else "L") + alpha
    kind: dict[str, Any] = {
        "colours": colours,
        "mode": mode,
        "inverted": photometric == _INVERTED,
        "is_long": page.is_long,
    }
    limits.check_size(page.first(_WIDTH) * count, page.first(_HEIGHT))
    tags = {tag: page.tags[tag] for tag in _LAYOUT if tag in page.tags}
    tags |= {
        _SAMPLES: (1,),
        _BITS: (min(bits),),
        _FORMAT: (_SIGNED if page.is_long else min(formats),),
        _PHOTOMETRIC: (_GREY,),
    }
    predictor = page.first(_PREDICTOR, 1)
    if page.first(_PLANAR, 1) == 1 and count > 1:
        if predictor > 2 or (predictor == 2 and _TILES in tags):
            return None
        for tag in {_WIDTH, _TILE_WIDTH} & tags.keys():
            tags[tag] = (tags[tag][0] * count,)
        return Bands(files=(_written(data, page.order, tags),), count=count, differenced=predictor == 2, **kind)
    tags[_PREDICTOR] = (predictor,)
    files = [_written(data, page.order, _of_band(tags, band, count)) for band in range(len(mode))]
    return Bands(files=tuple(files), count=1, differenced=False, **kind)


def _of_band(tags: dict[int, tuple[int, ...]], band: int, count: int) -> dict[int, tuple[int, ...]]:
    """The tags of one band of ``count`` that are stored one after the other."""
    own = dict(tags)
    for tag in {_STRIPS, _STRIP_BYTES, _TILES, _TILE_BYTES} & tags.keys():
        each = len(tags[tag]) // count
        own[tag] = tags[tag][band * each : (band + 1) * each]
    return own


def _pages(stream: IO[bytes]) -> Iterator[Page]:
    """The pages of a TIFF file in the order in which they are chained."""
    stream.seek(0)
    head = stream.read(16).ljust(16, b"\0")
    order = "<" if head[:1] == b"I" else ">"
    at = struct.unpack_from(order + "Q", head, 8) if _is_big(head, order) else struct.unpack_from(order + "I", head, 4)
    yield from _linked(stream, at)


def _linked(stream: IO[bytes], places: tuple[int, ...]) -> Iterator[Page]:
    """The pages at ``places`` and those that are chained to them, each once; those that are cut off are left out."""
    stream.seek(0)
    head = stream.read(4)
    order = "<" if head[:1] == b"I" else ">"
    is_big, seen, waiting = _is_big(head, order), set[int](), list(reversed(places[:MAX_PAGES]))
    while waiting and len(seen) < MAX_PAGES:
        at = waiting.pop()
        if at and at not in seen:
            seen.add(at)
            with suppress(struct.error, ValueError, OverflowError):
                page, following = _read(stream, at, order, is_big)
                waiting.append(following)
                yield page


def _is_big(head: bytes, order: str) -> bool:
    return struct.unpack_from(order + "H", head, 2) == (43,)


def _read(stream: IO[bytes], at: int, order: str, is_big: bool) -> tuple[Page, int]:
    """The page at ``at``, and the place of the next one, or 0."""
    number, entry, link = ("Q", "HHQ8s", "Q") if is_big else ("H", "HHI4s", "I")
    stream.seek(at)
    (entries,) = _unpacked(stream, order + number)
    entries = min(entries, 4096)
    found = [_unpacked(stream, order + entry) for _ in range(entries)]
    (following,) = _unpacked(stream, order + link)
    tags = {}
    for tag, kind, count, inline in found:
        if kind in _TYPES and 0 < count <= MAX_VALUES:
            form = f"{order}{count}{_TYPES[kind]}"
            if struct.calcsize(form) <= len(inline):
                tags[tag] = struct.unpack_from(form, inline)
            elif tag in _LAYOUT or tag in (_BITS, _FORMAT, _EXTRA, _BELOW):
                stream.seek(struct.unpack(order + link, inline)[0])
                tags[tag] = _unpacked(stream, form)
    return Page(order, tags), following


def _unpacked(stream: IO[bytes], form: str) -> tuple[Any, ...]:
    return struct.unpack(form, stream.read(struct.calcsize(form)))


def _written(data: bytes, order: str, tags: dict[int, tuple[int, ...]]) -> bytes:
    """The same file with one page, of ``tags``: the pixels stay where they are."""
    data += bytes(len(data) % 2)
    outside = len(data) + 2 + 12 * len(tags) + 4  # where values go that are more than one
    entries, values = b"", b""
    for tag in sorted(tags):
        packed = struct.pack(f"{order}{len(tags[tag])}I", *tags[tag])
        if len(packed) > 4:
            inline, values = struct.pack(order + "I", outside + len(values)), values + packed
        else:
            inline = packed
        entries += struct.pack(order + "HHI", tag, 4, len(tags[tag])) + inline
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, len(data))
    page = struct.pack(order + "H", len(tags)) + entries + bytes(4) + values
    return head + data[8:] + page
