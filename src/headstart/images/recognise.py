"""A file or bytes become a picture that Pillow has recognised, and not decoded yet: its header, its limits, its layout.

With `headstart.images.decode` the only module that knows Pillow. Content decides what a file is, never its name.
"""

from __future__ import annotations

import ctypes
import io
import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from headstart.errors import UnreadableImageError
from headstart.images import bmp, limits, png, reading, sniff, tiff
from headstart.images.deep import Depth, depth

# What is read, in the order it is tried. A closed list, because Pillow knows formats that start other
# programs (EPS runs Ghostscript) or accept almost any bytes (TGA).
_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "AVIF", "HEIF", "JPEG2000", "PPM", "ICO")

_MODE_BYTES = {"RGB": 4, "1": 5, "L": 5, "CMYK": 8, "RGBA": 9, "P": 10}
_OTHER_MODE_BYTES = 22
"""Most bytes a pixel while a mode becomes RGB: Pillow's pixels, transparency laid on white, deep levels in floats."""
_CODEC_BYTES = {"AVIF": 8, "HEIF": 8, "WEBP": 12, "JPEG2000": 16}
"""Bytes a pixel that a format's library holds besides."""
_PROGRESSIVE_BYTES = 6
"""Bytes a pixel, as stored, that libjpeg holds of a progressive JPEG: a coefficient of two for each channel."""


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a picture says of itself: Pillow's names of format and mode; pixels as stored, EXIF not yet applied."""

    format: str
    width: int
    height: int
    mode: str
    deep: Depth = ""
    """Of which kind it is if it has more than 8 bits a channel."""


def read_header(source: Path | bytes | IO[bytes]) -> Header:
    """Recognise a picture by its content, without decoding it. An open file is read from its beginning.

    Raises:
        UnreadableImageError: the file cannot be opened, is no picture, or is larger than `headstart.images.limits` say.
        DiskError: the disk does not answer.
    """
    with stream_of(source) as stream:
        return header_of(identified(stream))


@contextmanager
def stream_of(source: Path | bytes | IO[bytes]) -> Iterator[IO[bytes]]:
    """What a picture is read from, once its first bytes are known to be those of a picture."""
    if isinstance(source, Path):
        with reading.opened(source) as stream:
            yield stream
    elif isinstance(source, bytes):
        if reason := sniff.refusal(source[: sniff.HEAD]):
            raise UnreadableImageError(reason)
        yield io.BytesIO(source)
    else:
        yield source


def identified(stream: IO[bytes]) -> Image.Image:
    """Recognise a picture without decoding it. Raises OSError where the disk does not answer."""
    _silence()
    stream.seek(0)
    head = stream.read(len(png.SIGNATURE))
    if (wanted := tiff.wanted_page(stream) if sniff.is_tiff(head) else (0, _NO_PAGE)) is None:
        raise UnreadableImageError(sniff.RAW)
    at, page = wanted
    if page.not_read:
        raise UnreadableImageError(page.not_read)
    if head == png.SIGNATURE:
        stream = png.without_long_text(stream)
    stream.seek(0)
    image: Image.Image | None
    try:
        image = _of_unusual_layout(stream, head, page) if page.is_misread else None
        if image is None:
            image = Image.open(stream, formats=readable_formats())
            if at:
                image.seek(at)
            _take_native_order(image)
    except Image.DecompressionBombError:
        limits.check_size(*_declared_size(stream))
        raise UnreadableImageError("too large: more pixels than Image.MAX_IMAGE_PIXELS of Pillow allows") from None
    except UnreadableImageError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno:  # of the disk; Pillow's own have none
            raise
        if (image := _of_unusual_layout(stream, head, page)) is None:
            reason = _unidentified(stream) if isinstance(error, UnidentifiedImageError) else damaged(error)
            raise UnreadableImageError(reason) from error
    limits.check_size(image.width, image.height)
    limits.check_memory(image.width, image.height, memory(image, header_of(image)))
    return image


ORIENTATION_TAG = 0x0112
"""Of EXIF and of TIFF: where the first row and column of a picture are."""
_NO_PAGE = tiff.Page("<", {})
"""Of a file that is no TIFF."""
_NATIVE = {"F;32BF": "F;32NF", "I;32B": "I;32N", "I;32BS": "I;32NS"}
"""Pillow's names of ways to unpack numbers whose high byte comes first, and numbers as they lie in memory."""


def _take_native_order(image: Image.Image) -> None:
    """Have Pillow unpack what libtiff decodes as it lies in memory, which it forgets of numbers of 32 bits."""
    tiles: Any = getattr(image, "tile", ())
    for i, tile in enumerate(tiles):
        if tile.codec_name == "libtiff" and tile.args[0] in _NATIVE:
            tiles[i] = tile._replace(args=(_NATIVE[tile.args[0]], *tile.args[1:]))


