"""Values of 16 or 32 bits, or in floating point, become the 256 levels that networks are fed with.

No picture alone tells what is white: cameras of 10, 12 and 14 bits all write files of 16. So what the file says counts,
else the scale of the training pictures, which a model keeps; the picture alone only where there is neither.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from headstart.arrays import Mask, Pixels
from headstart.errors import OptionError

Kind = Literal["uint16", "integer", "float"]
"""Of numbers: 0 to 65535, whole ones of other types, in floating point."""
Scale = tuple[float, float]
"""The values that are black and white."""

FULL: Scale = (0.0, 65535.0)
"""All 16 bits."""
_DEPTHS = (1023.0, 4095.0, 16383.0, 65535.0)
"""White at 10, 12, 14 and 16 bits, which cameras and scanners are built with."""
_WHITES: dict[Kind, tuple[float, ...]] = {
    "uint16": _DEPTHS,
    "integer": (255.0, *_DEPTHS),
    "float": (1.0, 255.0, *_DEPTHS),
}
"""The usual whites of each kind of numbers."""
_SHARE = 0.25
"""Of the way to a usual white that a set must use more than for it to be the scale, as 12 bits, of which no more than a
quarter is used, are 10. Numbers other than those of 16 bits are measurements as often, which may have any range."""
_NO_MEASUREMENT = 1e19
"""Values this far from 0 are missing: netCDF fills with 9.97e36, climate models with 1e20, others with ±3.4e38."""
_MARKS = {sign * mark for mark in (999.0, 9999.0, 99999.0, 999999.0, 2.0**15, 2.0**31) for sign in (-1, 1)}
"""Values that stand for a missing one by custom, though no tag names them. They count as missing where they lie farther
from all other values than those from each other."""


@dataclass(frozen=True, kw_only=True)
class Levels:
    """The scales of a set of pictures of more than 8 bits a channel."""

    integers: Scale | None = None
    """Of whole numbers; None where the set has no such picture."""
    floats: Scale | None = None
    """Of numbers in floating point; None where the set has no such picture."""

    def __post_init__(self) -> None:
        for name, scale in asdict(self).items():
            if scale is not None and not (len(scale) == 2 and all(map(math.isfinite, scale)) and scale[0] <= scale[1]):
                expected, todo = f"{name}: two finite numbers, black and white, in this order", f"change {name}"
                raise OptionError.of("grey levels", expected=expected, found=repr(scale), todo=todo)

    def of(self, kind: Kind) -> Scale | None:
        """The scale of pictures of such numbers; that of others where the set has none of them."""
        mine, other = (self.floats, self.integers) if kind == "float" else (self.integers, self.floats)
        return mine or other

    def key(self) -> str:
        """A short text that names them, fit for a file name."""
        scales = {"i": self.integers, "f": self.floats}
        return "-".join(f"{kind}{scale[0]!r}to{scale[1]!r}" for kind, scale in scales.items() if scale)


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a file says of its values."""

    scale: Scale | None = None
    """None where it does not say."""
    missing: float | None = None
    """The value that stands for a missing one."""


NOTHING = Said()


