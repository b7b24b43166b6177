"""A picture becomes RGB pixels, and pixels a file. Colour profiles are ignored, in training and in serving alike."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image

from headstart.arrays import Pixels
from headstart.errors import UnreadableImageError
from headstart.images import limits, reading
from headstart.images.deep import Deep, deep, in_eight_bits
from headstart.images.grey_levels import Extent, Levels
from headstart.images.origin import EXIF_BLOCK, Origin
from headstart.images.recognise import (
    ORIENTATION_TAG,
    Header,
    damaged,
    header_of,
    identified,
    memory,
    readable_formats,
    stream_of,
)

DECODER = f"pillow{PIL.__version__}-3"
"""Who turns bytes into pixels: part of the key of everything computed from pixels. The last number is raised with every
change to the pixels of any file."""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom of a window, in pixels; fractions count."""

_REDUCED = ("JPEG", "MPO")
"""Formats that Pillow decodes at a fraction of their size where less is asked for."""
MARGIN = 4
"""How many times the pixels asked for a picture keeps along each side that is decoded at a fraction of its size. The
decoder averages otherwise than resizing does; what it leaves is averaged again, so that full pixels give nearly the
same: of enlarged photographs probabilities differ by 0.006 at most, with a margin of 2 by 0.02, and of 1 by 0.14."""
SMALL = 160
"""Shorter side in pixels at which most is measured that is measured of a picture."""
SQUARE = 64
"""Side in pixels of a picture of which only the coarse distribution of brightness and colours is looked at."""
_COARSE = 256
"""Least shorter side in pixels to which a large picture is averaged before it is made smaller still."""
_STRIP_PIXELS = 1 << 22
"""Pixels that are copied out of Pillow's memory at a time."""

PillowImage = Image.Image
Content = Path | bytes | PillowImage | NDArray[Any]
"""What is decoded: a file, its bytes, an image that the caller opened with Pillow, or pixels ``(h, w, 3)`` RGB,
``(h, w, 4)`` with alpha, ``(h, w)`` grey: uint8 or uint16, and grey ones any number."""

INTERPOLATIONS = {name: Image.Resampling[name.upper()] for name in ("bilinear", "bicubic", "lanczos")}

