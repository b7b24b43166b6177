import io
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from headstart.errors import ModelError, OptionError, UnreadableImageError
from headstart.images.decode import encode, resample
from headstart.images.grey_levels import Levels
from headstart.images.transforms import FEW_SHOT_VIEWS, Geometry, View, augmented, load, rotated, vary, window
from headstart.schema import read_record
from pictures import draw


def noise(width: int, height: int, seed: int = 0) -> np.ndarray:
    """Smooth random colours, so that resampling is close however it is done."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    return np.array(small.resize((width, height), Image.Resampling.BICUBIC))


def png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def test_crop_is_resizing_the_shorter_side_then_cutting_the_centre() -> None:
    pixels = noise(240, 120)
    ours = load(png(pixels), Geometry(size=56))[0]
    resized = resample(pixels, size=(128, 64))
    plain = resized[4:60, 36:92]
    assert ours.shape == (56, 56, 3)
    assert np.abs(ours.astype(int) - plain).max() <= 1


def test_squash_keeps_everything() -> None:
    pixels = noise(90, 30)
    squashed = load(png(pixels), Geometry(size=32, mode="squash"))[0]
    np.testing.assert_array_equal(squashed, resample(pixels, size=(32, 32)))


def test_windows_of_all_views() -> None:
    crop, squash = Geometry(size=56), Geometry(size=56, mode="squash")
    assert window(View.CENTRE, crop, 200, 128) == window(View.FLIP, crop, 200, 128) == (44, 8, 156, 120)
    assert window(View.TOP_LEFT, crop, 200, 128) == (0, 0, 112, 112)
    assert window(View.TOP_RIGHT, crop, 200, 128) == (88, 0, 200, 112)
    assert window(View.BOTTOM_LEFT, crop, 200, 128) == (0, 16, 112, 128)
    assert window(View.BOTTOM_RIGHT, crop, 200, 128) == (88, 16, 200, 128)
    assert window(View.CENTRE, squash, 200, 128) == (0, 0, 200, 128)
    assert window(View.BOTTOM_RIGHT, squash, 200, 128) == (25, 16, 200, 128)


def test_a_view_does_not_depend_on_the_others() -> None:
    source, geometry = png(noise(150, 100)), Geometry(size=48)
    together = load(source, geometry, FEW_SHOT_VIEWS)
    assert together.shape == (6, 48, 48, 3)
    assert together.dtype == np.uint8
    assert together.flags.writeable
    for view, pixels in zip(FEW_SHOT_VIEWS, together, strict=True):
        np.testing.assert_array_equal(load(source, geometry, [view])[0], pixels)
    np.testing.assert_array_equal(together[1], together[0][:, ::-1])
    assert len({pixels.tobytes() for pixels in together}) == 6


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1), (3, 5), (1000, 37)])
@pytest.mark.parametrize("mode", ["crop", "squash"])
@pytest.mark.parametrize("crop_pct", [0.3, 0.875, 0.95, 1.0])
def test_any_proportions_any_crop(size: tuple[int, int], mode: str, crop_pct: float) -> None:
    source = png(np.full((size[1], size[0], 3), 99, np.uint8))
    geometry = Geometry(size=37, mode=mode, crop_pct=crop_pct)
    assert (load(source, geometry, FEW_SHOT_VIEWS) == 99).all()
    assert (augmented(source, geometry, [1])[0] == 99).all()


def test_file_and_bytes_give_the_same_pixels(tmp_path: Path) -> None:
    path = tmp_path / "picture"
    path.write_bytes(png(noise(80, 80)))
    geometry = Geometry(size=24)
    np.testing.assert_array_equal(load(path, geometry), load(path.read_bytes(), geometry))
    with pytest.raises(UnreadableImageError, match="not a picture"):
        load(b"text", geometry)


def test_large_jpeg_keeps_enough_pixels() -> None:
    stream = io.BytesIO()
    pixels = noise(1600, 1200)
    Image.fromarray(pixels).save(stream, "JPEG", quality=95)
    for geometry in (Geometry(size=64), Geometry(size=64, mode="squash")):
        quick = load(stream.getvalue(), geometry)[0].astype(int)
        full = load(png(pixels), geometry)[0].astype(int)
        assert np.abs(quick - full).mean() < 3


def test_augmented_is_seeded_and_varies() -> None:
    source, geometry = png(noise(120, 90)), Geometry(size=32)
    np.testing.assert_array_equal(augmented(source, geometry, [5])[0], augmented(source, geometry, [5])[0])
    several = {augmented(source, geometry, [seed])[0].tobytes() for seed in range(20)}
    assert len(several) == 20
    assert augmented(source, geometry, [0])[0].shape == (32, 32, 3)


def test_augmented_mirrors_half_and_covers_a_third_to_all() -> None:
    # Red grows to the right and green downwards: a crop's corners tell where it was cut and whether it was mirrored.
    size = 400
    red, green = np.meshgrid(np.linspace(0, 255, size), np.linspace(0, 255, size))
    source = png(np.stack([red, green, np.zeros_like(red)], axis=2).astype(np.uint8))
    mirrored, areas = [], []
    for seed in range(200):
        cut = augmented(source, Geometry(size=16), [seed])[0].astype(float)
        across, down = cut[8, 15, 0] - cut[8, 0, 0], cut[15, 8, 1] - cut[0, 8, 1]
        mirrored.append(across < 0)
        areas.append(abs(across) * down / 255**2 * (16 / 15) ** 2)
    assert 0.4 < np.mean(mirrored) < 0.6
    assert 0.3 < min(areas) < 0.45
    assert 0.85 < max(areas) < 1.05


def test_key_holds_all_that_changes_pixels() -> None:
    base = Geometry(size=224)
    others = [
        Geometry(size=225),
        Geometry(size=224, mode="squash"),
        Geometry(size=224, crop_pct=0.9),
        Geometry(size=224, interpolation="bilinear"),
    ]
    assert len({geometry.key() for geometry in [base, *others]}) == 5
    assert Geometry(size=9, mode="squash", crop_pct=0.5).key() == Geometry(size=9, mode="squash").key()
    assert all(letter.isalnum() or letter in ".-" for letter in base.key()), "fit for a file name"
    assert "pillow" in base.key()
    levelled = [Geometry(size=base.size, levels=Levels(integers=(0.0, white))) for white in (1023.0, 4095.0)]
    assert len({geometry.key() for geometry in levelled}) == 2
    assert all(letter.isalnum() or letter in ".-" for letter in levelled[0].key())


def test_a_geometry_survives_json() -> None:
    for levels in (None, Levels(integers=(0.0, 4095.0)), Levels(floats=(-5.5, 35.0))):
        geometry = Geometry(size=9, mode="squash", levels=levels)
        document = json.loads(json.dumps(asdict(geometry)))
        assert read_record(Geometry, document, "geometry", todo="train again", error=ModelError) == geometry


def test_options_survive_json() -> None:
    geometry = Geometry(size=224, mode="squash", crop_pct=0.95, interpolation="lanczos")
    assert Geometry(**json.loads(json.dumps(asdict(geometry)))) == geometry


def test_all_wrong_options_are_named_at_once() -> None:
    with pytest.raises(OptionError) as caught:
        Geometry(size=0, mode="zoom", crop_pct=1.5, interpolation="nearest")
    assert len(caught.value.problems) == 4
    for text in (
        "4 problems",
        "size: from 1 to 2048",
        "'zoom'",
        "crop_pct: from 0.25 to 1",
        "bilinear or bicubic or lanczos",
    ):
        assert text in str(caught.value)


SQUASHED = Geometry(size=48, mode="squash")


def test_a_quarter_turn_is_numpy_s() -> None:
    picture = draw("rings", 0, side=33)
    np.testing.assert_array_equal(rotated(picture, 0.25), np.rot90(picture))
    np.testing.assert_array_equal(rotated(picture, 0.0), picture)


def test_what_comes_from_outside_is_mirrored() -> None:
    picture = np.zeros((16, 16, 3), np.uint8)
    picture[0] = 200  # after an eighth of a turn, a corner shows what lies above the edge: the edge again
    assert (rotated(picture, 0.125) > 0).any()
    plain = np.full((16, 16, 3), 77, np.uint8)
    assert (rotated(plain, 0.13) == 77).all()


@pytest.mark.parametrize("kind", ["crop", "rotate"])
def test_same_seed_same_pixels_and_seeds_differ(kind: str) -> None:
    source = encode(draw("stripes", 1))
    views = vary(source, SQUASHED, kind, (0, 0, 1, 2), area=(0.3, 1.0), turn=0.2)
    np.testing.assert_array_equal(views[0], views[1])
    assert len({view.tobytes() for view in views}) == 3
    assert views[0].shape == (48, 48, 3)


def test_none_is_the_plain_view() -> None:
    source = encode(draw("blobs", 1))
    (plain,) = vary(source, SQUASHED, "none", [5], area=(0.3, 1.0), turn=0.2)
    np.testing.assert_array_equal(plain, load(source, SQUASHED)[0])


def test_half_of_the_turned_views_are_mirrored() -> None:
    picture = np.zeros((32, 32, 3), np.uint8)
    picture[:, 16:] = 255
    source = encode(picture, format="PNG")
    views = vary(source, SQUASHED, "rotate", range(60), area=(1, 1), turn=0.05)
    right = [view[:, 30:].mean() > 128 for view in views]
    assert 15 <= sum(right) <= 45