@dataclass(frozen=True, kw_only=True)
class Extent:
    """Between which values the pixels of one picture lie."""

    kind: Kind
    darkest: float
    brightest: float
    scale: Scale | None
    """As the file says."""

    def packed(self) -> bytes:
        """As bytes to keep."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def unpacked(cls, data: bytes) -> Extent:
        """The inverse of `packed`."""
        fields = json.loads(data)
        return cls(**{**fields, "scale": fields["scale"] and tuple(fields["scale"])})


def levels_of(extents: Iterable[Extent]) -> Levels | None:
    """The levels that hold a whole set; None where there is no picture of more than 8 bits in it."""
    every = list(extents)
    integers = [extent for extent in every if extent.kind != "float"]
    floats = [extent for extent in every if extent.kind == "float"]
    return Levels(integers=_common(integers), floats=_common(floats)) if every else None


def _common(extents: list[Extent]) -> Scale | None:
    """One scale for pictures of one kind: as all of them say, else a usual one that holds what they say and hold."""
    if not extents:
        return None
    # those that fill 16 bits by their own word need nothing from the set
    if not (extents := [extent for extent in extents if extent.scale != FULL]):
        return FULL
    low, high = min(extent.darkest for extent in extents), max(extent.brightest for extent in extents)
    if said := [extent.scale for extent in extents if extent.scale]:
        black, white = min(scale[0] for scale in said), max(scale[1] for scale in said)
        if len(said) == len(extents) and black <= low and high <= white:
            return black, white
        low, high = min(low, black), max(high, white)
    kind: Kind = "uint16" if any(extent.kind == "uint16" for extent in extents) else extents[0].kind
    scale = _usual(low, high, kind)
    return scale if kind == "uint16" or high - low > _SHARE * (scale[1] - scale[0]) else (low, high)


def _usual(low: float, high: float, kind: Kind) -> Scale:
    """From 0 to the smallest usual white that holds these values; where there is none, their own range."""
    white = next((white for white in _WHITES[kind] if high <= white), None)
    return (low, high) if white is None or low < 0 else (0.0, white)


def scale_of(extent: Extent, levels: Levels | None) -> Scale:
    """The scale of one picture, within a set of these levels where there is one."""
    said, given = extent.scale, levels and levels.of(extent.kind)
    if said == FULL:
        return FULL
    holds = said is not None and said[0] <= extent.darkest and extent.brightest <= said[1]
    if said and holds and (given is None or (_is_depth(said) and given != FULL)):
        return said  # not where the set fills 16 bits: PNG's standard has values of fewer bits scaled up to them
    return given or _usual(extent.darkest, extent.brightest, extent.kind)


def _is_depth(scale: Scale) -> bool:
    """Whether white is the largest number of so many bits."""
    return scale[0] == 0 and math.log2(scale[1] + 1).is_integer()


def extent_of(values: NDArray[Any], said: Said = NOTHING) -> Extent | None:
    """Between which values the pixels lie; None where all are missing."""
    bounds = _bounds(values, _measured(values, said))
    return bounds and Extent(kind=_kind(values), darkest=bounds[0], brightest=bounds[1], scale=said.scale)


def eight_bits(values: NDArray[Any], *, said: Said = NOTHING, levels: Levels | None = None) -> Pixels:
    """Scale the values of a picture, (h, w) or in channels (h, w, c), to 0–255. What is missing becomes black.

    Args:
        values: the pixels, of any type of real numbers but uint8.
        said: by the file.
        levels: of the set that the picture belongs to or is held against; what lies outside is clipped.
    """
    measured = _measured(values, said)
    bounds = _bounds(values, measured)
    if bounds is None:
        return np.zeros(values.shape, np.uint8)
    kind = _kind(values)
    scale = scale_of(Extent(kind=kind, darkest=bounds[0], brightest=bounds[1], scale=said.scale), levels)
    if values.shape[2:] == (3,) and scale == FULL:
        return (values >> 8).astype(np.uint8)  # as Pillow reads colours of 16 bits
    scaled: Pixels
    if kind == "uint16":
        scaled = _scaled(np.arange(65536), scale)[values]
    else:
        scaled = _scaled(values if measured is None else np.where(measured, values, values.dtype.type(0)), scale)
    if measured is not None:
        scaled[~measured] = 0
    return scaled


def _kind(values: NDArray[Any]) -> Kind:
    if values.dtype.kind == "f":
        return "float"
    return "uint16" if values.dtype.newbyteorder("=") == np.uint16 else "integer"


def _scaled(values: NDArray[Any], scale: Scale) -> Pixels:
    black, white = scale
    levels = values.astype(np.float32)  # in place from here on: a picture may take up most of the memory
    levels -= black
    levels *= 255.0 / (white - black) if white > black else 0.0
    return np.clip(np.rint(levels, out=levels), 0, 255, out=levels).astype(np.uint8)


def _measured(values: NDArray[Any], said: Said) -> Mask | None:
    """Which pixels hold a measurement; None where all do.

    The others are no finite number, the value that the file names, or one that is customary.
    """
    measured = np.ones(values.shape, np.bool_)
    with np.errstate(over="ignore"):  # a number beyond those of the pixels
        if _kind(values) != "uint16":
            measured &= (values > -_NO_MEASUREMENT) & (values < _NO_MEASUREMENT)  # nan is neither
        if said.missing is not None:
            measured &= values != said.missing
    bounds = None if _kind(values) == "uint16" else _bounds(values, measured)
    for mark in _MARKS.intersection(bounds or ()):
        rest = measured & (values != mark)
        if (inner := _bounds(values, rest)) and max(inner[0] - mark, mark - inner[1]) > inner[1] - inner[0]:
            measured = rest
    return None if measured.all() else measured


def _bounds(values: NDArray[Any], measured: Mask | None) -> Scale | None:
    """The least and the greatest of the values that are measured; None where none is."""
    if measured is None:
        return float(values.min()), float(values.max())
    first = values.flat[measured.argmax()]
    if not measured.any():
        return None
    return float(values.min(where=measured, initial=first)), float(values.max(where=measured, initial=first))