# By `ORIENTATION_TAG`: what must be done to the stored picture to see it upright.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class DecodedImage:
    """A decoded picture, upright RGB, still in Pillow's memory: cutting pieces from it copies only the pieces."""

    def __init__(self, image: Image.Image) -> None:
        self._image = image
        self.width, self.height = image.size

    @classmethod
    @contextmanager
    def read(
        cls, source: Content, *, at_least: int | None = None, levels: Levels | None = None
    ) -> Iterator[DecodedImage]:
        """Decode the first frame, on white where it is transparent. Safe to call from many threads.

        The picture is to be given up when the block is left: it counts against the memory that all may take. An image
        of the caller's keeps its size: it is decoded in full.

        With ``at_least``, a JPEG may come out 2, 4 or 8 times smaller, which is several times faster; its shorter
        side keeps at least `MARGIN` times that many pixels (or all it has).

        ``levels`` are those of the set that the picture belongs to, or is held against: see
        `headstart.images.grey_levels`.

        Raises:
            UnreadableImageError: with the reason in plain words.
            DiskError: the disk does not answer.
        """
        if isinstance(source, np.ndarray):
            yield cls(_rgb(Image.fromarray(in_eight_bits(source, levels))))
        elif isinstance(source, PillowImage):
            with _CALLERS:
                loaded = _loaded(source, levels)
            yield cls(loaded)
        else:
            with cls.read_all(source, at_least=at_least, levels=levels) as picture:
                yield picture.image

    @classmethod
    @contextmanager
    def read_all(
        cls, source: Path | bytes, *, at_least: int | None = None, levels: Levels | None = None
    ) -> Iterator[Picture]:
        """As ``read``, and what the file tells besides, opened once."""
        with ExitStack() as held:
            data = held.enter_context(reading.contents(source)) if isinstance(source, Path) else source
            image = identified(held.enter_context(stream_of(data)))
            header = header_of(image)
            if at_least is not None:
                image.draft("RGB", (MARGIN * at_least, MARGIN * at_least))
            held.enter_context(limits.PIXELS.share(memory(image, header)))
            held.callback(image.close)  # the memory is free before the share is given back
            loaded = _loaded(image, levels)
            held.callback(loaded.close)
            yield Picture(image=cls(loaded), header=header, origin=_origin(image), bytes=len(data))

    def pixels(self) -> Pixels:
        """The whole picture, ``(h, w, 3)``; a large one in strips, for each of which Pillow makes two copies."""
        rows = max(1, _STRIP_PIXELS // self.width)
        if rows >= self.height:
            return np.array(self._image)
        out = np.empty((self.height, self.width, 3), np.uint8)
        for top in range(0, self.height, rows):
            strip = self._image.crop((0, top, self.width, min(top + rows, self.height)))
            out[top : top + rows] = np.asarray(strip)
        return out

    def resized(self, size: tuple[int, int]) -> DecodedImage:
        """All of it at another ``size`` (width, height), bilinearly, with the filter widened as in ``resample``."""
        return DecodedImage(self._image.resize(size, INTERPOLATIONS["bilinear"]))

    def averaged(self, times: int) -> DecodedImage:
        """Smaller by a whole number of ``times``: the mean of each block of pixels, at the ends of what is left."""
        return DecodedImage(self._image.reduce(times)) if times > 1 else self

    def resampled(self, size: tuple[int, int], box: Box | None, interpolation: str) -> Pixels:
        """The window ``box`` resized to ``size``, as in ``resample``."""
        return np.array(self._image.resize(size, INTERPOLATIONS[interpolation], box))


@dataclass(frozen=True, kw_only=True, eq=False)
class Picture:
    """A decoded file, and what it tells besides its pixels."""

    image: DecodedImage
    header: Header
    """As stored."""
    origin: Origin
    bytes: int
    """Of the file."""

    def is_as_of(self, at_least: int) -> bool:
        """Whether the pixels are those that decoding with this ``at_least`` gives."""
        stored = self.header.width, self.header.height
        largest = min(stored) // (MARGIN * at_least) if self.header.format in _REDUCED else 1
        times = next((times for times in (8, 4, 2) if times <= largest), 1)
        return max(self.image.width, self.image.height) == -(-max(stored) // times)

    @cached_property
    def _coarse(self) -> DecodedImage:
        """All of it, at a shorter side of `_COARSE` to twice as many pixels where it is large. Of 1600 × 1200 pixels
        the two pictures below take a fifth of the time when made from it."""
        return self.image.averaged(min(self.image.width, self.image.height) // _COARSE)

    @cached_property
    def small(self) -> DecodedImage:
        """All of it at a shorter side of `SMALL` pixels, or as it is where it has fewer."""
        width, height = self.image.width, self.image.height
        scale = SMALL / min(width, height)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        return self._coarse.resized(size) if scale < 1 else self.image

    @cached_property
    def square(self) -> Pixels:
        """All of the picture, squashed to (`SQUARE`, `SQUARE`, 3): not by way of `small`, which would cost detail that
        tells cropped copies among pictures that are all alike."""
        return self._coarse.resampled((SQUARE, SQUARE), None, "bilinear")


def decode(source: Content, *, at_least: int | None = None, levels: Levels | None = None) -> Pixels:
    """Decode a picture as ``DecodedImage.read`` does: ``(h, w, 3)`` RGB."""
    with DecodedImage.read(source, at_least=at_least, levels=levels) as image:
        return image.pixels()


def read_extent(path: Path) -> Extent | None:
    """Between which values the pixels of a file of more than 8 bits a channel lie; None for any other.

    Raises:
        UnreadableImageError: with the reason in plain words.
        DiskError: the disk does not answer.
    """
    with reading.contents(path) as data, stream_of(data) as stream:
        image = identified(stream)
        if (found := deep(image, identified)) is None:
            return None
        with limits.PIXELS.share(memory(image, header_of(image))):
            try:
                return found.extent(image)
            except Exception as error:  # as in `_loaded`
                raise UnreadableImageError(damaged(error)) from error


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
    readable_formats()
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, format=format, quality=quality)
    return stream.getvalue()


_CALLERS = Lock()
"""Held while an image of the caller's is decoded: Pillow's images may be decoded by one thread at a time."""


def _loaded(image: Image.Image, levels: Levels | None) -> Image.Image:
    try:
        found = deep(image, identified)
        image.load()
        return _upright(_rgb(image, found, levels), image)
    except MemoryError:
        raise UnreadableImageError(f"no memory left for {image.width}×{image.height} pixels: make it smaller") from None
    except Exception as error:
        # Pillow's decoders raise nearly every kind of exception on damaged data, down to IndexError.
        raise UnreadableImageError(damaged(error)) from error


def _origin(image: Image.Image) -> Origin:
    """Of a loaded picture: a PNG may hold its EXIF block behind the pixels."""
    tables = getattr(image, "quantization", None) or {}
    quantisation = next(iter(tables.values()), ())
    try:
        exif = image.getexif()
        return Origin.read(quantisation, exif, exif.get_ifd(EXIF_BLOCK))
    except Exception:  # a damaged EXIF block tells nothing, and any kind of exception may say so
        return Origin.read(quantisation, {}, {})


def _rgb(image: Image.Image, found: Deep | None = None, levels: Levels | None = None) -> Image.Image:
    """Bring any of Pillow's modes to RGB, eight bits a channel; ``found`` of an image of more."""
    if found:
        pixels, hidden = found.pixels(image, levels), found.hidden(image)
        if hidden is not None:
            shown = np.asarray(image) if pixels is None else pixels
            pixels = np.where(hidden if shown.ndim == 2 else hidden[..., None], np.uint8(255), shown)
        if pixels is not None:
            mode = "L" if pixels.ndim == 2 else image.mode
            image = Image.frombytes(mode, image.size, pixels.tobytes())
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode == "La":  # of which Pillow makes nothing else
        image = image.convert("LA")
    if image.has_transparency_data:
        image = image if image.mode == "RGBA" else image.convert("RGBA")
        canvas = Image.new("RGB", image.size, "white")
        canvas.paste(image, mask=image.getchannel("A"))
        return canvas
    return image.convert("RGB")


def _upright(pixels: Image.Image, image: Image.Image) -> Image.Image:
    try:
        turn = _UPRIGHT.get(image.getexif().get(ORIENTATION_TAG, 1))
    except Exception:  # a damaged EXIF block says nothing about orientation, and any kind of exception may say so
        turn = None
    return pixels if turn is None else pixels.transpose(turn)
