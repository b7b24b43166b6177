"""A picture file becomes RGB pixels. The only module that knows Pillow.

Content decides what a file is, never its name. Colour profiles are ignored, in training and in serving alike.
"""

from __future__ import annotations

import io
import re
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Lock
from typing import IO, Any

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from headstart.arrays import Pixels
from headstart.errors import UnreadableImageError
from headstart.images.deep import Deep, Depth, deep, depth, in_eight_bits
from headstart.images.grey_levels import Extent, Levels
from headstart.images.origin import EXIF_BLOCK, Origin

MAX_PIXELS = 178_956_970
"""Largest picture that is decoded, in pixels, as in Pillow: beyond it a small file may be a bomb."""

DECODER = f"pillow{PIL.__version__}"
"""Who turns bytes into pixels: part of the key of everything computed from pixels."""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom of a window, in pixels; fractions count."""

PillowImage = Image.Image
Content = Path | bytes | PillowImage | NDArray[Any]
"""What is decoded: a file, its bytes, an image that the caller opened with Pillow, or pixels ``(h, w, 3)`` RGB,
``(h, w, 4)`` with alpha, ``(h, w)`` grey: uint8 or uint16, and grey ones any number."""

INTERPOLATIONS = {name: Image.Resampling[name.upper()] for name in ("bilinear", "bicubic", "lanczos")}

# What is read, in the order it is tried. A closed list, because Pillow knows formats that start other
# programs (EPS runs Ghostscript) or accept almost any bytes (TGA).
_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "AVIF", "HEIF", "JPEG2000", "PPM")

# EXIF tag 0x0112: what must be done to the stored picture to see it upright.
_ORIENTATION_TAG = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a picture says of itself: Pillow's names of format and mode; pixels as stored, EXIF not yet applied."""

    format: str
    width: int
    height: int
    mode: str
    deep: Depth = ""
    """Of which kind it is if it has more than 8 bits a channel."""


def read_header(source: Path | bytes) -> Header:
    """Recognise a picture by its content, without decoding it.

    Raises:
        UnreadableImageError: the file cannot be opened, is no picture, or is larger than ``MAX_PIXELS``.
    """
    with _opened(source) as image:
        return _header(image)


class DecodedImage:
    """A decoded picture, upright RGB, still in Pillow's memory: cutting pieces from it copies only the pieces."""

    def __init__(self, image: Image.Image) -> None:
        self._image = image
        self.width, self.height = image.size

    @classmethod
    def read(cls, source: Content, *, at_least: int | None = None, levels: Levels | None = None) -> DecodedImage:
        """Decode the first frame, on white where it is transparent. Safe to call from many threads.

        An image of the caller's keeps its size: it is decoded in full.

        With ``at_least``, a JPEG may come out 2, 4 or 8 times smaller, which is several times faster; its shorter
        side keeps at least that many pixels (or all it has).

        ``levels`` are those of the set that the picture belongs to, or is held against: see
        `headstart.images.grey_levels`.

        Raises:
            UnreadableImageError: with the reason in plain words.
        """
        if isinstance(source, np.ndarray):
            return cls(_rgb(Image.fromarray(in_eight_bits(source, levels))))
        if isinstance(source, PillowImage):
            with _CALLERS:
                return cls(_loaded(source, None, levels))
        with _opened(source) as image:
            return cls(_loaded(image, at_least, levels))

    @classmethod
    def read_all(
        cls, source: Path | bytes, *, at_least: int | None = None, levels: Levels | None = None
    ) -> tuple[DecodedImage, Header, Origin]:
        """As ``read``, and what the file tells besides, opened once."""
        with _opened(source) as image:
            header = _header(image)
            return cls(_loaded(image, at_least, levels)), header, _origin(image)

    def pixels(self) -> Pixels:
        """The whole picture, ``(h, w, 3)``."""
        return np.array(self._image)

    def resampled(self, size: tuple[int, int], box: Box | None, interpolation: str) -> Pixels:
        """The window ``box`` resized to ``size``, as in ``resample``."""
        return np.array(self._image.resize(size, INTERPOLATIONS[interpolation], box))


