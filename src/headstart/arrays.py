"""Names for the arrays that pass between rooms; their shape is said where they are used."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
"""Probabilities, losses and other measurements."""
Reals = NDArray[np.floating]
"""The same in either precision."""
Rows = NDArray[np.float32]
"""Feature rows (n, d)."""
Pixels = NDArray[np.uint8]
"""Images (…, height, width, 3), RGB, 0 to 255."""
Singles = NDArray[np.float32]
"""Pixels and other values in single precision."""
Index = NDArray[np.int64]
"""Positions of pictures, or numbers of groups."""
Labels = NDArray[np.int64]
"""Class indices, 0 to k − 1."""
Mask = NDArray[np.bool_]
"""Yes or no for each picture."""
