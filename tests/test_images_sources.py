"""The same picture in every form it may be given in gives the same pixels."""

from __future__ import annotations

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from headstart.errors import OptionError, UnreadableImageError
from headstart.images.decode import decode, encode
from headstart.images.sources import content, listed
from headstart.images.transforms import Geometry, load
from pictures import draw

GEOMETRY = Geometry(size=64)


def pixels(source: Any) -> NDArray[np.uint8]:
    with content(source) as picture:
        return load(picture, GEOMETRY)


def files(folder: Path) -> dict[str, Path]:
    """Small enough that a JPEG is decoded in full: grey, transparent, with a palette, of 16 bits, turned by EXIF."""
    colour = draw("rings", 1, side=100)
    alpha = np.dstack([colour, draw("stripes", 2, side=100)[..., 0]])
    made = {
        "colour.jpg": Image.fromarray(colour),
        "grey.jpg": Image.fromarray(colour[..., 0]),
        "cmyk.jpg": Image.fromarray(colour).convert("CMYK"),
        "grey.png": Image.fromarray(colour[..., 0]),
        "transparent.png": Image.fromarray(alpha),
        "palette.gif": Image.fromarray(colour).quantize(16),
        "sixteen.png": Image.fromarray(colour[..., 0].astype(np.uint16) * 257),
        "colour.webp": Image.fromarray(colour),
    }
    for name, image in made.items():
        image.save(folder / name)
    exif = Image.Exif()
    exif[0x0112] = 6
    made["colour.jpg"].crop((0, 0, 100, 70)).save(folder / "turned.jpg", exif=exif)
    return {path.name: path for path in folder.iterdir()}


NAMES = [
    "colour.jpg", "grey.jpg", "cmyk.jpg", "grey.png", "transparent.png", "palette.gif", "sixteen.png", "colour.webp",
    "turned.jpg",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_every_form_of_a_picture_gives_its_pixels(tmp_path: Path, name: str) -> None:
    path = files(tmp_path)[name]
    expected = pixels(path)
    with path.open("rb") as file, Image.open(path) as lazy, Image.open(path) as loaded:
        loaded.load()
        forms = {
            "text": str(path),
            "bytes": path.read_bytes(),
            "bytearray": bytearray(path.read_bytes()),
            "memoryview": memoryview(path.read_bytes()),
            "file": file,
            "file again": file,
            "memory": io.BytesIO(path.read_bytes()),
            "opened": lazy,
            "decoded": loaded,
            "copied": loaded.copy(),
            "pixels": decode(path),
        }
        for form, source in forms.items():
            assert np.array_equal(pixels(source), expected), form


def test_pixels_as_people_get_them_from_pillow(tmp_path: Path) -> None:
    made = files(tmp_path)
    for name in ("colour.jpg", "grey.png", "transparent.png", "turned.jpg"):
        with Image.open(made[name]) as image:
            upright = ImageOps.exif_transpose(image)
            assert np.array_equal(pixels(np.asarray(upright)), pixels(made[name])), name
            assert np.array_equal(pixels(upright), pixels(made[name])), name


def test_a_large_jpeg_is_decoded_at_a_fraction_in_every_form_but_its_pixels(tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    path.write_bytes(encode(draw("rings", 3, side=1000)))
    expected = pixels(path)
    with Image.open(path) as lazy, path.open("rb") as file:
        for source in (path.read_bytes(), file, lazy):
            assert np.array_equal(pixels(source), expected)
        assert lazy.size == (1000, 1000), "the caller's image is as it was"
        full = pixels(decode(path))
        assert np.array_equal(pixels(lazy.convert("RGB")), full)
        assert np.array_equal(pixels(lazy), full), "once it is decoded there are only its pixels"
    difference = np.abs(full.astype(int) - expected).mean()
    assert 0 < difference < 6  # grey levels; 2.7 over 89 photographs that were halved


def test_a_frame_that_was_chosen_is_the_one_that_counts() -> None:
    frames = [Image.fromarray(draw("rings", seed, side=80)) for seed in (1, 2)]
    stream = io.BytesIO()
    frames[0].save(stream, "TIFF", save_all=True, append_images=frames[1:])
    with Image.open(stream) as image:
        image.seek(1)
        assert np.array_equal(pixels(image), pixels(frames[1]))


def test_threads_may_share_a_file_and_an_image(tmp_path: Path) -> None:
    made = files(tmp_path)
    expected = {name: pixels(path) for name, path in made.items()}
    with ThreadPoolExecutor(8) as pool:
        for name, path in made.items():
            with path.open("rb") as file, Image.open(path) as image:
                for source in (file, image):
                    found = list(pool.map(pixels, [source] * 16))
                    assert all(np.array_equal(one, expected[name]) for one in found), name


def test_names_become_paths_and_any_iterable_will_do() -> None:
    assert listed(iter(["a.jpg", Path("b.jpg")])) == [Path("a.jpg"), Path("b.jpg")]
    assert listed(()) == []
    assert listed({Path("c.jpg"): 1}) == [Path("c.jpg")]


@pytest.mark.parametrize(
    ("single", "found"),
    [
        (lambda: "a.jpg", r"a single path \(str\)"),
        (lambda: Path("a.jpg"), "a single path"),
        (lambda: b"\xff\xd8", r"a single bytes \(bytes\)"),
        (lambda: io.BytesIO(b""), r"a single open file \(BytesIO\)"),
        (lambda: Image.new("RGB", (2, 2)), r"a single Pillow image \(Image\)"),
        (lambda: np.zeros((2, 2, 3), np.uint8), r"a single array uint8 \(2, 2, 3\)\n   to do: put it in a list"),
        (
            lambda: np.zeros((5, 2, 2, 3), np.uint8),
            r"a single array uint8 \(5, 2, 2, 3\)\n   to do: give list\(array\)",
        ),
        (lambda: 7, "a single int"),
    ],
)
def test_a_single_picture_is_refused_with_what_to_do(single: Callable[[], Any], found: str) -> None:
    with pytest.raises(OptionError, match=f"expected: a sequence of pictures\n   found: {found}"):
        listed(single())


def test_what_is_no_picture_is_named_with_its_position_all_at_once() -> None:
    wrong = [
        np.zeros((2, 2, 3), np.float32), "a.jpg", np.zeros((2, 2, 2), np.uint8), None, np.zeros((0, 2, 3), np.uint8),
    ]  # fmt: skip
    with pytest.raises(OptionError) as caught:
        listed(wrong)  # type: ignore[arg-type]
    assert [problem.found for problem in caught.value.problems] == [
        "array float32 (2, 2, 3) at position 0",
        "array uint8 (2, 2, 2) at position 2",
        "NoneType at position 3",
        "array uint8 (0, 2, 3) at position 4",
    ]
    assert "(h, w, 3), (h, w, 4) or (h, w)" in caught.value.problems[0].todo


def test_files_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text")
    with (tmp_path / "a.txt").open() as text, pytest.raises(UnreadableImageError, match="binary mode"):
        pixels(text)
    closed = io.BytesIO(b"")
    closed.close()
    with pytest.raises(UnreadableImageError, match="cannot be read: I/O operation on closed file"):
        pixels(closed)
    with pytest.raises(UnreadableImageError, match="cannot be opened"):
        pixels("a\0b.jpg")
    with pytest.raises(UnreadableImageError, match="not found"):
        pixels(tmp_path / "gone.jpg")
    image = Image.open(io.BytesIO(encode(draw("rings", 1))))
    assert image.fp is not None
    image.fp.close()
    with pytest.raises(UnreadableImageError, match="damaged"):
        pixels(image)