def decode(source: Content, *, at_least: int | None = None, levels: Levels | None = None) -> Pixels:
    """Decode a picture as ``DecodedImage.read`` does: ``(h, w, 3)`` RGB."""
    return DecodedImage.read(source, at_least=at_least, levels=levels).pixels()


def read_extent(path: Path) -> Extent | None:
    """Between which values the pixels of a file of more than 8 bits a channel lie; None for any other.

    Raises:
        UnreadableImageError: with the reason in plain words.
    """
    with _opened(path) as image:
        found = deep(image, _identified)
        try:
            return found.extent(image) if found else None
        except Exception as error:
            raise UnreadableImageError(_damaged(error)) from error


def resample(image: Pixels, *, size: tuple[int, int], box: Box | None = None, interpolation: str = "bicubic") -> Pixels:
    """Resize the window ``box`` of a picture to ``size`` (width, height).

    The filter widens with the reduction, so small pictures of large ones show no aliasing.

    Args:
        image: ``(h, w, 3)``.
        size: of the result, in pixels.
        box: within the picture; None means all of it.
        interpolation: ``bilinear``, ``bicubic`` or ``lanczos``.
    """
    return DecodedImage(Image.fromarray(image)).resampled(size, box, interpolation)


def moved(image: Pixels, size: tuple[int, int], place: tuple[float, ...]) -> Pixels:
    """What ``(h, w, 3)`` RGB pixels show after an affine map, between pixels bilinearly; fractions are dropped.

    ``place`` is (a, b, c, d, e, f): position (x, y) of the result, of ``size`` (width, height), comes from
    (ax + by + c, dx + ey + f). What comes from outside is black.
    """
    result = Image.fromarray(image).transform(size, Image.Transform.AFFINE, place, Image.Resampling.BILINEAR)
    return np.asarray(result)


def encode(image: NDArray[Any], *, format: str = "JPEG", quality: int = 90) -> bytes:
    """Write ``(h, w, 3)`` RGB pixels as ``JPEG``, ``PNG`` or ``WEBP``; ``quality``, 1–100, means nothing to PNG.

    PNG also takes grey levels ``(h, w)``, uint8 or uint16.
    """
    _readable_formats()
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, format=format, quality=quality)
    return stream.getvalue()


_CALLERS = Lock()
"""Held while an image of the caller's is decoded: Pillow's images may be decoded by one thread at a time."""


@contextmanager
def _opened(source: Path | bytes) -> Iterator[Image.Image]:
    """Open and recognise a picture, without decoding it."""
    _silence()
    with _stream(source) as stream:
        yield _identified(stream)


def _stream(source: Path | bytes) -> IO[bytes]:
    if isinstance(source, bytes):
        if not source:
            raise UnreadableImageError("empty file")
        return io.BytesIO(source)
    try:
        status = source.stat()
        refusals = {
            "is a directory": stat.S_ISDIR(status.st_mode),
            "not a regular file": not stat.S_ISREG(status.st_mode),  # opening a pipe would wait for ever
            "empty file": status.st_size == 0,
        }
        for reason, holds in refusals.items():
            if holds:
                raise UnreadableImageError(reason)
        return source.open("rb")
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        known: dict[type[Exception], str] = {FileNotFoundError: "not found", PermissionError: "permission denied"}
        unknown = f"cannot be opened: {getattr(error, 'strerror', None) or error}"
        raise UnreadableImageError(known.get(type(error), unknown)) from error


def _identified(stream: IO[bytes]) -> Image.Image:
    try:
        image = Image.open(stream, formats=_readable_formats())
    except Image.DecompressionBombError:
        raise UnreadableImageError(_too_large(_declared_size(stream))) from None
    except UnidentifiedImageError:
        raise UnreadableImageError(_unidentified(stream)) from None
    except Exception as error:
        raise UnreadableImageError(_damaged(error)) from error
    if image.width * image.height > MAX_PIXELS:
        raise UnreadableImageError(_too_large(f"{image.width}×{image.height}"))
    return image


