"""Pictures of any size become what the network is given, inside an ONNX graph, as Pillow does it in training.

Pillow resizes by two passes, along the rows and along the columns, each with a filter that widens with the reduction,
and rounds to whole grey levels after each. A pass is a product with a matrix, which is built here from the
height and width of the picture that comes in: row i of it holds the filter's weights for pixel i of the result. ONNX's
own ``Resize`` is no alternative: with its antialiasing, runtimes give different pixels, or refuse it.

Sources: Pillow, ``src/libImaging/Resample.c`` (``precompute_coeffs``, ``normalize_coeffs_8bpc``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from headstart.deploy.onnx_nodes import Nodes
from headstart.images.decode import resample
from headstart.images.transforms import Geometry

SUPPORT = {"bilinear": 1.0, "bicubic": 2.0, "lanczos": 3.0}
"""Half the width of each filter, in pixels of the result where that is smaller, else of the picture."""
WEIGHT_STEPS = float(1 << 22)
"""Pillow rounds the weights of a filter to whole fractions of this (``PRECISION_BITS``)."""
WHITE = 255.0


@dataclass(frozen=True, kw_only=True)
class _Window:
    """What is shown of one side of the picture, as names of values: the window, and the pixels that it is made of."""

    begin: str
    """Where the window begins, in pixels, float64."""
    scale: str
    """Pixels of the picture for one of the result, float64."""
    width: str
    """Of the filter over that of its own, 1 or more, float64."""
    first: str
    """First pixel that has a weight, int64."""
    end: str
    """That after the last, int64."""


def resized(nodes: Nodes, image: str, geometry: Geometry) -> str:
    """The centre view of ``image``, uint8 (n, h, w, 3), as whole grey levels: float32 (n, size, size, 3).

    It is what `headstart.images.transforms.load` gives of the same pixels, but for single grey levels where a sum lies
    at the border of two.
    """
    shape = nodes.add("Shape", image)
    sides = {side: nodes.cast(nodes.part(shape, axis), np.float64) for side, axis in (("height", 1), ("width", 2))}
    shorter = nodes.add("Min", sides["height"], sides["width"])
    down, across = (_window(nodes, sides[side], shorter, geometry) for side in ("height", "width"))
    # only what has a weight: of a photograph that is cut to a square a good part has none
    begin, end = nodes.stacked([down.first, across.first]), nodes.stacked([down.end, across.end])
    shown = nodes.add("Slice", image, begin, end, nodes.integers(1, 2))
    planes = nodes.cast(nodes.add("Transpose", shown, perm=[0, 3, 1, 2]), np.float32)
    columns, rows = _filter(nodes, down, geometry), _filter(nodes, across, geometry, turned=True)
    if not pillow_chooses_the_order():
        return nodes.add("Transpose", _passes(nodes, columns, planes, rows), perm=[0, 2, 3, 1])
    # both orders are computed, the one that is not taken for a single pixel: a branch (``If``) would cost some runtimes
    tall = _is_tall(nodes, sides["height"], sides["width"], geometry.size)
    one, all_ = nodes.integers(1), nodes.integers(np.iinfo(np.int64).max)
    orders = []
    for columns_first, taken in ((True, tall), (False, nodes.add("Not", tall))):
        most = nodes.add("Where", taken, all_, one)
        parts = (_first(nodes, columns, most, 1), _first(nodes, planes, most, 2, 3), _first(nodes, rows, most, 0))
        orders.append(_passes(nodes, *parts, columns_first=columns_first))
    return nodes.add("Transpose", nodes.add("Where", tall, *orders), perm=[0, 2, 3, 1])


def _passes(nodes: Nodes, columns: str, planes: str, rows: str, *, columns_first: bool = False) -> str:
    """``columns @ planes @ rows``, (n, 3, size, size), rounded after each product."""
    if columns_first:
        return _product(nodes, _product(nodes, columns, planes), rows)
    return _product(nodes, columns, _product(nodes, planes, rows))


def _product(nodes: Nodes, a: str, b: str) -> str:
    """A matrix product, rounded to whole grey levels, halves up, within 0 to 255."""
    low, half, high = (nodes.constant(value, np.float32) for value in (0.0, 0.5, WHITE))
    return nodes.add("Clip", nodes.add("Floor", nodes.add("Add", nodes.add("MatMul", a, b), half)), low, high)


def _first(nodes: Nodes, value: str, most: str, *axes: int) -> str:
    """At most so many entries along each of the axes, from the beginning."""
    ends = nodes.add("Concat", *[most] * len(axes), axis=0)
    return nodes.add("Slice", value, nodes.integers(*[0] * len(axes)), ends, nodes.integers(*axes))


@cache
def pillow_chooses_the_order() -> bool:
    """Whether the Pillow that is installed begins with the columns of a picture that `_is_tall`; before 13 none does.

    It is seen in a picture of black and white, where the order decides what is cut off at black and white.
    """
    size, (height, width) = 8, (40, 12)
    noise = np.random.default_rng(0).integers(0, 2, (height, width, 1)).repeat(3, axis=2).astype(np.uint8) * int(WHITE)
    both, columns_first = (
        resample(picture, size=(size, size)) for picture in (noise, resample(noise, size=(width, size)))
    )
    return bool((both == columns_first).all())


def _is_tall(nodes: Nodes, height: str, width: str, size: int) -> str:
    """Whether Pillow begins with the columns: where they shrink, by more than twice what the rows do, in pixels.

    Measured with Pillow 13.0.0 on 1,200 pairs of height and width, as no document says it.
    """
    side, two = nodes.number(size), nodes.number(2.0)
    fewer_rows, fewer_columns = nodes.add("Sub", height, side), nodes.add("Sub", width, side)
    more = nodes.add("Less", nodes.add("Mul", fewer_columns, two), fewer_rows)
    return nodes.add("And", more, nodes.add("Less", side, height))


def _window(nodes: Nodes, side: str, shorter: str, geometry: Geometry) -> _Window:
    """The window of `headstart.images.transforms.window` along a ``side``, float64, and its filter's reach."""
    if geometry.mode == "squash":
        shown = side
    else:
        share = nodes.add("Mul", shorter, nodes.number(geometry.size))
        shown = nodes.add("Div", share, nodes.number(geometry.resized))
    begin = nodes.add("Mul", nodes.number(0.5), nodes.add("Sub", side, shown))
    end = nodes.add("Min", nodes.add("Add", begin, shown), side)
    low, high = (nodes.cast(edge, np.float32) for edge in (begin, end))  # as Pillow takes them
    length = nodes.cast(nodes.add("Sub", high, low), np.float64)
    scale = nodes.add("Div", length, nodes.number(geometry.size))
    width = nodes.add("Max", scale, nodes.number(1.0))
    reach = nodes.add("Mul", width, nodes.number(SUPPORT[geometry.interpolation]))
    begin = nodes.cast(low, np.float64)
    first = nodes.add("Max", nodes.add("Floor", nodes.add("Sub", begin, reach)), nodes.number(0.0))
    last = nodes.add("Ceil", nodes.add("Add", nodes.add("Add", begin, length), reach))
    return _Window(
        begin=begin,
        scale=scale,
        width=width,
        first=nodes.cast(first, np.int64),
        end=nodes.cast(nodes.add("Min", last, side), np.int64),
    )


