"""The pictures that a recipe begins with: those that can be decoded."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from headstart.errors import UnreadableImageError
from headstart.images.decode import decode
from headstart.images.folder import ImageSet
from headstart.images.threads import in_order
from headstart.progress import Progress, Silent


def usable(images: ImageSet, *, size: int, progress: Progress | None = None) -> ImageSet:
    """The pictures without those that cannot be decoded, which are left out with the reason.

    Args:
        images: recognised, and not decoded yet.
        size: side in pixels of what a network is given; no more of a picture is decoded than that takes.
        progress: is told how far it is.

    Raises:
        DataError: too few pictures of a class are left.
    """
    failures: dict[Path, str] = {}
    with (progress or Silent()).stage("decoding", len(images)) as advance:
        reasons = in_order(partial(_reason, size=size), images.paths)
        for done, (path, reason) in enumerate(zip(images.paths, reasons, strict=True), start=1):
            if reason:
                failures[path] = reason
            advance(done)
    return images.without(failures)


def _reason(path: Path, *, size: int) -> str:
    """Why a picture cannot be decoded; empty where it can."""
    try:
        decode(path, at_least=size)
    except UnreadableImageError as error:
        return error.reason
    return ""