def _loaded(image: Image.Image, at_least: int | None, levels: Levels | None) -> Image.Image:
    try:
        if at_least is not None:
            image.draft("RGB", (at_least, at_least))
        found = deep(image, _identified)
        image.load()
        return _upright(_rgb(image, found, levels), image)
    except Exception as error:
        # Pillow's decoders raise nearly every kind of exception on damaged data, down to IndexError.
        raise UnreadableImageError(_damaged(error)) from error


def _header(image: Image.Image) -> Header:
    return Header(format=image.format or "", width=image.width, height=image.height, mode=image.mode, deep=depth(image))


def _origin(image: Image.Image) -> Origin:
    """Of a loaded picture: a PNG may hold its EXIF block behind the pixels."""
    tables = getattr(image, "quantization", None) or {}
    quantisation = next(iter(tables.values()), ())
    try:
        exif = image.getexif()
        return Origin.read(quantisation, exif, exif.get_ifd(EXIF_BLOCK))
    except Exception:  # a damaged EXIF block tells nothing, and any kind of exception may say so
        return Origin.read(quantisation, {}, {})


def _too_large(size: str) -> str:
    return f"too large: {size} pixels; at most {MAX_PIXELS}"


def _damaged(error: Exception) -> str:
    return f"truncated or damaged: {error or type(error).__name__}"


def _accepting(stream: IO[bytes]) -> Iterator[str]:
    """Names of the formats that begin like this file."""
    stream.seek(0)
    prefix = stream.read(16)
    for name in _readable_formats():
        _, accept = Image.OPEN[name]
        if accept is not None and accept(prefix) is True:
            yield name


def _declared_size(stream: IO[bytes]) -> str:
    """Width × height of a picture that Pillow refuses to open because of them."""
    for name in _accepting(stream):
        with suppress(Exception):  # formats that share their first bytes: only one of them reads on
            stream.seek(0)
            factory, _ = Image.OPEN[name]
            return "{}×{}".format(*factory(stream, "").size)
    return f"over {MAX_PIXELS}"


def _unidentified(stream: IO[bytes]) -> str:
    stream.seek(4)
    is_heic = stream.read(8) in (b"ftypheic", b"ftypheix", b"ftyphevc", b"ftypmif1")
    if is_heic and "HEIF" not in _readable_formats():
        return "a HEIC picture, which needs the package pillow-heif: pip install 'headstart[heif]'"
    for name in _accepting(stream):
        return f"truncated or damaged: begins like {name}, but its header cannot be read"
    return "not a picture"


def _rgb(image: Image.Image, found: Deep | None = None, levels: Levels | None = None) -> Image.Image:
    """Bring any of Pillow's modes to RGB, eight bits a channel; ``found`` of an image of more."""
    if found and (pixels := found.pixels(image, levels)) is not None:
        image = Image.fromarray(pixels)
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.has_transparency_data:
        image = image.convert("RGBA")
        canvas = Image.new("RGB", image.size, "white")
        canvas.paste(image, mask=image.getchannel("A"))
        return canvas
    return image.convert("RGB")


def _upright(pixels: Image.Image, image: Image.Image) -> Image.Image:
    try:
        turn = _UPRIGHT.get(image.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:  # a damaged EXIF block says nothing about orientation, and any kind of exception may say so
        turn = None
    return pixels if turn is None else pixels.transpose(turn)


@cache
def _readable_formats() -> tuple[str, ...]:
    """Load the plugins for ``_FORMATS`` once; HEIF only if pillow-heif is installed."""
    from PIL import AvifImagePlugin, Jpeg2KImagePlugin, TiffImagePlugin, WebPImagePlugin  # noqa: F401

    Image.preinit()  # BMP, GIF, JPEG, PNG, PPM
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        pass
    else:  # what fails in here is no missing package, and is not passed over
        register_heif_opener()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


_SILENCE = ("ignore", None, Warning, re.compile(r"(PIL|pillow_heif)\."), 0)


def _silence() -> None:
    """Ignore what Pillow's own modules warn of, from the first picture on: damage is reported by name instead.

    ``warnings.catch_warnings`` swaps a global at every entry and exit, which decoding threads would do to each other.
    So a single filter stays, and is put back in front if the program has since changed its filters.
    """
    if warnings.filters[:1] != [_SILENCE]:
        warnings.filterwarnings("ignore", module=_SILENCE[3].pattern)
