"""Text and profiles of any length keep no PNG from being read, nor do they fill the memory."""

from __future__ import annotations

import io
import zlib

import numpy as np
import pytest
from PIL import Image

from headstart.errors import UnreadableImageError
from headstart.images import png as module
from headstart.images.decode import decode
from headstart.images.png import MAX_TEXT, without_long_text
from headstart.images.recognise import read_header
from zoo import chunk, png, scene

LONG = b"y" * (MAX_TEXT + 1)
CHUNKS = {
    "a long text": chunk(b"tEXt", b"log\0" + LONG),
    "a long compressed text": chunk(b"zTXt", b"log\0\0" + zlib.compress(LONG)),
    "a long XMP": chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + LONG),
    "a long compressed XMP": chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(LONG)),
    "a long profile": chunk(b"iCCP", b"icc\0\0" + zlib.compress(LONG)),
    "a bomb": chunk(b"zTXt", b"log\0\0" + zlib.compress(bytes(8 << 20), 9)),
    "a broken compressed text": chunk(b"zTXt", b"log\0\0" + b"\x78\x9c" + b"\xff" * 40),
    "a broken profile": chunk(b"iCCP", b"icc\0\0rubbish"),
    "an empty text": chunk(b"zTXt", b""),
    "a short text": chunk(b"tEXt", b"log\0short"),
    "many texts": chunk(b"tEXt", b"log\0" + b"y" * 1_000_000) * 70,
    "a long private chunk": chunk(b"prVt", LONG),
}


@pytest.mark.parametrize("name", CHUNKS)
@pytest.mark.parametrize("where", ["before", "after"])
def test_what_is_no_pixels_is_skipped(name: str, where: str) -> None:
    content = png(scene(), **{where: CHUNKS[name]})
    np.testing.assert_array_equal(decode(content), scene())
    assert read_header(content).width == 16


def test_a_bomb_is_not_blown_up() -> None:
    packed = zlib.compress(bytes(8 << 20), 9)
    length = module._text_length(b"zTXt", len(packed) + 5, io.BytesIO(b"log\0\0" + packed))
    assert MAX_TEXT < length < MAX_TEXT + len(packed)


def test_ordinary_files_are_read_as_they_are() -> None:
    stream = io.BytesIO(png(scene(), before=chunk(b"tEXt", b"a\0b") + chunk(b"iCCP", b"icc\0\0" + zlib.compress(b"x"))))
    assert without_long_text(stream) is stream
    assert stream.tell() == 0


def test_an_orientation_in_a_text_is_kept_where_another_is_too_long() -> None:
    xmp = b'<x tiff:Orientation="6"/>'
    content = png(scene(), before=CHUNKS["a bomb"] + chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp))
    turned = np.asarray(Image.fromarray(scene()).transpose(Image.Transpose.ROTATE_270))
    np.testing.assert_array_equal(decode(content), turned)


def test_chunks_without_end_are_refused() -> None:
    content = png(scene(), before=chunk(b"prVt", b"") * (module.MAX_CHUNKS + 1))
    with pytest.raises(UnreadableImageError, match="more than 200000 chunks"):
        decode(content)
