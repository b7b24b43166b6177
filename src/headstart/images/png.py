"""PNG files without the text and colour profiles that are too long for Pillow, which are no pixels."""

from __future__ import annotations

import io
import zlib
from typing import IO

from headstart.errors import UnreadableImageError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_CHUNKS = 200_000
"""Chunks of one file: the largest file that is read has 65,536 of the usual 8 KB."""
MAX_TEXT = 1 << 20
"""Bytes of a text or profile, decompressed, beyond which it is skipped: Pillow's own limit."""
MAX_TEXTS = 16 << 20
"""Bytes of all texts and profiles of a file that are not skipped: a quarter of what Pillow allows."""
_TEXT = (b"tEXt", b"iTXt", b"zTXt", b"iCCP")


def without_long_text(stream: IO[bytes]) -> IO[bytes]:
    """A PNG file as it is, or a copy in memory without what is too long.

    Chunks are those of the PNG specification, third edition. What is broken otherwise stays, for the decoder to say.

    Raises:
        UnreadableImageError: more than `MAX_CHUNKS`.
    """
    skipped, at, room = [], len(SIGNATURE), MAX_TEXTS
    for _ in range(MAX_CHUNKS):
        stream.seek(at)
        head = stream.read(8)
        if len(head) < 8 or head[4:] == b"IEND":
            break
        end = at + 12 + int.from_bytes(head[:4], "big")
        if head[4:] in _TEXT:
            length = _text_length(head[4:], end - at - 12, stream)
            if length > min(room, MAX_TEXT):
                skipped.append((at, end))
            else:
                room -= length
        at = end
    else:
        raise UnreadableImageError(f"damaged: more than {MAX_CHUNKS} chunks: save it again")
    stream.seek(0)
    if not skipped:
        return stream
    data = stream.read()
    begins, ends = [0, *(end for _, end in skipped)], [*(start for start, _ in skipped), len(data)]
    return io.BytesIO(b"".join(data[begin:end] for begin, end in zip(begins, ends, strict=True)))


def _text_length(kind: bytes, length: int, stream: IO[bytes]) -> int:
    """Bytes of a text or profile when decompressed; more than `MAX_TEXT` also where it is broken."""
    if length > MAX_TEXT or kind == b"tEXt":
        return length
    data = stream.read(length).partition(b"\0")[2]  # after its name
    if kind == b"iTXt" and data[:1] != b"\1":
        return length
    packed = data[2:].split(b"\0", 2)[-1] if kind == b"iTXt" else data[1:]  # after method, language and translated name
    inflate = zlib.decompressobj()
    try:
        inflated = inflate.decompress(packed, MAX_TEXT)
    except zlib.error:
        return MAX_TEXT + 1
    return len(inflated) + len(inflate.unconsumed_tail)
