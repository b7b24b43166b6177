"""Labels given in Python, of any type that scikit-learn takes for classes; names of classes, and labels again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.errors import DataError, Problem
from headstart.files import some

TEXT = "<U0"
"""The type of labels that are text, as NumPy writes types."""
_EXACT = 2**53
"""Whole numbers up to here are all different as floats of 64 bits."""
_KINDS = "biufU"
"""NumPy's kinds of labels: bool, int, unsigned, float, text."""


def checked(y: ArrayLike) -> NDArray[Any]:
    """The labels (n,) as an array of their own type.

    Lists, arrays, series and frames are taken; a single column (n, 1) is flattened with scikit-learn's warning.

    Raises:
        DataError: rows of several numbers; missing labels; types that do not go together, or are no classes.
    """
    from sklearn.utils.validation import column_or_1d

    if isinstance(y, np.ma.MaskedArray):
        y = np.array([None if value is np.ma.masked else value for value in y], dtype=object)
    array = np.asarray(y) if hasattr(y, "dtype") or hasattr(y, "to_numpy") else np.asarray(y, dtype=object)
    if array.ndim == 2 and array.shape[1] != 1:
        found, todo = f"an array {array.shape}", "of one-hot rows or probabilities give y.argmax(axis=1)"
        raise DataError.of("labels", expected="one label for each path", found=found, todo=todo)
    try:
        array = column_or_1d(array, warn=True)
    except ValueError as error:
        found, todo = type(y).__name__, "give a list, an array, a series or a column"
        raise DataError.of("labels", expected="one label for each path", found=found, todo=todo) from error
    values = [value.item() if isinstance(value, np.generic) else value for value in array.tolist()]
    problems = []
    if missing := [str(i) for i, value in enumerate(values) if is_missing(value)]:
        todo = "fill them in, or leave these pictures out"
        problems.append(Problem(expected="a label for each path", found=f"none at {some(missing)}", todo=todo))
    types = {type(value).__name__ for value in values if not is_missing(value)}
    if types != {"str"} and not types <= {"bool", "int", "float"}:
        expected, todo = "all labels text, or all of them bool or numbers", "write all of them as text, or as numbers"
        problems.append(Problem(expected=expected, found=", ".join(sorted(types)), todo=todo))
    if odd := [ascii(value) for value in values if isinstance(value, str) and _is_unwritable(value)]:
        todo = "write them as text of Unicode that ends in a character that can be seen"
        problems.append(Problem(expected="labels that can be written down", found=some(odd), todo=todo))
    if problems:
        raise DataError("labels", problems)
    labels: NDArray[Any] = array if array.dtype.kind in _KINDS else np.array(values)
    if len(set(labels.tolist())) < len(set(values)) or labels.dtype.kind == "O":
        expected, todo = "whole numbers of 64 bits at most, or 53 bits among floats", "write larger ones as text"
        large = [str(value)[:40] for value in values if abs(value) > _EXACT]
        raise DataError.of("labels", expected=expected, found=some(large), todo=todo)
    whole = labels.dtype.kind != "f" or (np.isfinite(labels) & (np.rint(labels) == labels)).all()
    if labels.dtype.kind not in _KINDS or not whole:
        todo = "of measured values make classes first: numpy.digitize"
        expected, found = "text, bool or whole numbers, which name classes", some([repr(value) for value in values])
        raise DataError.of("labels", expected=expected, found=found, todo=todo)
    return labels


def _is_unwritable(value: str) -> bool:
    """Whether it ends in a NUL, which NumPy drops, or holds halves of characters, as names of files may."""
    return value[-1:] == "\0" or any("\ud800" <= character <= "\udfff" for character in value)


def restored(names: Sequence[str], dtype: str) -> NDArray[Any]:
    """The labels of which ``names`` are the text, as NumPy's type ``dtype``. Raises ValueError if they are none."""
    if (kind := np.dtype(dtype).kind) not in _KINDS:
        raise ValueError(f"no type of labels: {dtype}")
    return np.array(names) == "True" if kind == "b" else np.array(names).astype(np.str_ if kind == "U" else dtype)


def is_missing(value: object) -> bool:
    """None, NaN, an empty text, or what pandas has for them."""
    if isinstance(value, float):
        return math.isnan(value)
    return value is None or type(value).__name__ in ("NAType", "NaTType") or (isinstance(value, str) and not value)
