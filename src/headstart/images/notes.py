"""Something small that is kept of each picture, taken from the pixels that its features are computed from.

So a file is decoded once, whatever is asked of it later. A note is defined on the file alone, not on the network: on
the picture decoded with a shorter side of at least `NOTED_AT` pixels. Where features need a JPEG at another scale than
that, it is decoded once more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from headstart.arrays import Pixels
from headstart.errors import UnreadableImageError
from headstart.images.decode import DECODER, Content, DecodedImage, Picture
from headstart.images.grey_levels import Levels
from headstart.images.transforms import Geometry, View, load, views_of

NOTED_AT = 256
"""Least shorter side of the pixels that notes are taken from: what the usual networks, of input 224, are shown."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Note:
    """One kind of note."""

    name: str
    """Holds all that decides the bytes; its number is raised with every change to what ``of`` gives."""
    of: Callable[[Picture], bytes]

    def space(self, levels: Levels | None) -> str:
        """Where it is kept in the store, for pictures of a set of these levels."""
        return f"{self.name}|{DECODER}|{NOTED_AT}" + (f"|{levels.key()}" if levels else "")

    def of_file(self, source: Path | bytes, levels: Levels | None = None) -> bytes | None:
        """The note of a file that is decoded for it alone; None where that is not possible."""
        try:
            return _taken(source, [self], levels)[0]
        except UnreadableImageError:
            return None


def load_with_notes(
    source: Content, geometry: Geometry, views: Sequence[View], notes: Sequence[Note]
) -> tuple[Pixels, list[bytes]]:
    """What `load` gives, and the notes of the same file: a path or bytes, where there are any.

    Raises:
        UnreadableImageError: with the reason in plain words.
        DiskError: the disk does not answer.
    """
    if not notes or not isinstance(source, (Path, bytes)):
        return load(source, geometry, views), []
    with DecodedImage.read_all(source, at_least=geometry.resized, levels=geometry.levels) as picture:
        pixels = views_of(picture.image, geometry, views)
        if picture.is_as_of(NOTED_AT):
            return pixels, [note.of(picture) for note in notes]
    return pixels, _taken(source, notes, geometry.levels)


def _taken(source: Path | bytes, notes: Sequence[Note], levels: Levels | None) -> list[bytes]:
    with DecodedImage.read_all(source, at_least=NOTED_AT, levels=levels) as picture:
        return [note.of(picture) for note in notes]
