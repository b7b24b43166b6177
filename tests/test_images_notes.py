from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from headstart.images import decode as decoding
from headstart.images.decode import DecodedImage, Picture, encode, resample
from headstart.images.grey_levels import Levels
from headstart.images.notes import NOTED_AT, Note, load_with_notes
from headstart.images.transforms import Geometry, View, load
from pictures import draw

SIZE = Note(name="size1", of=lambda picture: f"{picture.image.width}×{picture.image.height}".encode())
MEAN = Note(name="mean1", of=lambda picture: f"{picture.square.mean():.3f}".encode())


def jpeg(width: int, height: int) -> bytes:
    return encode(draw("rings", 1, side=max(width, height))[:height, :width])


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one with each picture that is decoded."""
    loads: list[int] = []
    real = decoding._loaded

    def counting(image: object, levels: Levels | None) -> object:
        loads.append(1)
        return real(image, levels)  # type: ignore[arg-type]

    monkeypatch.setattr(decoding, "_loaded", counting)
    return loads


@pytest.mark.parametrize(
    ("data", "size", "decodes"),
    [
        (jpeg(500, 375), 224, 1),
        (jpeg(500, 375), 384, 1),  # too small to be reduced for either
        (jpeg(2200, 2100), 224, 1),  # reduced alike
        (jpeg(2200, 2100), 384, 2),  # 439 pixels need another scale than 256
        (encode(draw("rings", 1, side=900), format="PNG"), 384, 1),
        (jpeg(90, 60), 224, 1),
    ],
)
def test_a_file_is_decoded_once_where_the_scale_is_the_same(
    data: bytes, size: int, decodes: int, decoded: list[int]
) -> None:
    geometry, views = Geometry(size=size), (View.CENTRE, View.FLIP)
    pixels, notes = load_with_notes(data, geometry, views, [SIZE, MEAN])
    assert len(decoded) == decodes
    np.testing.assert_array_equal(pixels, load(data, geometry, views))
    assert notes == [SIZE.of_file(data), MEAN.of_file(data)]


@pytest.mark.parametrize(
    ("width", "height"), [(90, 60), (511, 700), (512, 512), (1030, 2100), (2047, 2050), (2048, 2050), (4100, 4200)]
)
@pytest.mark.parametrize("at_least", [60, 128, 256, 439, 600])
def test_pixels_are_known_to_be_those_of_another_request(width: int, height: int, at_least: int) -> None:
    data = jpeg(width, height)
    with DecodedImage.read_all(data, at_least=NOTED_AT) as picture:
        with DecodedImage.read_all(data, at_least=at_least) as other:
            same = (picture.image.width, picture.image.height) == (other.image.width, other.image.height)
        assert picture.is_as_of(at_least) == same
        assert picture.is_as_of(NOTED_AT)


def test_without_notes_nothing_is_taken_and_any_picture_will_do() -> None:
    pixels = draw("rings", 1)
    shown, notes = load_with_notes(pixels, Geometry(size=32), (View.CENTRE,), [])
    assert (shown.shape, notes) == ((1, 32, 32, 3), [])
    assert load_with_notes(pixels, Geometry(size=32), (View.CENTRE,), [SIZE])[1] == []


def test_a_file_that_cannot_be_read_has_no_note(tmp_path: Path) -> None:
    assert SIZE.of_file(b"no picture") is None
    (tmp_path / "text.jpg").write_text("no picture either")
    assert SIZE.of_file(tmp_path / "text.jpg") is None
    assert SIZE.of_file(tmp_path / "gone.jpg") is None


def test_levels_are_part_of_the_key() -> None:
    levels = Levels(integers=(0.0, 4095.0))
    assert SIZE.space(levels) == f"{SIZE.space(None)}|{levels.key()}"
    assert SIZE.space(None) != MEAN.space(None)


def test_small_pictures_are_not_made_larger() -> None:
    def shapes(picture: Picture) -> tuple[tuple[int, ...], ...]:
        return picture.small.pixels().shape, picture.square.shape

    for data, shape in ((jpeg(90, 60), (60, 90, 3)), (jpeg(400, 320), (160, 200, 3))):
        with DecodedImage.read_all(data, at_least=NOTED_AT) as picture:
            assert shapes(picture) == (shape, (64, 64, 3))


def test_large_pictures_are_averaged_before_they_are_made_small() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    pixels = resample(noise, size=(1600, 1200))
    with DecodedImage.read_all(encode(pixels, format="PNG"), at_least=NOTED_AT) as picture:
        whole = DecodedImage.resampled(picture.image, (213, 160), None, "bilinear")
        apart = np.abs(picture.small.pixels().astype(int) - whole)
        square = np.abs(picture.square.astype(int) - picture.image.resampled((64, 64), None, "bilinear"))
    assert apart.max() <= 3
    assert square.max() <= 3