def _of_unusual_layout(stream: IO[bytes], head: bytes, page: tiff.Page) -> Image.Image | None:
    """A picture whose format Pillow reads, but not the way its channels lie; None for any other."""
    if not sniff.is_tiff(head) and not head.startswith(b"BM"):
        return None
    stream.seek(0)
    data = stream.read()
    pixels = bmp.masked(data)
    if pixels is not None:
        image = Image.fromarray(pixels)
    else:
        try:
            if (bands := tiff.bands(data, page)) is None:
                return None
            image = _of_bands(bands)
        except UnidentifiedImageError:
            return None
        except UnreadableImageError:
            raise
        except Exception as error:  # as in `_loaded`
            raise UnreadableImageError(damaged(error)) from error
    image.format = "BMP" if head.startswith(b"BM") else "TIFF"
    image.getexif()[ORIENTATION_TAG] = page.first(ORIENTATION_TAG, 1)  # where `decode` looks for it
    return image


def _of_bands(bands: tiff.Bands) -> Image.Image:
    """The colours, and transparency if there is any, of a picture of several bands; deep ones stand beside it."""
    files = [Image.open(io.BytesIO(file), formats=["TIFF"]) for file in bands.files]
    for file in files:
        _take_native_order(file)
    values = bands.joined([np.asarray(file) for file in files])
    size = values.shape[1::-1]
    if files[0].mode == "L":
        return Image.frombytes(bands.mode, size, values.tobytes())
    image = Image.new(bands.mode, size)
    image.bands, image.inverted = values, bands.inverted  # type: ignore[attr-defined]  # `deep` finds them there
    return image


def memory(image: Image.Image, stored: Header) -> int:
    """Most bytes that it takes to decode a picture at the size that it has now."""
    mode = "" if depth(image) else image.mode
    a_pixel = _MODE_BYTES.get(mode, _OTHER_MODE_BYTES) + _CODEC_BYTES.get(image.format or "", 0)
    coefficients = _PROGRESSIVE_BYTES * stored.width * stored.height if "progressive" in image.info else 0
    return image.width * image.height * a_pixel + coefficients


def header_of(image: Image.Image) -> Header:
    """What a picture says of itself at the size that it has now."""
    return Header(format=image.format or "", width=image.width, height=image.height, mode=image.mode, deep=depth(image))


def damaged(error: Exception) -> str:
    """What it means that a decoder raised an error."""
    said = f": {error}" if str(error) else ""
    return f"truncated or damaged{said}; fetch it again"


def _accepting(stream: IO[bytes]) -> Iterator[str]:
    """Names of the formats that begin like this file."""
    stream.seek(0)
    prefix = stream.read(16)
    for name in readable_formats():
        _, accept = Image.OPEN[name]
        if accept is not None and accept(prefix) is True:
            yield name


def _declared_size(stream: IO[bytes]) -> tuple[int, int]:
    """Width and height of a picture that Pillow refuses to open because of them."""
    for name in _accepting(stream):
        with suppress(Exception):  # formats that share their first bytes: only one of them reads on
            stream.seek(0)
            factory, _ = Image.OPEN[name]
            width, height = factory(stream, "").size
            return width, height
    return limits.MAX_PIXELS + 1, 1


def _unidentified(stream: IO[bytes]) -> str:
    stream.seek(0)
    if sniff.is_heif(stream.read(sniff.HEAD)) and "HEIF" not in readable_formats():
        return "a HEIC picture, which needs the package pillow-heif: pip install 'headstart[heif]'"
    for name in _accepting(stream):
        stream.seek(0)
        if name == "JPEG" and sniff.is_other_jpeg(stream.read()):
            return sniff.JPEG
        return f"truncated or damaged: begins like {name}, but its header cannot be read; fetch it again"
    return sniff.UNKNOWN


@cache
def readable_formats() -> tuple[str, ...]:
    """Load the plugins for ``_FORMATS`` once; HEIF only if pillow-heif is installed."""
    from PIL import (  # noqa: F401
        AvifImagePlugin,
        IcoImagePlugin,
        Jpeg2KImagePlugin,
        TiffImagePlugin,
        WebPImagePlugin,
    )

    Image.preinit()  # BMP, GIF, JPEG, PNG, PPM
    _silence_libraries()
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        pass
    else:  # what fails in here is no missing package, and is not passed over
        register_heif_opener()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


_NOWHERE = logging.NullHandler()


def _silence_libraries() -> None:
    """Say nothing of what Pillow logs, unless the program asked for it, nor of what libtiff writes to standard error.

    libtiff has one pair of handlers for the whole process, which Pillow leaves in place. They are found among the
    libraries that Pillow's module is linked to; where it is linked in, as on Windows, its lines stay.
    """
    logging.getLogger("PIL").addHandler(_NOWHERE)
    with suppress(OSError, AttributeError, ImportError):
        from PIL import _imaging

        library = ctypes.CDLL(_imaging.__file__)
        for handler in (library.TIFFSetErrorHandler, library.TIFFSetWarningHandler):
            handler.argtypes, handler.restype = [ctypes.c_void_p], ctypes.c_void_p
            handler(None)


_SILENCE = ("ignore", None, Warning, re.compile(r"(PIL|pillow_heif)\."), 0)


def _silence() -> None:
    """Ignore what Pillow's own modules warn of, from the first picture on: damage is reported by name instead.

    ``warnings.catch_warnings`` swaps a global at every entry and exit, which decoding threads would do to each other.
    So a single filter stays, and is put back in front if the program has since changed its filters.
    """
    if warnings.filters[:1] != [_SILENCE]:
        warnings.filterwarnings("ignore", module=_SILENCE[3].pattern)
