"""What a picture file tells of how it was made: its compression, and its EXIF block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# Tags of the EXIF standard (CIPA DC-008).
_MAKER, _MODEL = 0x010F, 0x0110
_CHANGED = 0x0132
_TAKEN = 0x9003
EXIF_BLOCK = 0x8769
"""Tag of the block that holds, among others, when the picture was taken."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """How a picture was made; what the file does not tell is empty."""

    quantisation: tuple[int, ...]
    """The 64 steps of a JPEG's brightness table, in any order: the larger, the more was thrown away."""
    camera: str
    """EXIF maker and model."""
    taken: str
    """EXIF date and time, ``YYYY:MM:DD HH:MM:SS``: when the picture was taken, else when the file was last changed."""

    @classmethod
    def read(cls, quantisation: Sequence[int], exif: Mapping[int, Any], block: Mapping[int, Any]) -> Origin:
        """Gather it from a JPEG's brightness table, the EXIF tags and those of ``EXIF_BLOCK``."""
        camera = f"{_text(exif.get(_MAKER))} {_text(exif.get(_MODEL))}".strip()
        taken = _text(block.get(_TAKEN)) or _text(exif.get(_CHANGED))
        return cls(quantisation=tuple(quantisation), camera=camera, taken=taken)


def _text(value: Any) -> str:
    return value.replace("\0", " ").strip() if isinstance(value, str) else ""
