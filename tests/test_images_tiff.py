"""Bands in any number, kind and order give the right pixels; previews and raw files are not taken for pictures."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from headstart.errors import UnreadableImageError
from headstart.images import sniff, tiff
from headstart.images.decode import decode
from headstart.images.recognise import read_header
from zoo import Tags, joined, scene
from zoo import tiff as written

CHUNKY = {
    "four bands": (written(scene(bands=4), extra=[0]), scene(bands=4)[..., :3]),
    "five": (written(scene(bands=5), extra=[0, 0]), scene(bands=5)[..., :3]),
    "seven": (written(scene(bands=7), extra=[0] * 4), scene(bands=7)[..., :3]),
    "thirteen": (written(scene(bands=13), extra=[0] * 10), scene(bands=13)[..., :3]),
    "five, most significant byte first": (written(scene(bands=5), extra=[0] * 2, order=">"), scene(bands=5)[..., :3]),
    "seven in BigTIFF": (written(scene(bands=7), extra=[0] * 4, big=True), scene(bands=7)[..., :3]),
    "seven without a word on the others": (written(scene(bands=7)), scene(bands=7)[..., :3]),
    "seven in strips": (written(scene(bands=7), extra=[0] * 4, rows=5), scene(bands=7)[..., :3]),
    "seven in tiles": (written(scene(40, 50, 7), extra=[0] * 4, tile=16), scene(40, 50, 7)[..., :3]),
    "seven, deflated": (written(scene(bands=7), extra=[0] * 4, compression=8, rows=5), scene(bands=7)[..., :3]),
    "seven, differenced": (
        written(scene(bands=7), extra=[0] * 4, compression=8, predictor=2, rows=5),
        scene(bands=7)[..., :3],
    ),
    "seven, one after the other": (written(scene(bands=7), extra=[0] * 4, planar=2, rows=5), scene(bands=7)[..., :3]),
    "seven, deflated and differenced, one after the other": (
        written(scene(bands=7), extra=[0] * 4, planar=2, compression=8, predictor=2),
        scene(bands=7)[..., :3],
    ),
    "seven in tiles, one after the other": (
        written(scene(40, 50, 7), extra=[0] * 4, tile=16, planar=2),
        scene(40, 50, 7)[..., :3],
    ),
    "grey and four more": (written(scene(bands=5), photometric=1, extra=[0] * 4), scene(bands=5)[..., [0, 0, 0]]),
    "grey and one": (written(scene(bands=2), extra=[0]), scene(bands=2)[..., [0, 0, 0]]),
    "sixteen bits": (
        written(scene(bands=5).astype(np.uint16) * 257, extra=[0, 0]),
        scene(bands=5)[..., :3],
    ),
    "sixteen bits, most significant byte first": (
        written(scene(bands=5).astype(np.uint16) * 257, extra=[0, 0], order=">"),
        scene(bands=5)[..., :3],
    ),
    "floating point": (written((scene(bands=5) / 255).astype(np.float32), extra=[0, 0]), scene(bands=5)[..., :3]),
    "three of floating point": (written((scene() / 255).astype(np.float32)), scene()),
    "three of floating point, deflated, most significant byte first": (
        written((scene() / 255).astype(np.float32), compression=8, order=">"),
        scene(),
    ),
    "sixteen bits, one after the other": (written(scene().astype(np.uint16) * 257, planar=2), scene()),
    "sixteen bits in tiles, one after the other": (
        written(scene(40, 50).astype(np.uint16) * 257, planar=2, tile=16),
        scene(40, 50),
    ),
    "grey and four more, one after the other": (
        written(scene(bands=5), photometric=1, extra=[0] * 4, planar=2),
        scene(bands=5)[..., [0, 0, 0]],
    ),
    "grey and four more of sixteen bits, one after the other": (
        written(scene(bands=5).astype(np.uint16) * 257, photometric=1, extra=[0] * 4, planar=2, order=">"),
        scene(bands=5)[..., [0, 0, 0]],
    ),
    **{
        f"white is zero, {name}, {order}, {compression}": (
            written(
                (scene(bands=1).astype(float) * factor).astype(kind),
                photometric=0,
                order=order,
                compression=compression,
            ),
            255 - scene(bands=1)[..., [0, 0, 0]],
        )
        for name, kind, factor in (("bytes", "u1", 1), ("sixteen bits", "u2", 257), ("floating point", "f4", 1 / 255))
        for order, compression in (("<", 1), (">", 1), (">", 8))
    },
    **{
        f"grey, {kind}, {order}, {compression}": (
            written(np.where(scene(bands=1) > 127, white, 0).astype(kind), order=order, compression=compression),
            255 * (scene(bands=1)[..., [0, 0, 0]] > 127).astype(np.uint8),
        )
        for kind, white in (("u4", 0xFFFFFFFF), ("i4", 0x7FFFFFFF), ("f4", 1))
        for order, compression in (("<", 1), (">", 1), (">", 8))
    },
}


@pytest.mark.parametrize("name", CHUNKY)
def test_bands_give_the_colours(name: str) -> None:
    content, expected = CHUNKY[name]
    np.testing.assert_array_equal(decode(content), expected)
    header = read_header(content)
    assert (header.format, header.height, header.width) == ("TIFF", *expected.shape[:2])


def on_white(colours: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.float64]:
    share = alpha / 255.0
    return colours * share + 255 * (1 - share)


@pytest.mark.parametrize("extra", [[2], [2, 0, 0, 0], [1, 0]])
def test_transparency_that_the_file_names_is_laid_on_white(extra: list[int]) -> None:
    samples = scene(bands=3 + len(extra))
    alpha = samples[..., 3:4]
    stored = samples.copy()
    if extra[0] == 1:  # colours are multiplied by it
        stored[..., :3] = samples[..., :3] * (alpha / 255)
    expected = on_white(samples[..., :3], alpha)
    opaque = alpha[..., 0] > 100  # of what is nearly transparent, colours multiplied by it keep few levels
    difference = np.abs(decode(written(stored, extra=extra)) - expected)
    assert difference[opaque].max() < 4


def thumbnail_first(*, flag: int) -> bytes:
    """Two pages: a small one that may be said to be a preview, and the picture."""
    small, large = scene(4, 6), scene(12, 16)

    def tags(pixels: NDArray[np.uint8], at: int, subfile: int) -> Tags:
        h, w, _ = pixels.shape
        return {
            254: ("I", [subfile]), 256: ("I", [w]), 257: ("I", [h]), 258: ("H", [8] * 3), 259: ("H", [1]),
            262: ("H", [2]), 273: ("I", [at]), 277: ("H", [3]), 278: ("I", [h]), 279: ("I", [pixels.size]),
        }  # fmt: skip

    return joined([small.tobytes(), large.tobytes()], [tags(small, 8, flag), tags(large, 8 + small.size, 0)])


def test_a_preview_is_not_taken_for_the_picture() -> None:
    np.testing.assert_array_equal(decode(thumbnail_first(flag=1)), scene(12, 16))
    np.testing.assert_array_equal(decode(thumbnail_first(flag=0)), scene(4, 6))


RAW = {
    "a preview alone": written(scene(), more={254: ("I", [1])}),
    "a preview, and the sensor below it": written(scene(), more={330: ("I", [10])})[:8]
    + bytes(2)
    + struct.pack("<HHHIII", 1, 262, 3, 1, 32803, 0)
    + written(scene(), more={330: ("I", [10])})[28:],
    "a preview, and something cut off below it": written(scene(), more={254: ("I", [1]), 330: ("I", [1 << 30])}),
    "the sensor itself": written(scene(bands=1), photometric=32803),
    "linear sensor": written(scene(), photometric=34892),
    "DNG": written(scene(), more={50706: ("B", [1, 4, 0, 0])}),
    "DNG, most significant byte first": written(scene(), order=">", more={50706: ("B", [1, 4, 0, 0])}),
}


@pytest.mark.parametrize("name", RAW)
def test_the_raw_file_of_a_camera_says_so(name: str) -> None:
    for read in (decode, read_header):
        with pytest.raises(UnreadableImageError) as caught:
            read(RAW[name])
        assert caught.value.reason == sniff.RAW


def test_what_pillow_reads_is_left_to_it() -> None:
    stream = io.BytesIO()
    Image.fromarray(scene()).save(stream, "TIFF", compression="tiff_lzw")
    assert (tiff.wanted_page(stream) or (1,))[0] == 0
    np.testing.assert_array_equal(decode(stream.getvalue()), scene())


@pytest.mark.parametrize(
    "content",
    [
        b"II*\0",
        b"II*\0\xff\xff\xff\xff",
        b"II+\0\x08\0\0\0" + b"\xff" * 8,
        b"MM\0*\0\0\0\x08\xff\xff" + bytes(40),
        joined([b""], [{256: ("I", [1 << 31]), 257: ("I", [1 << 31]), 277: ("H", [5]), 262: ("H", [2])}]),
        written(scene(bands=5), photometric=8),
        written(scene(bands=7), extra=[0] * 4, planar=2, more={277: ("H", [0])}),
        written(scene(40, 50, 7), extra=[0] * 4, tile=16, more={322: ("I", [0xFFFFFFFF])}),
    ],
)
def test_damage_and_other_kinds_have_a_reason(content: bytes) -> None:
    for read in (decode, read_header):
        with pytest.raises(UnreadableImageError, match=r"damaged|too large"):
            read(content)


def test_pages_in_a_circle_end() -> None:
    content = bytearray(thumbnail_first(flag=1))
    first = int.from_bytes(content[4:8], "little")
    entries = int.from_bytes(content[first : first + 2], "little")
    link = first + 2 + 12 * entries
    content[link : link + 4] = first.to_bytes(4, "little")
    assert tiff.wanted_page(io.BytesIO(bytes(content))) is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (written(scene(bands=1).astype(np.float64)), "a TIFF of floating-point numbers of 64 bits, which is not read"),
        (written(scene(bands=5).astype(np.float64), extra=[0, 0]), "of 64 bits, which is not read: save it with 8"),
        (written(scene(bands=1).astype(np.float16)), "a TIFF of floating-point numbers of 16 bits, which is not read"),
        (written(scene(bands=1), more={258: ("H", [14])}), "a TIFF of numbers of 14 bits, which is not read"),
        (written(scene(), compression=34933), "a TIFF compressed as PNG, which is not read: save it with LZW"),
        (written(scene(), compression=50001), "a TIFF compressed as WebP, which is not read: save it with LZW"),
    ],
)
def test_what_is_not_read_is_not_called_damaged(content: bytes, reason: str) -> None:
    for read in (decode, read_header):
        with pytest.raises(UnreadableImageError, match=reason):
            read(content)


def test_large_numbers_are_not_negative() -> None:
    values = np.linspace(0, 0xFFFFFFFF, 12 * 16).astype(np.uint32).reshape(12, 16, 1)
    for order in "<>":
        levels = decode(written(values, order=order))[..., 0].ravel()
        assert (levels[0], levels[-1]) == (0, 255)
        assert (np.diff(levels.astype(int)) >= 0).all()


def test_a_mask_is_not_taken_for_the_picture() -> None:
    np.testing.assert_array_equal(decode(thumbnail_first(flag=4)), scene(12, 16))


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_grey_multiplied_by_its_transparency_is_read(kind: type[np.integer[Any]]) -> None:
    values = np.concatenate([scene(bands=1), np.full((12, 16, 1), 255, np.uint8)], axis=-1).astype(kind)
    content = written(values * kind(np.iinfo(kind).max // 255), photometric=1, extra=[1])
    np.testing.assert_array_equal(decode(content), scene(bands=1)[..., [0, 0, 0]])


@pytest.mark.parametrize("orientation", [1, 3, 6])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("bands", "kind", "options"),
    [
        (3, np.uint16, {"planar": 2}),
        (3, np.uint16, {}),
        (5, np.uint16, {"extra": [0, 0]}),
        (5, np.uint8, {"extra": [0, 0]}),
        (3, np.float32, {}),
        (1, np.uint32, {}),
        (1, np.uint16, {"photometric": 0}),
    ],
)
def test_pictures_that_lie_on_their_side_are_upright(
    bands: int, kind: type, options: dict[str, Any], order: str, orientation: int
) -> None:
    samples = scene(bands=bands).astype(kind)
    plain = decode(written(samples, order=order, **options))
    turned = decode(written(samples, order=order, more={274: ("H", [orientation])}, **options))
    np.testing.assert_array_equal(turned, np.rot90(plain, {1: 0, 3: 2, 6: -1}[orientation]))


def test_what_is_missing_in_colours_of_16_bits_does_not_stretch_them() -> None:
    samples = scene(bands=3).astype(np.uint16) * 16
    most = decode(written(samples))
    samples[:5, :5] = 65535
    with_hole = decode(written(samples, more={42113: ("B", [*b"65535\0"])}))
    np.testing.assert_array_equal(with_hole[5:, 5:], most[5:, 5:])
    assert with_hole[:5, :5].max() == 0
