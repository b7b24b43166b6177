from __future__ import annotations

import math
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from headstart.images.decode import encode
from headstart.images.facts import FACTS, GREY, ImageFacts, jpeg_quality, number_in, unpacked
from pictures import draw


def written(path: Path, picture: np.ndarray, **options: object) -> Path:
    stream = BytesIO()
    Image.fromarray(picture).save(stream, **{"format": "JPEG", **options})
    path.write_bytes(stream.getvalue())
    return path


def measure(path: Path) -> ImageFacts:
    (facts,) = unpacked([path], [FACTS.of_file(path)]).images
    assert facts is not None
    return facts


@pytest.mark.parametrize("quality", [1, 10, 35, 50, 75, 90, 95, 100])
def test_the_quality_of_a_jpeg_is_read_from_its_tables(tmp_path: Path, quality: int) -> None:
    path = written(tmp_path / "a.jpg", draw("rings", 1), quality=quality)
    assert measure(path).quality == pytest.approx(quality, abs=0.6)


def test_a_file_tells_its_size_format_camera_and_time(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Kamera\0", "K 1"
    exif.get_ifd(0x8769)[0x9003] = "2021:03:04 05:06:07"
    path = written(tmp_path / "IMG_0042.jpg", draw("rings", 1, side=200)[:, :120], exif=exif)
    facts = measure(path)
    assert (facts.width, facts.height, facts.format) == (120, 200, "JPEG")
    assert facts.size == path.stat().st_size
    assert facts.camera == "Kamera K 1"
    assert facts.taken == 1614834367
    assert facts.number == 42


def test_a_turned_picture_has_its_upright_dimensions(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = written(tmp_path / "a.jpg", draw("rings", 1, side=200)[:, :120], exif=exif)
    facts = measure(path)
    assert (facts.width, facts.height) == (200, 120)


def test_what_a_file_does_not_tell_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encode(draw("rings", 1), format="PNG"))
    facts = measure(path)
    assert facts.camera == ""
    assert all(math.isnan(value) for value in (facts.quality, facts.taken, facts.number))
    assert math.isnan(facts.sharpness)  # smaller than the scale at which sharpness is measured


def test_a_clock_that_was_never_set_tells_nothing(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0132] = "0000:00:00 00:00:00"
    assert math.isnan(measure(written(tmp_path / "a.jpg", draw("rings", 1), exif=exif)).taken)


def test_blur_grey_and_blank_are_measured(tmp_path: Path) -> None:
    sharp = draw("rings", 1, side=320)
    soft = np.asarray(Image.fromarray(sharp).filter(ImageFilter.GaussianBlur(3)))
    grey = np.repeat(sharp[..., :1], 3, axis=2)
    blank = np.full_like(sharp, 200)
    facts = [measure(written(tmp_path / f"{i}.jpg", one)) for i, one in enumerate((sharp, soft, grey, blank))]
    assert facts[1].sharpness < facts[0].sharpness / 1.5
    assert facts[2].colour < GREY < facts[0].colour
    assert facts[3].contrast < 1 < facts[0].contrast
    assert math.isnan(facts[3].sharpness)


def test_a_frame_shows_in_the_border(tmp_path: Path) -> None:
    framed = draw("rings", 1, side=200)
    plain = measure(written(tmp_path / "plain.jpg", framed))
    framed[:10], framed[-10:], framed[:, :10], framed[:, -10:] = ((255, 0, 0),) * 4
    facts = measure(written(tmp_path / "framed.jpg", framed, quality=95))
    assert facts.border == pytest.approx((254, 0, 0), abs=3)
    assert facts.border_spread < 5 < plain.border_spread


def test_facts_are_in_order_and_of_unreadable_pictures_there_are_none(tmp_path: Path) -> None:
    good = written(tmp_path / "good.jpg", draw("rings", 1))
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no picture")
    paths = [good, bad, tmp_path / "gone.jpg", good]
    facts = unpacked(paths, [FACTS.of_file(path) for path in paths])
    assert [image is None for image in facts.images] == [False, True, True, False]
    assert facts.words("format") == ["JPEG", "", "", "JPEG"]
    assert np.isnan(facts.column("width")).tolist() == [False, True, True, False]
    assert facts.column("border").shape == (4, 3)


@pytest.mark.parametrize(
    ("name", "number"),
    [("cat.12.jpg", 12), ("IMG_0042.JPG", 42), ("1030023514_aad5c608f9.jpg", 1030023514), ("a2_31_b.png", 31)],
)
def test_the_number_in_a_name_is_its_longest_row_of_digits(name: str, number: int) -> None:
    assert number_in(name) == number


def test_no_digits_and_no_table_are_no_number() -> None:
    assert math.isnan(number_in("cat.jpg"))
    assert math.isnan(jpeg_quality(()))


def test_what_is_kept_does_not_depend_on_the_name(tmp_path: Path) -> None:
    path = written(tmp_path / "shot 0042.jpg", draw("rings", 1), quality=71)
    kept = FACTS.of_file(path)
    assert kept == FACTS.of_file(path.rename(tmp_path / "shot 7.jpg"))
    first, renamed = unpacked([path, tmp_path / "shot 7.jpg"], [kept, kept]).images
    assert first is not None
    assert renamed is not None
    assert (first.number, renamed.number) == (42, 7)
    np.testing.assert_equal(vars(replace(first, number=7.0)), vars(renamed))
