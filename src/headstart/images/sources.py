"""What a picture may be given as: a file's name or bytes, an open file, a Pillow image, an array of pixels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from os import PathLike, fspath
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from headstart.errors import OptionError, Problem, UnreadableImageError
from headstart.images.decode import Content, PillowImage
from headstart.images.deep import depth
from headstart.images.limits import MAX_BYTES, check_file
from headstart.images.reading import contents

Source = str | PathLike[str] | bytes | BinaryIO | PillowImage | NDArray[Any]
"""Anything that is taken for a picture. Open files are binary, and read from their beginning if they can be wound back;
arrays are uint8 or uint16: RGB (h, w, 3), RGB and alpha (h, w, 4), or grey (h, w), which may be of any number."""

_TODO = (
    "give a path, bytes, a file opened with 'rb', a Pillow image, or an array of uint8 or uint16 (h, w, 3), (h, w, 4) "
    "or (h, w)"
)
_reading = Lock()
"""Held while a file is read that somebody else opened: threads may share it."""


def listed(pictures: Iterable[Source]) -> list[Source]:
    """The pictures as a list, names as paths.

    Raises:
        OptionError: a single picture instead of a sequence of them, or members that are no pictures; all are listed.
    """
    if _kind(pictures) is not None or isinstance(pictures, np.ndarray) or not isinstance(pictures, Iterable):
        many = isinstance(pictures, np.ndarray) and pictures.ndim == 4
        todo = "give list(array)" if many else "put it in a list: predict([picture])"
        found = f"a single {_described(pictures)}"
        raise OptionError.of("pictures", expected="a sequence of pictures", found=found, todo=todo)
    sources: list[Source] = [Path(fspath(item)) if isinstance(item, (str, PathLike)) else item for item in pictures]
    problems = [
        Problem(expected="a picture", found=f"{_described(source)} at position {i}", todo=_TODO)
        for i, source in enumerate(sources)
        if _kind(source) is None
    ]
    if problems:
        raise OptionError("pictures", problems)
    return sources


@contextmanager
def content(source: Source) -> Iterator[Content]:
    """What `decode` takes, to be given up when the block is left; files are read whole.

    Of a JPEG that was opened with Pillow and not decoded yet, that is the file, which may then be decoded at a fraction
    of its size; also of a picture of more than 8 bits a channel, whose file says more than its pixels. The image stays
    as it is.

    Raises:
        UnreadableImageError: a file that cannot be read, or is no picture.
        DiskError: the disk does not answer.
    """
    if isinstance(source, (str, PathLike)):
        with contents(Path(source)) as data:
            yield data
    else:
        yield _handed_over(source)


def _handed_over(source: bytes | BinaryIO | PillowImage | NDArray[np.uint8]) -> Content:
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source)
    if isinstance(source, np.ndarray):
        return source
    if isinstance(source, PillowImage):
        return _undecoded(source) or source
    with _reading:
        try:
            if source.seekable():
                source.seek(0)
            data = source.read(MAX_BYTES + 1)
        except ValueError as error:  # closed
            raise UnreadableImageError(f"cannot be read: {error}") from error
    if not isinstance(data, bytes):
        raise UnreadableImageError(f"a file of {type(data).__name__}, not opened in binary mode")
    check_file(len(data))
    return data


def _undecoded(image: PillowImage) -> bytes | None:
    """The file behind an image of which only the header was read; None where it would tell no more than the image."""
    stream = getattr(image, "fp", None)
    tells_more = image.format in ("JPEG", "MPO") or bool(depth(image))
    if not tells_more or stream is None or not getattr(image, "tile", None) or image.tell():
        return None
    with _reading:
        try:
            place = stream.tell()
            stream.seek(0)
            data: bytes = stream.read()
            stream.seek(place)
        except (OSError, ValueError):  # closed: decoding will say so
            return None
    return data


def _kind(source: object) -> str | None:
    """What a picture is given as; None for what is none."""
    if isinstance(source, (str, PathLike)):
        return "path"
    if isinstance(source, (bytes, bytearray, memoryview)):
        return "bytes"
    if isinstance(source, PillowImage):
        return "Pillow image"
    if isinstance(source, np.ndarray):
        grey = source.ndim == 2 and source.dtype.kind in "uif"
        colour = source.ndim == 3 and source.shape[2] in (3, 4) and source.dtype in (np.uint8, np.uint16)
        return "array" if (grey or colour) and source.size else None
    return "open file" if hasattr(source, "read") and hasattr(source, "seekable") else None


def _described(source: object) -> str:
    if isinstance(source, np.ndarray):
        return f"array {source.dtype} {source.shape}"
    kind = _kind(source)
    return type(source).__name__ if kind is None else f"{kind} ({type(source).__name__})"
