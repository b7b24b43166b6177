"""Odd pictures, written byte by byte: TIFF, BMP, PNG and ICO as libraries seldom write them."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

Tags = dict[int, tuple[str, list[int]]]


def scene(height: int = 12, width: int = 16, bands: int = 3) -> NDArray[np.uint8]:
    """Levels (height, width, bands) that differ at every place."""
    return np.random.default_rng([height, width, bands]).integers(0, 256, (height, width, bands)).astype(np.uint8)


def tiff(
    samples: NDArray[Any],
    *,
    order: str = "<",
    big: bool = False,
    photometric: int | None = None,
    extra: list[int] | None = None,
    compression: int = 1,
    predictor: int = 1,
    planar: int = 1,
    rows: int | None = None,
    tile: int | None = None,
    more: Tags | None = None,
) -> bytes:
    """A TIFF file of samples (h, w, bands): strips of ``rows``, or square tiles, chunky or band by band."""
    h, w, n = samples.shape
    kind = samples.dtype.kind
    stored = samples.astype(samples.dtype.newbyteorder(order))
    parts: list[NDArray[Any]] = []
    planes = [stored] if planar == 1 else [stored[..., band : band + 1] for band in range(n)]
    for plane in planes:
        if tile:
            for y in range(0, h, tile):
                for x in range(0, w, tile):
                    block = np.zeros((tile, tile, plane.shape[2]), plane.dtype)
                    cut = plane[y : y + tile, x : x + tile]
                    block[: cut.shape[0], : cut.shape[1]] = cut
                    parts.append(block)
        else:
            parts += [plane[y : y + (rows or h)] for y in range(0, h, rows or h)]
    if predictor == 2:
        zero = [np.concatenate([part[:, :1], np.diff(part, axis=1)], axis=1) for part in parts]
        parts = [part.astype(stored.dtype) for part in zero]
    pieces = [zlib.compress(part.tobytes()) if compression == 8 else part.tobytes() for part in parts]
    where = (16 if big else 8) + np.cumsum([0, *map(len, pieces[:-1])])
    at, sizes = (325, 324) if tile else (279, 273)
    tags: Tags = {
        256: ("I", [w]),
        257: ("I", [h]),
        258: ("H", [8 * samples.dtype.itemsize] * n),
        259: ("H", [compression]),
        262: ("H", [photometric if photometric is not None else (2 if n >= 3 else 1)]),
        sizes: ("I", where.tolist()),
        277: ("H", [n]),
        at: ("I", [len(piece) for piece in pieces]),
        284: ("H", [planar]),
        339: ("H", [{"u": 1, "i": 2, "f": 3}[kind]] * n),
        **({322: ("I", [tile]), 323: ("I", [tile])} if tile else {278: ("I", [rows or h])}),
        **({317: ("H", [predictor])} if predictor != 1 else {}),
        **({338: ("H", extra)} if extra else {}),
        **(more or {}),
    }
    return joined([b"".join(pieces)], [tags], order=order, big=big)


def joined(data: list[bytes], pages: list[Tags], *, order: str = "<", big: bool = False) -> bytes:
    """A TIFF file: the data, then a directory for each page, chained."""
    mark = b"II" if order == "<" else b"MM"
    number, link, inline, entry = ("Q", "Q", 8, "HHQ") if big else ("H", "I", 4, "HHI")
    body = b"".join(data)
    head = 16 if big else 8
    at = head + len(body)
    out = b""
    for place, tags in enumerate(pages):
        size = struct.calcsize(order + number) + len(tags) * (struct.calcsize(order + entry) + inline) + inline
        entries, values = b"", b""
        for tag in sorted(tags):
            form, numbers = tags[tag]
            raw = struct.pack(f"{order}{len(numbers)}{form}", *numbers)
            kind = {"B": 1, "H": 3, "I": 4}[form]
            entries += struct.pack(order + entry, tag, kind, len(numbers))
            if len(raw) <= inline:
                entries += raw.ljust(inline, b"\0")
            else:
                entries += struct.pack(order + link, at + len(out) + size + len(values))
                values += raw
        following = at + len(out) + size + len(values) if place + 1 < len(pages) else 0
        out += struct.pack(order + number, len(tags)) + entries + struct.pack(order + link, following) + values
    first = struct.pack(order + "HHHQ", 43, 8, 0, at) if big else struct.pack(order + "HI", 42, at)
    return mark + first + body + out


def bmp(values: NDArray[Any], masks: list[int], *, header: int = 40, compression: int = 3, down: bool = False) -> bytes:
    """A BMP of values (h, w), uint16 or uint32, whose channels lie under masks of red, green, blue (and alpha)."""
    h, w = values.shape
    bits = 8 * values.dtype.itemsize
    lines = values if down else values[::-1]
    stride = (w * bits + 31) // 32 * 4
    rows = b"".join(line.astype(f"<u{bits // 8}").tobytes().ljust(stride, b"\0") for line in lines)
    packed = struct.pack(f"<{len(masks)}I", *masks)
    info = struct.pack("<IiiHHIIiiII", header, w, -h if down else h, 1, bits, compression, len(rows), 2835, 2835, 0, 0)
    info = info + packed if header == 40 else (info + packed).ljust(header, b"\0")
    begin = 14 + len(info)
    return struct.pack("<2sIHHI", b"BM", begin + len(rows), 0, 0, begin) + info + rows


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(pixels: NDArray[np.uint8], *, before: bytes = b"", after: bytes = b"") -> bytes:
    """A PNG of pixels (h, w, 3) with chunks before and after them."""
    h, w, _ = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, 8, 2, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + head + before + data + after + chunk(b"IEND", b"")
