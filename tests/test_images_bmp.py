"""Bitmaps whose colours lie at any bits give the right pixels."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from headstart.errors import UnreadableImageError
from headstart.images.decode import decode
from headstart.images.recognise import read_header
from zoo import bmp, scene


def packed(pixels: NDArray[np.uint8], masks: list[int], dtype: str) -> NDArray[np.integer]:
    """The highest bits of each channel of pixels (h, w, c), under masks."""
    values = np.zeros(pixels.shape[:2], dtype)
    for channel, mask in enumerate(masks):
        lowest = mask & -mask
        bits = (mask // lowest).bit_length()
        level = pixels[..., channel].astype(dtype) * ((1 << bits) - 1) // 255 if bits > 8 else pixels[..., channel]
        values |= (level.astype(np.uint64) >> max(0, 8 - bits) << (lowest.bit_length() - 1)).astype(dtype)
    return values


def stretched(pixels: NDArray[np.uint8], bits: int) -> NDArray[np.float64]:
    return (pixels >> (8 - bits)) * 255.0 / ((1 << bits) - 1)


MASKS = {
    "555": ([0x7C00, 0x3E0, 0x1F], "u2", 5),
    "444": ([0xF00, 0xF0, 0xF], "u2", 4),
    "332": ([0xE000, 0x1C00, 0x380], "u2", 3),
    "32 bits, red last": ([0xFF, 0xFF00, 0xFF0000], "u4", 8),
    "32 bits, an odd order": ([0xFF00, 0xFF000000, 0xFF], "u4", 8),
}


@pytest.mark.parametrize("header", [40, 108, 124])
@pytest.mark.parametrize("name", MASKS)
def test_masks_say_where_the_channels_are(name: str, header: int) -> None:
    masks, dtype, bits = MASKS[name]
    for down in (False, True):
        content = bmp(packed(scene(9, 7), masks, dtype), masks, header=header, down=down)
        np.testing.assert_allclose(decode(content), stretched(scene(9, 7), bits), atol=4 if bits == 5 else 0.5)
        assert (read_header(content).format, read_header(content).width) == ("BMP", 7)


def test_ten_bits_a_channel() -> None:
    masks = [0x3FF00000, 0xFFC00, 0x3FF]
    np.testing.assert_allclose(decode(bmp(packed(scene(9, 7), masks, "u4"), masks)), scene(9, 7), atol=1)


def test_alpha_under_a_mask_is_laid_on_white() -> None:
    pixels, masks = scene(9, 7, 4), [0xF00, 0xF0, 0xF, 0xF000]
    alpha = stretched(pixels[..., 3:], 4) / 255
    expected = stretched(pixels[..., :3], 4) * alpha + 255 * (1 - alpha)
    np.testing.assert_allclose(decode(bmp(packed(pixels, masks, "u2"), masks, header=124)), expected, atol=1)


def test_what_is_cut_off_or_too_large_says_so() -> None:
    masks = [0xF00, 0xF0, 0xF]
    whole = bmp(packed(scene(9, 7), masks, "u2"), masks)
    with pytest.raises(UnreadableImageError, match="image file is truncated"):
        decode(whole[:-20])
    wide = whole[:18] + (1 << 30).to_bytes(4, "little") + whole[22:]
    with pytest.raises(UnreadableImageError, match="too large"):
        decode(wide)
    with pytest.raises(UnreadableImageError, match="damaged"):
        decode(whole[:60])
