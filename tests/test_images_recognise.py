"""Pictures in odd modes, layouts and containers give the right pixels; damage is quiet."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from headstart.errors import UnreadableImageError
from headstart.images import limits
from headstart.images.decode import decode
from headstart.images.recognise import read_header
from zoo import png, scene, tiff

SCENE = Image.fromarray(scene(40, 60))
FLAT = Image.new("RGB", (60, 40), (32, 160, 144))
GREY = SCENE.convert("L")


def saved(image: Image.Image, format: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def icon(*sizes: int) -> bytes:
    """An icon with a picture of each size, the larger the brighter."""
    frames = [Image.new("RGB", (size, size), (size, 0, 0)) for size in sizes]
    return saved(
        max(frames, key=lambda frame: frame.width), "ICO", sizes=[(size, size) for size in sizes], append_images=frames
    )


def app_segments(count: int) -> bytes:
    """A JPEG with ``count`` segments of 64 KB that are no pixels."""
    whole = saved(FLAT, "JPEG", quality=95)
    segment = b"\xff\xe9" + struct.pack(">H", 65_535) + bytes(65_533)
    return whole[:2] + segment * count + whole[2:]


def plain_pgm(pixels: NDArray[np.uint8]) -> bytes:
    height, width = pixels.shape
    return f"P2\n# drawn\n{width} {height}\n255\n{' '.join(map(str, pixels.ravel()))}\n".encode()


def rgb(image: Image.Image) -> NDArray[np.uint8]:
    return np.asarray(image.convert("RGB"))


EXACT: dict[str, tuple[Callable[[], bytes], NDArray[np.uint8]]] = {
    "png": (lambda: saved(SCENE, "PNG"), rgb(SCENE)),
    "png, interlaced by hand": (lambda: png(scene(40, 60)), rgb(SCENE)),
    "png of 2 colours": (lambda: saved(GREY.convert("1"), "PNG"), rgb(GREY.convert("1"))),
    "png of 4 colours": (lambda: saved(SCENE.quantize(4), "PNG", bits=2), rgb(SCENE.quantize(4))),
    "png of 16 colours": (lambda: saved(SCENE.quantize(16), "PNG", bits=4), rgb(SCENE.quantize(16))),
    "png of 256 colours": (lambda: saved(SCENE.quantize(256), "PNG"), rgb(SCENE.quantize(256))),
    "png, grey": (lambda: saved(GREY, "PNG"), rgb(GREY)),
    "png, grey with alpha": (lambda: saved(SCENE.convert("LA"), "PNG"), rgb(GREY)),
    "png with a profile": (lambda: saved(SCENE, "PNG", icc_profile=b"\0" * 3000), rgb(SCENE)),
    "gif": (lambda: saved(SCENE.quantize(64), "GIF"), rgb(SCENE.quantize(64))),
    "gif, interlaced": (lambda: saved(SCENE.quantize(64), "GIF", interlace=1), rgb(SCENE.quantize(64))),
    "bmp": (lambda: saved(SCENE, "BMP"), rgb(SCENE)),
    "bmp, grey": (lambda: saved(GREY, "BMP"), rgb(GREY)),
    "bmp of 256 colours": (lambda: saved(SCENE.quantize(256), "BMP"), rgb(SCENE.quantize(256))),
    "bmp of 2 colours": (lambda: saved(GREY.convert("1"), "BMP"), rgb(GREY.convert("1"))),
    "tiff": (lambda: saved(SCENE, "TIFF"), rgb(SCENE)),
    "tiff, lzw": (lambda: saved(SCENE, "TIFF", compression="tiff_lzw"), rgb(SCENE)),
    "tiff, deflate": (lambda: saved(SCENE, "TIFF", compression="tiff_adobe_deflate"), rgb(SCENE)),
    "tiff, packbits": (lambda: saved(SCENE, "TIFF", compression="packbits"), rgb(SCENE)),
    "tiff, fax": (lambda: saved(GREY.convert("1"), "TIFF", compression="group4"), rgb(GREY.convert("1"))),
    "tiff, grey": (lambda: saved(GREY, "TIFF"), rgb(GREY)),
    "tiff of 256 colours": (lambda: saved(SCENE.quantize(256), "TIFF"), rgb(SCENE.quantize(256))),
    "tiff, cmyk": (lambda: saved(SCENE.convert("CMYK"), "TIFF"), rgb(SCENE.convert("CMYK"))),
    "tiff, white is zero": (lambda: tiff(scene(40, 60, 1), photometric=0), 255 - scene(40, 60, 1)[..., [0, 0, 0]]),
    "tiff, band by band": (lambda: tiff(scene(40, 60), planar=2), scene(40, 60)),
    "tiff in tiles": (lambda: tiff(scene(40, 60), tile=16), scene(40, 60)),
    "bigtiff": (lambda: tiff(scene(40, 60), big=True), scene(40, 60)),
    "bigtiff, most significant byte first": (lambda: tiff(scene(40, 60), big=True, order=">"), scene(40, 60)),
    "tiff of two pages": (lambda: saved(SCENE, "TIFF", save_all=True, append_images=[FLAT]), rgb(SCENE)),
    "webp": (lambda: saved(SCENE, "WEBP", lossless=True), rgb(SCENE)),
    "webp, animated": (
        lambda: saved(SCENE, "WEBP", lossless=True, save_all=True, append_images=[FLAT]),
        rgb(SCENE),
    ),
    "jpeg 2000": (lambda: saved(SCENE, "JPEG2000"), rgb(SCENE)),
    "jpeg 2000, bare": (lambda: saved(SCENE, "JPEG2000", no_jp2=True), rgb(SCENE)),
    "ppm": (lambda: saved(SCENE, "PPM"), rgb(SCENE)),
    "pgm": (lambda: saved(GREY, "PPM"), rgb(GREY)),
    "pgm in plain text": (lambda: plain_pgm(np.asarray(GREY)), rgb(GREY)),
    "pbm": (lambda: saved(GREY.convert("1"), "PPM"), rgb(GREY.convert("1"))),
    "icon": (lambda: icon(48), np.full((48, 48, 3), (48, 0, 0), np.uint8)),
    "icon of three sizes": (lambda: icon(16, 64, 32), np.full((64, 64, 3), (64, 0, 0), np.uint8)),
    "icon of 256": (lambda: icon(16, 255), np.full((255, 255, 3), (255, 0, 0), np.uint8)),
    "icon as a bitmap": (
        lambda: saved(FLAT.resize((32, 32)), "ICO", bitmap_format="bmp", sizes=[(32, 32)]),
        np.full((32, 32, 3), (32, 160, 144), np.uint8),
    ),
}
NEAR: dict[str, Callable[[], bytes]] = {
    "jpeg": lambda: saved(FLAT, "JPEG", quality=95),
    "jpeg, progressive": lambda: saved(FLAT, "JPEG", quality=95, progressive=True),
    "jpeg without subsampling": lambda: saved(FLAT, "JPEG", quality=95, subsampling=0),
    "jpeg, cmyk": lambda: saved(FLAT.convert("CMYK"), "JPEG", quality=95),
    "jpeg with 3 MB beside its pixels": lambda: app_segments(48),
    "jpeg with a large profile": lambda: saved(FLAT, "JPEG", quality=95, icc_profile=bytes(600_000)),
    "jpeg with a comment": lambda: saved(FLAT, "JPEG", quality=95, comment=b"c" * 60_000),
    "jpeg of two frames": lambda: saved(FLAT, "MPO", quality=95, save_all=True, append_images=[SCENE]),
    "jpeg and rubbish behind it": lambda: saved(FLAT, "JPEG", quality=95) + b"x" * 5000,
    "tiff, jpeg": lambda: saved(FLAT, "TIFF", compression="jpeg", quality=95),
    "webp with losses": lambda: saved(FLAT, "WEBP", quality=95),
    "webp with metadata": lambda: saved(FLAT, "WEBP", quality=95, xmp=b"x" * 100_000, icc_profile=bytes(9000)),
    "avif": lambda: saved(FLAT, "AVIF", quality=95),
    "png, 16 bits": lambda: saved(Image.fromarray(np.full((40, 60), 0x8000, np.uint16)), "PNG"),
}


@pytest.mark.parametrize("name", EXACT)
def test_pixels_are_exact(name: str, tmp_path: Path) -> None:
    make, expected = EXACT[name]
    path = tmp_path / "notes.txt"
    path.write_bytes(make())
    np.testing.assert_array_equal(decode(path), expected)
    header = read_header(path)
    assert (header.height, header.width) == expected.shape[:2]


@pytest.mark.parametrize("name", NEAR)
def test_pixels_are_near(name: str) -> None:
    expected = (128, 128, 128) if "16" in name else (32, 160, 144)
    pixels = decode(NEAR[name]())
    assert pixels.shape == (40, 60, 3)
    np.testing.assert_allclose(pixels.astype(int), np.broadcast_to(expected, pixels.shape), atol=6)


def test_sides_are_limited_before_anything_is_decoded() -> None:
    content = saved(Image.new("1", (limits.MAX_SIDE, 2)), "PNG")
    assert decode(content).shape == (2, limits.MAX_SIDE, 3)
    wide = content[:16] + struct.pack(">I", 80_000_000) + content[20:]
    for read in (decode, read_header):
        with pytest.raises(UnreadableImageError, match="too large: 80000000×2 pixels; at most 65535 a side"):
            read(png_with_header(wide))


def png_with_header(content: bytes) -> bytes:
    """The same PNG with the checksum of its first chunk made right."""
    return content[:29] + struct.pack(">I", zlib.crc32(content[12:29])) + content[33:]


def test_memory_is_limited_by_what_a_mode_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_MEMORY", 60 * 40 * 8)
    decode(saved(SCENE, "PNG"))
    for content in (saved(SCENE.convert("RGBA"), "PNG"), saved(SCENE, "WEBP"), saved(SCENE, "JPEG", progressive=True)):
        for read in (decode, read_header):
            with pytest.raises(UnreadableImageError, match="to decode; at most"):
                read(content)


@pytest.mark.skipif(sys.platform == "win32", reason="libtiff is linked into Pillow, which keeps its lines")
def test_damaged_pictures_write_nothing_to_standard_error() -> None:
    program = """
import io, logging, random
import numpy as np
from PIL import Image
from headstart.errors import UnreadableImageError
from headstart.images.decode import decode
pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
rng, refused = random.Random(1), 0
for compression in ("tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits"):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "TIFF", compression=compression)
    for _ in range(40):
        data = bytearray(stream.getvalue())
        for _ in range(8):
            data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            decode(bytes(data))
        except UnreadableImageError:
            refused += 1
assert refused > 40
logging.getLogger("PIL.TiffImagePlugin").error("more samples than can be decoded")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=dict(os.environ))
    assert (done.returncode, done.stderr) == (0, "")
