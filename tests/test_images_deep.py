"""Pictures of more than 8 bits a channel, as files of every kind, as Pillow images and as arrays."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from headstart.images.decode import decode, read_extent
from headstart.images.deep import depth
from headstart.images.grey_levels import FULL, Extent, Levels
from headstart.images.recognise import read_header
from headstart.images.sources import content

TWELVE = Levels(integers=(0.0, 4095.0))
RAMP = np.tile(np.linspace(0, 4095, 64).astype(np.uint16), (3, 1))
"""(3, 64) all of 12 bits, and in 8 bits what it must become."""
RAMP_8 = np.rint(RAMP * (255 / 4095)).astype(np.uint8)
COLOURS = np.stack([RAMP, RAMP[:, ::-1], RAMP // 2], axis=-1)
COLOURS_8 = np.rint(COLOURS * (255 / 4095)).astype(np.uint8)
OPAQUE = np.full((3, 64, 1), 65535, np.uint16)


def png(values: NDArray[Any], *, bits: tuple[int, ...] = (), clear: tuple[int, ...] = ()) -> bytes:
    """A PNG of 16 bits; ``bits`` are what it says of each channel in ``sBIT``, ``clear`` the colour in ``tRNS``."""
    height, width, channels = (*values.shape, 1)[:3]

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    said = chunk(b"sBIT", bytes(bits)) if bits else b""
    said += chunk(b"tRNS", np.array(clear, ">u2").tobytes()) if clear else b""
    comment = chunk(b"tEXt", b"a\0" + b"b" * 100)
    body = chunk(b"IHDR", header) + comment + said + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def tiff(values: NDArray[Any], *, order: str = "<", packed: bool = False, alpha: int | None = None) -> bytes:
    """A TIFF of colours in 16 bits; ``alpha`` is what it says of a fourth channel."""
    height, width, channels = values.shape
    data = values.astype(f"{order}u2").tobytes()
    data = zlib.compress(data) if packed else data
    at = 8 + 2 + 12 * 11 + 4
    tags: dict[int, tuple[str, int, int]] = {
        256: ("I", 1, width),
        257: ("I", 1, height),
        258: ("I", channels, at),
        259: ("H", 1, 8 if packed else 1),
        262: ("H", 1, 2),
        273: ("I", 1, at + 2 * channels),
        277: ("H", 1, channels),
        278: ("I", 1, height),
        279: ("I", 1, len(data)),
        284: ("H", 1, 1),
        338: ("H", 1, alpha or 0),
    }
    if alpha is None:
        del tags[338]
    entries = b""
    for tag, (kind, count, value) in tags.items():
        number = {"I": 4, "H": 3}[kind] if tag != 258 else 3
        entries += struct.pack(f"{order}HHI", tag, number, count) + struct.pack(f"{order}{kind}", value).ljust(4, b"\0")
    start = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8) + struct.pack(f"{order}H", len(tags))
    body = (start + entries + bytes(4)).ljust(at, b"\0")
    return body + struct.pack(f"{order}{channels}H", *[16] * channels) + data


def saved(
    values: NDArray[Any], format: str = "TIFF", *, tags: Mapping[int, Any] | None = None, **options: Any
) -> bytes:
    stream = io.BytesIO()
    if tags:
        options["tiffinfo"] = TiffImagePlugin.ImageFileDirectory_v2()
        for tag, value in tags.items():
            options["tiffinfo"][tag] = value
    Image.fromarray(values).save(stream, format, **options)
    return stream.getvalue()


def grey(source: Any, levels: Levels | None = None) -> list[int]:
    """The first row of a grey picture."""
    pixels = decode(source, levels=levels)
    assert (pixels == pixels[..., :1]).all()
    return pixels[0, :, 0].tolist()


GREYS = {
    "png": png(RAMP),
    "tiff": saved(RAMP),
    "tiff, other bytes": saved(RAMP.astype(">u2")),
    "tiff, packed": saved(RAMP, compression="tiff_adobe_deflate"),
    "tiff, 32 bits": saved(RAMP.astype(np.int32)),
    "array": RAMP,
    "array, other bytes": RAMP.astype(">u2"),
    "array, 32 bits": RAMP.astype(np.int32),
    "array, 64 bits": RAMP.astype(np.int64),
    "array, floating point": RAMP.astype(np.float32),
    "image": Image.fromarray(RAMP),
}


@pytest.mark.parametrize("form", GREYS)
def test_grey_levels_of_12_bits_use_all_of_8(form: str) -> None:
    expected = RAMP_8[0].tolist()
    assert grey(GREYS[form], TWELVE) == expected, "by the levels of the set"
    assert grey(GREYS[form]) == expected, "alone"


COLOURED = {
    "png": png(COLOURS),
    "png with alpha": png(np.dstack([COLOURS, OPAQUE])),
    "png with alpha of 12 bits": png(np.dstack([COLOURS, OPAQUE >> 4])),
    "tiff": tiff(COLOURS),
    "tiff, other bytes": tiff(COLOURS, order=">"),
    "tiff, packed": tiff(COLOURS, packed=True),
    "tiff, packed, other bytes": tiff(COLOURS, order=">", packed=True),
    "tiff with alpha": tiff(np.dstack([COLOURS, OPAQUE]), alpha=2),
    "tiff with another band": tiff(np.dstack([COLOURS, OPAQUE]), alpha=0),
    "tiff with two other bands": tiff(np.dstack([COLOURS, OPAQUE, OPAQUE]), alpha=0),
    "array": COLOURS,
    "array with alpha": np.dstack([COLOURS, OPAQUE]),
}


@pytest.mark.parametrize("form", COLOURED)
def test_colours_of_12_bits_use_all_of_8(form: str) -> None:
    np.testing.assert_array_equal(decode(COLOURED[form], levels=TWELVE), COLOURS_8)
    np.testing.assert_array_equal(decode(COLOURED[form]), COLOURS_8, "alone")


@pytest.mark.parametrize("form", ["png", "tiff", "tiff, packed"])
def test_an_image_of_the_callers_that_is_not_decoded_yet_tells_all_that_its_file_does(form: str) -> None:
    with Image.open(io.BytesIO(COLOURED[form])) as image, content(image) as data:
        np.testing.assert_array_equal(decode(data, levels=TWELVE), COLOURS_8)
        assert np.asarray(image).shape == COLOURS.shape, "the image stays as it is"


def test_grey_levels_with_alpha_lie_on_white() -> None:
    alpha = np.where(np.arange(64) < 32, 65535, 0).astype(np.uint16)
    picture = np.dstack([RAMP, np.tile(alpha, (3, 1))])
    assert grey(png(picture), TWELVE) == [*RAMP_8[0, :32].tolist(), *[255] * 32]
    half = np.dstack([np.zeros_like(RAMP), np.full_like(RAMP, 2048)])
    assert grey(png(half), TWELVE)[0] == pytest.approx(127, abs=1), "alpha may be of 12 bits too"


def test_a_grey_level_that_is_not_shown_is_white() -> None:
    values = np.array([[0, 20_000, 65_535], [20_000, 20_001, 0]], np.uint16)
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, "PNG", transparency=20_000)
    assert decode(stream.getvalue())[..., 0].tolist() == [[0, 255, 255], [255, 78, 0]]


@pytest.mark.parametrize("levels", [TWELVE, Levels(integers=FULL)])
def test_a_colour_that_is_not_shown_is_white(levels: Levels) -> None:
    hidden, near, other = (0x0A0B, 0x0102, 0x0203), (0x0A0B, 0x0102, 0x0204), (0, 0, 0x0800)
    picture = png(np.array([[hidden, near, other]], np.uint16), clear=hidden)
    expected = decode(np.array([[near, other]], np.uint16), levels=levels)
    np.testing.assert_array_equal(decode(picture, levels=levels), [[(255, 255, 255), *expected[0]]])


def test_colours_that_use_all_16_bits_are_as_pillow_reads_them() -> None:
    values = np.random.default_rng(0).integers(0, 65536, (20, 30, 3)).astype(np.uint16)
    for source in (png(values), tiff(values), tiff(values, packed=True), values):
        np.testing.assert_array_equal(decode(source), values >> 8)
        np.testing.assert_array_equal(decode(source, levels=Levels(integers=FULL)), values >> 8)


@pytest.mark.parametrize(
    ("source", "levels", "expected"),
    [
        # the file's word counts: the brightest of these values is 1000
        (png(np.array([[0, 500, 1000]]), bits=(12,)), None, [0, 31, 62]),
        (png(np.array([[0, 500, 1000]]), bits=(10,)), None, [0, 125, 249]),
        (saved(np.array([[0, 500, 1000]], np.uint16), tags={341: 4000}), None, [0, 32, 64]),
        (saved(np.array([[500, 600, 1000]], np.uint16), tags={340: 500, 341: 1500}), None, [0, 26, 128]),
        # also within a set, where it names a number of bits
        (png(np.array([[0, 500, 1000]]), bits=(10,)), TWELVE, [0, 125, 249]),
        (png(np.array([[0, 500, 1000]])), TWELVE, [0, 31, 62]),
        (saved(np.array([[0, 500, 1000]], np.uint16), tags={341: 1000}), TWELVE, [0, 31, 62]),
        # not where its values exceed it: PNG's standard has them scaled up to 16 bits
        (png(np.array([[0, 32768, 65520]]), bits=(12,)), None, [0, 128, 255]),
        (png(np.array([[0, 2048, 4095]]), bits=(12,)), Levels(integers=FULL), [0, 8, 16]),
        # nor what is the default of its type
        (saved(np.array([[0, 500, 1000]], np.int32), tags={340: -(2**31), 341: 2**31 - 1}), None, [0, 125, 249]),
        # formats whose values Pillow scales to 16 bits
        (b"P5 3 1 4095\n" + np.array([0, 500, 1000], ">u2").tobytes(), None, [0, 31, 62]),
        (b"P5 3 1 4095\n" + np.array([0, 500, 1000], ">u2").tobytes(), TWELVE, [0, 31, 62]),
        (saved(np.array([[0, 32768, 65535]] * 8, np.uint16), "JPEG2000"), TWELVE, [0, 128, 255]),
    ],
)
def test_what_a_file_says_is_white(source: bytes, levels: Levels | None, expected: list[int]) -> None:
    assert grey(source, levels) == expected


@pytest.mark.parametrize(
    ("values", "tags", "expected"),
    [
        ([-5.0, 15.0, 35.0, -9999.0], {42113: "-9999"}, [0, 128, 255, 0]),
        ([-5.0, 15.0, 35.0, -9999.0], {}, [0, 128, 255, 0]),  # customary
        ([-5.0, 15.0, 35.0, 9999.0], {}, [0, 128, 255, 0]),
        ([-5.0, 15.0, 35.0, 1e20], {}, [0, 128, 255, 0]),
        ([-5.0, 15.0, 35.0, -3.4028234663852886e38], {42113: "-3.4028234663852886e+38"}, [0, 128, 255, 0]),
        ([-5.0, 15.0, 35.0, np.nan], {42113: "nan"}, [0, 128, 255, 0]),
        ([-5.0, 15.0, 35.0, -np.inf], {42113: "1e400"}, [0, 128, 255, 0]),
        ([-5.0, 15.0, 35.0, 35.0], {42113: "not a number"}, [0, 128, 255, 255]),
        ([-9999.0, -4999.0, 1.0, 0.0], {}, [0, 128, 255, 255]),  # nothing far from the others
        ([np.nan, np.nan, np.inf, np.nan], {}, [0, 0, 0, 0]),
    ],
)
def test_missing_values_are_left_out_of_the_range(
    values: list[float], tags: Mapping[int, Any], expected: list[int]
) -> None:
    source = saved(np.array([values], np.float32), tags=tags)
    assert grey(source) == expected
    known = [value for value, level in zip(values, expected, strict=True) if level or value == -5.0]
    if known and min(known) == -5.0:
        assert grey(source, Levels(floats=(-5.0, 35.0))) == expected


def test_missing_values_of_whole_numbers() -> None:
    source = saved(np.array([[0, 1000, 4095, 65535]], np.uint16), tags={42113: "65535"})
    assert grey(source) == [0, 62, 255, 0]
    signed = saved(np.array([[-1000, 1000, 3000, -32768]], np.int32))
    assert grey(signed) == [0, 128, 255, 0]


def test_values_outside_the_levels_are_clipped() -> None:
    assert grey(np.array([[0, 4095, 60000]], np.uint16), TWELVE) == [0, 255, 255]
    assert grey(np.array([[-50.0, 0.0, 50.0]], np.float32), Levels(floats=(-10.0, 10.0))) == [0, 128, 255]


def test_the_header_says_what_is_deep() -> None:
    for form, source in GREYS.items():
        if isinstance(source, bytes):
            assert read_header(source).deep == "grey", form
    for form, source in COLOURED.items():
        if isinstance(source, bytes):
            assert read_header(source).deep == "colour", form
    for mode in ("L", "RGB", "RGBA", "P", "1", "CMYK"):
        assert depth(Image.new(mode, (2, 2))) == ""
        assert read_header(saved(np.asarray(Image.new("RGB", (2, 2))), "PNG")).deep == ""


def test_extents_of_files(tmp_path: Path) -> None:
    def extent(data: bytes) -> Extent | None:
        path = tmp_path / "picture"
        path.write_bytes(data)
        return read_extent(path)

    assert extent(png(RAMP)) == Extent(kind="uint16", darkest=0.0, brightest=4095.0, scale=None)
    assert extent(png(RAMP, bits=(12,))) == Extent(kind="uint16", darkest=0.0, brightest=4095.0, scale=(0.0, 4095.0))
    coloured = extent(png(np.dstack([COLOURS, OPAQUE]), bits=(12, 12, 12, 16)))
    assert coloured == Extent(kind="uint16", darkest=0.0, brightest=4095.0, scale=(0.0, 4095.0)), "whatever alpha says"
    floats = extent(saved(np.array([[-5.0, 35.0, -9999.0]], np.float32)))
    assert floats == Extent(kind="float", darkest=-5.0, brightest=35.0, scale=None)
    assert extent(saved(np.array([[np.nan, np.nan]], np.float32))) is None
    assert extent(saved(np.zeros((2, 2, 3), np.uint8), "PNG")) is None