def _filter(nodes: Nodes, window: _Window, geometry: Geometry, *, turned: bool = False) -> str:
    """The weights of a pass, float32 (size, pixels), or (pixels, size) where it is ``turned``."""
    one = nodes.constant(1, np.int64)
    pixels = nodes.cast(nodes.add("Range", window.first, window.end, one), np.float64)
    results = nodes.constant(np.arange(geometry.size) + 0.5, np.float64)
    centres = nodes.add("Add", window.begin, nodes.add("Mul", results, window.scale))
    axis = nodes.integers(0 if turned else 1)
    centres = nodes.add("Unsqueeze", centres, axis)
    places = nodes.add("Unsqueeze", nodes.add("Add", pixels, nodes.number(0.5)), nodes.integers(1 if turned else 0))
    distance = nodes.add("Abs", nodes.add("Div", nodes.add("Sub", places, centres), window.width))
    weights = _KERNELS[geometry.interpolation](nodes, distance)
    total = nodes.add("ReduceSum", weights, axis, keepdims=1)
    steps = nodes.add("Mul", nodes.add("Div", weights, total), nodes.number(WEIGHT_STEPS))
    return nodes.cast(nodes.add("Div", nodes.add("Round", steps), nodes.number(WEIGHT_STEPS)), np.float32)


def _bilinear(nodes: Nodes, x: str) -> str:
    """``max(0, 1 − x)`` of distances x."""
    return nodes.add("Max", nodes.add("Sub", nodes.number(1.0), x), nodes.number(0.0))


def _bicubic(nodes: Nodes, x: str) -> str:
    """Keys' cubic with a = −½ of distances x (Keys, "Cubic convolution interpolation", 1981, eq. 15)."""
    inner = _polynomial(nodes, x, (1.5, -2.5, 0.0, 1.0))
    outer = _polynomial(nodes, x, (-0.5, 2.5, -4.0, 2.0))
    beyond = nodes.add("Where", nodes.add("Less", x, nodes.number(2.0)), outer, nodes.number(0.0))
    return nodes.add("Where", nodes.add("Less", x, nodes.number(1.0)), inner, beyond)


def _lanczos(nodes: Nodes, x: str) -> str:
    """``sinc(x) · sinc(x / 3)`` of distances x below 3."""
    both = nodes.add("Mul", _sinc(nodes, x), _sinc(nodes, nodes.add("Div", x, nodes.number(3.0))))
    return nodes.add("Where", nodes.add("Less", x, nodes.number(3.0)), both, nodes.number(0.0))


def _sinc(nodes: Nodes, x: str) -> str:
    angle = nodes.add("Mul", nodes.add("Max", x, nodes.number(1e-12)), nodes.number(math.pi))
    return nodes.add("Div", nodes.add("Sin", angle), angle)


def _polynomial(nodes: Nodes, x: str, factors: tuple[float, ...]) -> str:
    """A polynomial in x, the factor of the highest power first, by Horner's rule."""
    value = nodes.number(factors[0])
    for factor in factors[1:]:
        value = nodes.add("Add", nodes.add("Mul", value, x), nodes.number(factor))
    return value


_KERNELS = {"bilinear": _bilinear, "bicubic": _bicubic, "lanczos": _lanczos}
"""Weights, float64, of distances from 0 up in widths of the filter, before they are made to add up to 1."""
