"""Grey levels of 16 or 32 bits, or in floating point, become the 256 levels that networks are fed with."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.arrays import Pixels


def eight_bits(values: NDArray[Any], mode: str) -> Pixels:
    """Scale grey levels ``(h, w)`` to 0–255.

    ``mode`` is Pillow's name for what the levels are. ``I;16`` has a white by definition, 65535. ``I`` and ``F`` have
    none: it is the smallest usual white (1 in floating point, 255, 65535) that no pixel exceeds. Where no usual white
    is as bright, or pixels are negative, the picture's own range is stretched. What is not a finite number counts as 0.
    """
    levels = np.nan_to_num(values.astype(np.float32), copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = 0.0, 65535.0
    if not mode.startswith("I;16"):
        darkest, brightest = float(levels.min()), float(levels.max())
        whites = [white for white in (1.0, 255.0, 65535.0) if brightest <= white and (white > 1 or mode == "F")]
        low, high = (0.0, whites[0]) if whites and darkest >= 0 else (darkest, brightest)
    scale = 255.0 / (high - low) if high > low else 0.0
    scaled: Pixels = np.rint((levels - low) * scale).astype(np.uint8)
    return scaled
