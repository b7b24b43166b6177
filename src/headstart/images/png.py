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
_TEXT = (b"tEXt", b"iTXt", b"zTXt", b"iCCP")


def without_long_text(stream: IO[bytes]) -> IO[bytes]:
    """A PNG file as it is, or a copy in memory without what is too long.

    Chunks are those of the PNG specification, third edition. What is broken stays, for the decoder to say.

    Raises:
        UnreadableImageError: more than `MAX_CHUNKS`.
    """
    long, at = [], len(SIGNATURE)
    for _ in range(MAX_CHUNKS):
        stream.seek(at)
        head = stream.read(8)
        if len(head) < 8 or head[4:] == b"IEND":
            break
        length = int.from_bytes(head[:4], "big")
        if head[4:] in _TEXT and _is_long(head[4:], length, stream):
            long.append((at, at + 12 + length))
        at += 12 + length
    else:
        raise UnreadableImageError(f"damaged: more than {MAX_CHUNKS} chunks: save it again")
    stream.seek(0)
    if not long:
        return stream
    data, kept, begin = stream.read(), [], 0
    for start, end in long:
        kept.append(data[begin:start])
        begin = end
    return io.BytesIO(b"".join([*kept, data[begin:]]))


def _is_long(kind: bytes, length: int, stream: IO[bytes]) -> bool:
    if length > MAX_TEXT:
        return True
    if kind == b"tEXt":
        return False
    rest = stream.read(length).partition(b"\0")[2]  # after its name
    if kind == b"iTXt" and rest[:1] != b"\x01":
        return False
    packed = rest[1:] if kind != b"iTXt" else rest[2:].split(b"\0", 2)[-1]
    inflate = zlib.decompressobj()
    try:
        inflate.decompress(packed, MAX_TEXT)
    except zlib.error:
        return True  # broken, and no pixels
    return bool(inflate.unconsumed_tail)
