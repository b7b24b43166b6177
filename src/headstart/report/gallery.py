"""The pictures that a report shows: a first look, augmented views, answers and mistakes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import zip_longest
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart.errors import UnreadableImageError
from headstart.files import below
from headstart.images.decode import decode, encode, resample
from headstart.images.folder import ImageSet
from headstart.images.grey_levels import Levels
from headstart.images.reading import changed
from headstart.report.page import Mistake
from headstart.report.section import Thumbnail

THUMBNAIL_PX = 200
MOST_MISTAKES = 12


def one_of_each(images: ImageSet, count: int) -> list[int]:
    """The first pictures of each class in turn, until there are ``count``."""
    train = images.in_split("train")
    members = (train[images.y[train] == label].tolist() for label in range(len(images.classes)))
    return [i for turn in zip_longest(*members) for i in turn if i is not None][:count]


def thumbnail(images: ImageSet, i: int, caption: str = "") -> Thumbnail:
    """The middle of picture ``i``, under it its label unless told otherwise."""
    shown = _of_set(images.paths[i], images.digests[i], images.levels)
    return Thumbnail(jpeg=shown, caption=caption or images.classes[images.y[i]])


@lru_cache(maxsize=64)
def _of_set(path: Path, digest: str, levels: Levels | None) -> bytes:
    """`small_jpeg` of a picture of a set, known by its digest: the page of every state shows nearly the same ones."""
    try:
        return small_jpeg(path, levels)
    except UnreadableImageError as error:
        raise changed({path: error.reason}) from error


def picture(path: Path, *, caption: str, levels: Levels | None = None) -> Thumbnail:
    """The middle of any picture, held against a set of these levels. Raises DataError if it cannot be read any more."""
    try:
        return Thumbnail(jpeg=small_jpeg(path, levels), caption=caption)
    except UnreadableImageError as error:
        raise changed({path: error.reason}) from error


def whole(images: ImageSet, i: int, caption: str) -> Thumbnail:
    """All of picture ``i``, edges included."""
    try:
        picture = decode(images.paths[i], at_least=THUMBNAIL_PX, levels=images.levels)
    except UnreadableImageError as error:
        raise changed({images.paths[i]: error.reason}) from error
    height, width = picture.shape[:2]
    scale = THUMBNAIL_PX / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = resample(picture, size=size, interpolation="bicubic")
    return Thumbnail(jpeg=encode(small, format="JPEG", quality=80), caption=caption)


def small_jpeg(path: Path, levels: Levels | None = None) -> bytes:
    """The middle square of a picture of a set of these levels."""
    picture = decode(path, at_least=THUMBNAIL_PX, levels=levels)
    height, width = picture.shape[:2]
    side = min(height, width)
    left, top = (width - side) // 2, (height - side) // 2
    return _jpeg(picture, (left, top, left + side, top + side))


def _jpeg(picture: NDArray[np.uint8], box: tuple[float, float, float, float] | None = None) -> bytes:
    small = resample(picture, size=(THUMBNAIL_PX, THUMBNAIL_PX), box=box, interpolation="bicubic")
    return encode(small, format="JPEG", quality=80)


def views(pictures: Sequence[NDArray[np.uint8]], *, caption: str) -> tuple[Thumbnail, ...]:
    """Square pictures (s, s, 3), small, all under the same caption."""
    return tuple(Thumbnail(jpeg=_jpeg(picture), caption=caption) for picture in pictures)


def mistakes(images: ImageSet, index: NDArray[np.int64], proba: NDArray[np.float64]) -> tuple[Mistake, ...]:
    """The wrong answers that were given with most confidence."""
    y: NDArray[np.int64] = images.y[index]
    predicted = proba.argmax(axis=1)
    confidence = proba.max(axis=1)
    wrong = np.flatnonzero(predicted != y)
    worst = wrong[np.argsort(-confidence[wrong], kind="stable")][:MOST_MISTAKES]
    return tuple(
        Mistake(
            thumbnail=thumbnail(images, index[i], caption=below(images.root, images.paths[index[i]])),
            truth=images.classes[y[i]],
            predicted=images.classes[predicted[i]],
            probability=float(confidence[i]),
        )
        for i in worst
    )
