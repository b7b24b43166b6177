import io
import os
import struct
import subprocess
import sys
import threading
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from headstart.errors import UnreadableImageError
from headstart.images import decode as module
from headstart.images.decode import DecodedImage, decode, encode, resample
from headstart.images.limits import MAX_PIXELS
from headstart.images.recognise import Header, read_header

TEAL = (32, 160, 144)
TOO_LARGE = f"too large: 30000×30000 pixels; at most {MAX_PIXELS}: make it smaller"


def quadrants(width: int = 64, height: int = 48) -> Image.Image:
    """Red, green / blue, teal: any turn or mirroring shows."""
    image = Image.new("RGB", (width, height), TEAL)
    image.paste((224, 32, 32), (0, 0, width // 2, height // 2))
    image.paste((32, 200, 32), (width // 2, 0, width, height // 2))
    image.paste((32, 32, 224), (0, height // 2, width // 2, height))
    return image


def saved(image: Image.Image, format: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def ramp16(width: int = 256, height: int = 4) -> np.ndarray:
    return np.tile(np.arange(width, dtype=np.uint16) * 257, (height, 1))


def assert_quadrants(pixels: np.ndarray, tolerance: int) -> None:
    expected = np.asarray(quadrants(pixels.shape[1], pixels.shape[0]))
    centres = [(y * pixels.shape[0] // 4, x * pixels.shape[1] // 4) for y in (1, 3) for x in (1, 3)]
    for at in centres:
        np.testing.assert_allclose(pixels[at].astype(int), expected[at].astype(int), atol=tolerance)


def reason_of(source: Path | bytes, read=decode) -> str:
    with pytest.raises(UnreadableImageError) as caught:
        read(source)
    return caught.value.reason


FORMATS = {
    "jpeg": ("JPEG", {"quality": 95}, 12),
    "progressive": ("JPEG", {"quality": 95, "progressive": True}, 12),
    "png": ("PNG", {}, 0),
    "bmp": ("BMP", {}, 0),
    "tiff": ("TIFF", {}, 0),
    "tiff-lzw": ("TIFF", {"compression": "tiff_lzw"}, 0),
    "tiff-jpeg": ("TIFF", {"compression": "jpeg", "quality": 95}, 12),
    "webp": ("WEBP", {"quality": 95}, 16),
    "webp-lossless": ("WEBP", {"lossless": True}, 0),
    "avif": ("AVIF", {"quality": 95}, 16),
    "jpeg2000": ("JPEG2000", {}, 4),
    "ppm": ("PPM", {}, 0),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_its_colours(name: str, tmp_path: Path) -> None:
    format, options, tolerance = FORMATS[name]
    content = saved(quadrants(), format, **options)
    pixels = decode(content)
    assert pixels.shape == (48, 64, 3)
    assert pixels.dtype == np.uint8
    assert pixels.flags.writeable
    assert_quadrants(pixels, tolerance)
    lying = tmp_path / "x.txt?width=640"
    lying.write_bytes(content)
    np.testing.assert_array_equal(decode(lying), pixels)
    assert read_header(lying) == Header(format=format, width=64, height=48, mode="RGB")


def test_heic() -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    content = saved(quadrants(), "HEIF", quality=95)
    assert_quadrants(decode(content), 16)
    assert read_header(content).format == "HEIF"


def test_heic_without_its_package_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['pillow_heif'] = None\n"
        "from headstart.errors import UnreadableImageError\n"
        "from headstart.images.decode import decode\n"
        "try: decode(b'\\0\\0\\0\\x18ftypheic' + b'\\0' * 100)\n"
        "except UnreadableImageError as error: print(error.reason)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "pip install 'headstart[heif]'" in done.stdout


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_exif_orientation_is_applied(orientation: int, format: str) -> None:
    # stored = the inverse of what the tag asks a viewer to do, so that all eight must look the same
    inverse = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    image = quadrants()
    stored = image if orientation == 1 else image.transpose(Image.Transpose(inverse[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = decode(saved(stored, format, exif=exif, quality=95))
    assert pixels.shape == (48, 64, 3)
    assert_quadrants(pixels, 16)


@pytest.mark.parametrize("exif", [b"Exif\0\0garbage", b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\x12\x01" * 40])
def test_a_damaged_exif_block_neither_kills_nor_warns(exif: bytes) -> None:
    assert_quadrants(decode(saved(quadrants(), "JPEG", exif=exif, quality=95)), 12)


def test_cmyk_and_grey_jpeg() -> None:
    assert_quadrants(decode(saved(quadrants().convert("CMYK"), "JPEG", quality=95)), 24)
    grey = decode(saved(Image.new("L", (8, 8), 77), "JPEG"))
    np.testing.assert_allclose(grey, 77, atol=2)


def test_adobe_ycck_jpeg_is_not_inverted() -> None:
    # Inks C, M, Y = 255 − TEAL, stored as Y, Cb, Cr; Pillow writes CMYK inverted, as Adobe does, hence 255 − again.
    inks = Image.new("RGB", (16, 16), tuple(255 - level for level in TEAL)).convert("YCbCr").getpixel((0, 0))
    content = saved(Image.new("CMYK", (16, 16), (*(255 - level for level in inks), 0)), "JPEG", quality=95)
    transform = content.index(b"Adobe") + 11  # 0 declares CMYK, 2 YCCK
    assert content[transform] == 0
    ycck = content[:transform] + b"\2" + content[transform + 1 :]
    np.testing.assert_allclose(decode(ycck)[8, 8].astype(int), TEAL, atol=6)
    no_ink = decode(saved(Image.new("CMYK", (16, 16), (0, 0, 0, 0)), "JPEG"))
    assert no_ink.min() > 250, "no ink is white"


def test_sixteen_bits_are_scaled_and_not_clipped() -> None:
    values = ramp16()
    expected = np.repeat(np.arange(256)[None, :, None], 4, axis=0).repeat(3, axis=2)
    for content in (
        saved(Image.fromarray(values), "PNG"),
        saved(Image.fromarray(values), "TIFF"),
        saved(Image.fromarray(values), "TIFF", compression="tiff_lzw"),
        saved(Image.fromarray(values), "PPM"),
    ):
        np.testing.assert_array_equal(decode(content), expected)


def test_big_endian_sixteen_bit_tiff() -> None:
    values = ramp16(256, 2)
    pixels_at = 8 + 2 + 9 * 12 + 4
    tags = {256: 256, 257: 2, 258: 16, 259: 1, 262: 1, 273: pixels_at, 277: 1, 278: 2, 279: values.size * 2}
    directory = b"".join(struct.pack(">HHII", tag, 4, 1, value) for tag, value in tags.items())
    content = b"MM\0*" + struct.pack(">IH", 8, len(tags)) + directory + b"\0\0\0\0" + values.astype(">u2").tobytes()
    assert read_header(content).mode == "I;16B"
    np.testing.assert_array_equal(decode(content)[0, :, 0], np.arange(256))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[0.0, 0.5, 1.0]], np.float32), [0, 128, 255]),
        (np.array([[0.0, 100.0, 255.0]], np.float32), [0, 100, 255]),
        (np.array([[0.0, 257.0 * 40, 65535.0]], np.float32), [0, 40, 255]),
        (np.array([[-1.0, 0.0, 1.0]], np.float32), [0, 128, 255]),
        (np.array([[np.nan, 0.5, np.inf]], np.float32), [0, 128, 0]),
        (np.array([[7.5, 7.5, 7.5]], np.float32), [8, 8, 8]),
        (np.array([[0, 100_000, 200_000]], np.int32), [0, 128, 255]),
        (np.array([[0, 65535, 257]], np.int32), [0, 255, 1]),
        (np.array([[0, 1, 255]], np.int32), [0, 1, 255]),
    ],
)
def test_thirty_two_bit_tiff(values: np.ndarray, expected: list[int]) -> None:
    pixels = decode(saved(Image.fromarray(values), "TIFF"))
    assert pixels[0, :, 0].tolist() == expected


def test_transparency_is_laid_on_white() -> None:
    rgba = np.zeros((2, 2, 4), np.uint8)
    rgba[0, 0], rgba[0, 1] = (200, 0, 0, 255), (200, 0, 0, 0)
    rgba[1, 0] = (0, 0, 0, 128)
    for content in (saved(Image.fromarray(rgba), "PNG"), saved(Image.fromarray(rgba), "WEBP", lossless=True)):
        pixels = decode(content)
        assert pixels[0, 0].tolist() == [200, 0, 0]
        assert pixels[0, 1].tolist() == [255, 255, 255]
        assert pixels[1, 0].tolist() == [127, 127, 127]
    la = decode(saved(Image.merge("LA", (Image.new("L", (2, 2), 50), Image.new("L", (2, 2), 0))), "PNG"))
    assert (la == 255).all()
    keyed = Image.new("RGB", (2, 2), TEAL)
    keyed.putpixel((0, 0), (1, 2, 3))
    pixels = decode(saved(keyed, "PNG", transparency=(1, 2, 3)))
    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert pixels[1, 1].tolist() == list(TEAL)


def palette() -> Image.Image:
    image = Image.new("P", (4, 4), 1)
    image.putpalette([9, 9, 9, *TEAL])
    image.putpixel((0, 0), 0)
    return image


@pytest.mark.parametrize("transparency", [0, b"\0\xff"])
def test_palette_with_and_without_transparency(transparency: int | bytes) -> None:
    assert decode(saved(palette(), "PNG"))[0, 0].tolist() == [9, 9, 9]
    pixels = decode(saved(palette(), "PNG", transparency=transparency))
    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert pixels[3, 3].tolist() == list(TEAL)


def test_one_bit() -> None:
    image = Image.new("1", (8, 2))
    image.putpixel((3, 1), 1)
    for format in ("PNG", "BMP", "TIFF"):
        pixels = decode(saved(image, format))
        assert pixels[1, 3].tolist() == [255, 255, 255]
        assert pixels.sum() == 3 * 255


def test_first_frame_of_an_animation() -> None:
    second = Image.new("RGB", (64, 48), "yellow")
    for format, options in (("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {}), ("TIFF", {})):
        content = saved(quadrants(), format, save_all=True, append_images=[second], **options)
        assert_quadrants(decode(content), 2)


@pytest.mark.parametrize(
    ("at_least", "shape"),
    [(None, (600, 800)), (75, (300, 400)), (76, (600, 800)), (18, (75, 100)), (1, (75, 100)), (5000, (600, 800))],
)
def test_draft_never_goes_below_four_times_what_is_asked_for(at_least: int | None, shape: tuple[int, int]) -> None:
    content = saved(quadrants(800, 600), "JPEG", quality=95)
    pixels = decode(content, at_least=at_least)
    assert pixels.shape[:2] == shape
    assert_quadrants(pixels, 12)


def test_draft_counts_before_rotation() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode(saved(quadrants(801, 601), "JPEG", exif=exif), at_least=50).shape == (401, 301, 3)


def test_what_is_no_picture_says_so(tmp_path: Path) -> None:
    whole = saved(quadrants(), "JPEG")
    for name, content, reason in (
        ("empty.jpg", b"", "empty file: fetch it again"),
        ("text.jpg", b"not a picture at all", "text, not a picture: take it out of the folder"),
        ("table.png", b"path,label\na,b\n", "text, not a picture: take it out of the folder"),
        (
            "program.jpg",
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
            "a vector drawing: export as PNG",
        ),
    ):
        (tmp_path / name).write_bytes(content)
        for read in (decode, read_header):
            assert reason_of(tmp_path / name, read) == reason
            assert reason_of(content, read) == reason
    assert reason_of(whole[:-30]).startswith("truncated or damaged: image file is truncated")
    assert read_header(whole[:-30]).format == "JPEG"
    assert reason_of(whole[:10]).startswith("truncated or damaged: ")
    begins = saved(quadrants(), "GIF")[:8]
    assert reason_of(begins) == "truncated or damaged: begins like GIF, but its header cannot be read; fetch it again"


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "AVIF", "JPEG2000", "PPM"])
def test_every_truncation_is_an_unreadable_picture_or_pixels(format: str) -> None:
    content = saved(quadrants(), format)
    refused = 0
    for length in range(1, len(content), max(1, len(content) // 40)):
        try:
            decode(content[:length])
        except UnreadableImageError as error:
            refused += bool(error.reason)
    assert refused > 5


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "another.jpg").touch()
    assert reason_of(tmp_path / "gone.jpg") == "not found"
    assert reason_of(tmp_path) == "is a directory"
    assert reason_of(tmp_path / "nul\0.jpg").startswith("cannot be opened")
    assert reason_of(tmp_path / ("x" * 5000)).startswith("cannot be opened")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    assert reason_of(tmp_path / "pipe.jpg") == "a pipe, socket or device, not a file: take it out"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may read everything")
def test_permission_denied(tmp_path: Path) -> None:
    path = tmp_path / "secret.png"
    path.write_bytes(saved(quadrants(), "PNG"))
    path.chmod(0)
    assert reason_of(path) == "permission denied"


def png_of(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def test_a_bomb_is_refused_by_its_header() -> None:
    for read in (decode, read_header):
        assert (
            reason_of(png_of(30000, 30000), read)
            == f"too large: 30000×30000 pixels; at most {MAX_PIXELS}: make it smaller"
        )
    assert MAX_PIXELS == 178_956_970
    assert read_header(png_of(10_000, 10_000)).width == 10_000, "large, where Pillow would warn, is still read"


def test_our_limit_holds_where_the_program_has_switched_pillows_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert reason_of(png_of(30000, 30000)) == TOO_LARGE


def test_pillow_is_quiet_in_every_thread_under_any_filter() -> None:
    odd = saved(palette(), "PNG", transparency=b"\0\xff")
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0" + struct.pack("<HHII", 0x010E, 2, 100, 4000) + b"\0\0\0\0"
    corrupt = saved(quadrants(), "JPEG", exif=exif)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        Image.open(io.BytesIO(corrupt)).getexif().get(0x010E)
        assert caught, "the picture must be one that Pillow warns of"
    for action in ("error", "always"):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter(action)
            with ThreadPoolExecutor(4) as pool:
                assert len(list(pool.map(decode, [corrupt, odd] * 20))) == 40
        assert caught == []


def test_threads_give_the_same_pixels() -> None:
    contents = [saved(quadrants(40 + n, 30 + n), format) for n in range(8) for format in ("JPEG", "PNG", "GIF", "WEBP")]
    alone = [decode(content) for content in contents]
    start = threading.Barrier(4, timeout=30)

    def work(_: int) -> list[np.ndarray]:
        start.wait()
        return [decode(content) for content in contents]

    with ThreadPoolExecutor(4) as pool:
        for together in pool.map(work, range(4)):
            for one, other in zip(alone, together, strict=True):
                np.testing.assert_array_equal(one, other)


def test_resample_takes_the_window_and_filters() -> None:
    image = np.asarray(quadrants(64, 64))
    corner = resample(image, size=(8, 4), box=(0, 0, 16, 16), interpolation="bilinear")
    assert corner.shape == (4, 8, 3)
    assert (corner == image[0, 0]).all()
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    for interpolation in ("bilinear", "bicubic", "lanczos"):
        small = resample(stripes, size=(8, 8), interpolation=interpolation)
        np.testing.assert_allclose(small, 127.5, atol=12, err_msg="stripes of one pixel must blend, not alias")
    np.testing.assert_array_equal(resample(image, size=(64, 64)), image)


def test_resample_agrees_with_cutting_a_picture() -> None:
    content = saved(quadrants(80, 60), "PNG")
    box = (3.5, 2.25, 60.75, 50.0)
    with DecodedImage.read(content) as image:
        cut = image.resampled((20, 24), box, "bicubic")
    np.testing.assert_array_equal(cut, resample(decode(content), size=(20, 24), box=box, interpolation="bicubic"))


@pytest.mark.parametrize("pixels", [1, 80, 81, 1000, 80 * 60])
def test_strips_give_the_same_pixels(pixels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    content = saved(quadrants(80, 60), "PNG")
    whole = decode(content)
    monkeypatch.setattr(module, "_STRIP_PIXELS", pixels)
    np.testing.assert_array_equal(decode(content), whole)


@pytest.mark.parametrize(("format", "tolerance"), [("PNG", 0), ("JPEG", 12), ("WEBP", 16)])
def test_encode_is_read_back(format: str, tolerance: int) -> None:
    content = encode(np.asarray(quadrants()), format=format, quality=95)
    assert read_header(content).format == format
    assert_quadrants(decode(content), tolerance)


def test_importing_registers_nothing_and_changes_no_filter() -> None:
    program = (
        "import sys, warnings, numpy, PIL.Image; before = list(warnings.filters)\n"
        "import headstart.images.decode\n"
        "assert warnings.filters == before\n"
        "assert 'pillow_heif' not in sys.modules and 'PIL.TiffImagePlugin' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    assert "pillow" in module.DECODER
