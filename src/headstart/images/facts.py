"""What can be measured of each picture in a single cheap pass: its file, its origin, its sharpness and its colours.

No network is needed. The facts show pictures that are of no use, and what could give a class away.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.arrays import Floats, Pixels
from headstart.images.decode import SMALL, Picture
from headstart.images.notes import Note

GREY = 4.0
"""Mean difference of the channels, in levels of 255, below which a picture counts as grey. A grey photograph saved
as JPEG measures 0, a tint that takes 4 % from one channel 6, sepia tones 55."""
BORDER = 0.03
"""Width of the border that is measured, as a share of the shorter side."""


# Brightness table of ITU-T T.81, Annex K.1, which the quality of the usual encoders multiplies.
_STEPS = (
    *(16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56),
    *(14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92),
    *(49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99),
)


@dataclass(frozen=True, kw_only=True)
class ImageFacts:
    """What was measured of one picture. What cannot be known is nan, or empty."""

    size: int
    """Of the file, in bytes."""
    width: int
    """In pixels, upright."""
    height: int
    format: str
    """Pillow's name of it."""
    quality: float
    """JPEG quality, 1 to 100, on the scale of the usual encoders."""
    camera: str
    """EXIF maker and model."""
    taken: float
    """EXIF date and time, in seconds since 1970 by the camera's clock."""
    number: float
    """The longest row of digits in the file's name: where it stands in the order of taking or collecting."""
    sharpness: float
    """Variance of the Laplacian over the variance of the grey levels, at a shorter side of 160 pixels; nan for
    smaller pictures and for those without contrast."""
    contrast: float
    """Standard deviation of the grey levels, 0 to 127.5."""
    colour: float
    """Mean difference between the strongest and the weakest channel, 0 (grey) to 255."""
    border: tuple[float, float, float]
    """Mean red, green, blue of the outermost 3 % of the picture, 0 to 255."""
    border_spread: float
    """Mean over the channels of the border's standard deviation; near 0 in a frame of one colour."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Facts:
    """What was measured of n pictures, in their order."""

    images: tuple[ImageFacts | None, ...]
    """None where a picture cannot be read any more."""

    def column(self, name: str) -> Floats:
        """(n,) or, of ``border``, (n, 3) numbers; nan where there is none."""
        missing = (np.nan,) * 3 if name == "border" else np.nan
        return np.array([missing if image is None else getattr(image, name) for image in self.images], dtype=np.float64)

    def words(self, name: str) -> list[str]:
        """``format`` or ``camera`` of each picture; empty where there is none."""
        return ["" if image is None else str(getattr(image, name)) for image in self.images]


def unpacked(paths: Sequence[Path], kept: Sequence[bytes | None]) -> Facts:
    """The facts of many files, of which the note `FACTS` was ``kept``; None where a file could not be read."""
    return Facts(
        images=tuple(
            None if data is None else _unpacked(json.loads(data.decode()), path)
            for path, data in zip(paths, kept, strict=True)
        )
    )


def _unpacked(facts: dict[str, Any], path: Path) -> ImageFacts:
    return ImageFacts(**{**facts, "border": tuple(facts["border"]), "number": number_in(path.name)})


def _measured(picture: Picture) -> bytes:
    """Everything but the number in the file's name, as JSON."""
    image, header, origin = picture.image, picture.header, picture.origin
    turned = (image.width > image.height) != (header.width > header.height)
    width, height = (header.height, header.width) if turned else (header.width, header.height)
    pixels = picture.small.pixels()
    red, green, blue = np.ascontiguousarray(pixels.transpose(2, 0, 1))
    grey = np.float32(0.299) * red + np.float32(0.587) * green + np.float32(0.114) * blue
    spread = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    contrast = float(grey.std())
    edge = _border(pixels)
    red_edge, green_edge, blue_edge = edge.mean(axis=1).tolist()
    facts = {
        "size": picture.bytes,
        "width": width,
        "height": height,
        "format": header.format,
        "quality": jpeg_quality(origin.quantisation),
        "camera": origin.camera,
        "taken": _seconds(origin.taken),
        "sharpness": _sharpness(grey) if min(grey.shape) >= SMALL and contrast > 1 else float("nan"),
        "contrast": contrast,
        "colour": float(spread.mean()),
        "border": (red_edge, green_edge, blue_edge),
        "border_spread": float(edge.std(axis=1).mean()),
    }
    return json.dumps(facts).encode()


FACTS = Note(name=f"facts4|{SMALL}|{BORDER}", of=_measured)
"""What `unpacked` makes facts of."""


def jpeg_quality(quantisation: Sequence[int]) -> float:
    """The quality setting, 1 to 100, at which the usual encoders quantise about as coarsely; nan without a table.

    Tables are compared by the sum of their steps. For libjpeg's own tables the answer is exact.
    """
    if not quantisation:
        return float("nan")
    sums = _sums_by_quality()
    return float(np.interp(sum(quantisation), sums[::-1], np.arange(100.0, 0.0, -1.0)))


@cache
def _sums_by_quality() -> Floats:
    """(100,) sums of libjpeg's brightness tables of quality 1 to 100, falling; its ``jpeg_quality_scaling``."""
    quality = np.arange(1, 101)
    percent = np.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    tables = np.clip((np.array(_STEPS)[None] * percent[:, None] + 50) // 100, 1, 255)
    return np.asarray(tables.sum(axis=1), dtype=np.float64)


def number_in(name: str) -> float:
    """The longest row of digits in a file's name, the first of them where several are as long; nan without."""
    rows = re.findall(r"[0-9]+", name.rsplit(".", 1)[0])
    return float(max(rows, key=len)[:15]) if rows else float("nan")


def _seconds(taken: str) -> float:
    try:
        return datetime.strptime(taken[:19], "%Y:%m:%d %H:%M:%S").replace(tzinfo=timezone.utc).timestamp()
    except ValueError:  # cameras whose clock was never set write 0000:00:00
        return float("nan")


def _sharpness(grey: NDArray[np.float32]) -> float:
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * grey[1:-1, 1:-1]
    return float(laplacian.var() / grey.var())


def _border(pixels: Pixels) -> Pixels:
    """The channels (3, m) of the outermost part of a picture (h, w, 3)."""
    wide = max(1, round(BORDER * min(pixels.shape[:2])))
    parts = (pixels[:wide], pixels[-wide:], pixels[wide:-wide, :wide], pixels[wide:-wide, -wide:])
    return np.ascontiguousarray(np.concatenate([part.reshape(-1, 3) for part in parts]).T)
