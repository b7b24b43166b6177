from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest

from headstart.errors import ModelError, OptionError
from headstart.images.grey_levels import FULL, Extent, Kind, Levels, Scale, eight_bits, levels_of
from headstart.schema import read_record


@pytest.mark.parametrize(
    ("kind", "levels", "expected"),
    [
        ("u2", [0, 257, 65535], [0, 1, 255]),
        (">u2", [0, 32768, 65535], [0, 128, 255]),
        ("i4", [0, 100, 255], [0, 100, 255]),
        ("i4", [0, 0, 1], [0, 0, 1]),  # 1 is the usual white in floating point alone
        ("i4", [0, 300, 65535], [0, 1, 255]),
        ("i4", [-10, 0, 10], [0, 128, 255]),
        ("i4", [0, 0, 70000], [0, 0, 255]),
        ("f4", [0.0, 0.5, 1.0], [0, 128, 255]),
        ("f4", [0.0, np.nan, np.inf], [0, 0, 0]),
        ("f4", [-3.0, -3.0, -3.0], [0, 0, 0]),
    ],
)
def test_white_is_the_smallest_usual_one_that_no_pixel_exceeds(kind: str, levels: list, expected: list[int]) -> None:
    scaled = eight_bits(np.array([levels], kind))
    assert scaled.dtype == np.uint8
    assert scaled.tolist() == [expected]


def test_alone_a_picture_of_16_bits_has_the_smallest_usual_white() -> None:
    for white in (1023, 4095, 16383, 65535):
        assert eight_bits(np.array([[0, white // 2, white]], np.uint16)).tolist() == [[0, 127, 255]]


def test_the_table_for_16_bits_gives_what_the_formula_does() -> None:
    values = np.arange(65536, dtype=np.uint16)[None]
    assert (eight_bits(values)[0] == np.rint(values[0].astype(np.float32) * (255.0 / 65535))).all()


def extents(kind: Kind, *bounds: Scale, scale: Scale | None = None) -> list[Extent]:
    return [Extent(kind=kind, darkest=low, brightest=high, scale=scale) for low, high in bounds]


@pytest.mark.parametrize(
    ("extents", "levels"),
    [
        ([], None),
        (extents("uint16", (0, 200), (5, 1000)), Levels(integers=(0, 1023))),
        (extents("uint16", (0, 200)), Levels(integers=(0, 1023))),  # 16 bits are for cameras of 10 at least
        (extents("uint16", (0, 200), (5, 1024)), Levels(integers=(0, 4095))),
        (extents("uint16", (0, 4096)), Levels(integers=(0, 16383))),
        (extents("uint16", (0, 65535), (0, 10)), Levels(integers=FULL)),
        (extents("integer", (0, 255)), Levels(integers=(0, 255))),
        (extents("integer", (0, 256)), Levels(integers=(0, 1023))),
        (extents("integer", (-1000, 3000), (-1024, 10)), Levels(integers=(-1024, 3000))),
        (extents("integer", (0, 100_000)), Levels(integers=(0, 100_000))),
        (extents("float", (0.0, 0.9)), Levels(floats=(0, 1))),
        (extents("float", (0.1, 0.2), (0.05, 0.1)), Levels(floats=(0.05, 0.2))),
        (extents("float", (-5.0, 10.0), (0.0, 35.0)), Levels(floats=(-5, 35))),
        (extents("float", (0.0, 200.0)), Levels(floats=(0, 255))),
        (extents("float", (10.0, 35.0)), Levels(floats=(10, 35))),
        (extents("float", (270.0, 270.3)), Levels(floats=(270, 270.3))),
        (extents("integer", (0, 1)), Levels(integers=(0, 1))),
        (extents("integer", (3000, 3100)), Levels(integers=(3000, 3100))),
        (extents("uint16", (3000, 3100)), Levels(integers=(0, 4095))),
        (extents("uint16", (0, 900)) + extents("float", (0.0, 1.0)), Levels(integers=(0, 1023), floats=(0, 1))),
        # what files say
        (extents("uint16", (0, 900), scale=(0, 4095)), Levels(integers=(0, 4095))),
        (extents("uint16", (0, 900), scale=(0, 4000)), Levels(integers=(0, 4000))),
        (extents("uint16", (0, 65520), (0, 900), scale=(0, 4095)), Levels(integers=FULL)),  # scaled, as PNG has it
        (extents("uint16", (0, 900)) + extents("uint16", (0, 800), scale=(0, 4095)), Levels(integers=(0, 4095))),
        (extents("uint16", (0, 900), scale=FULL), Levels(integers=FULL)),
        (extents("uint16", (0, 900)) + extents("uint16", (0, 60000), scale=FULL), Levels(integers=(0, 1023))),
    ],
)
def test_the_levels_of_a_set_hold_all_its_pictures(extents: list[Extent], levels: Levels | None) -> None:
    assert levels_of(extents) == levels
    assert levels_of([Extent.unpacked(extent.packed()) for extent in extents]) == levels


def test_a_dim_picture_stays_dimmer_than_a_bright_one() -> None:
    bright, dim = np.full((2, 2), 4000, np.uint16), np.full((2, 2), 1000, np.uint16)
    for kind in (np.uint16, np.int32, np.float32):
        assert eight_bits(bright.astype(kind), levels=Levels(integers=(0, 4095)))[0, 0] == 249
        assert eight_bits(dim.astype(kind), levels=Levels(integers=(0, 4095)))[0, 0] == 62


def read(document: object) -> Levels:
    return read_record(Levels, document, "levels", todo="train again", error=ModelError)


def test_levels_survive_json() -> None:
    for levels in (
        Levels(integers=(0.0, 4095.0)),
        Levels(floats=(-5.5, 1e7)),
        Levels(integers=FULL, floats=(0.0, 1.0)),
    ):
        assert read(json.loads(json.dumps(asdict(levels)))) == levels
        assert levels.key() != Levels(integers=(0.0, 1023.0)).key()


@pytest.mark.parametrize(
    "scale", [[1.0, 0.0], [0.0], [0.0, 1.0, 2.0], [0.0, float("nan")], [0.0, float("inf")], "ab", 7, {"a": 1}, []]
)
def test_levels_that_have_no_meaning_are_refused(scale: object) -> None:
    with pytest.raises(ModelError):
        read({"integers": scale})


def test_the_error_says_what_levels_are() -> None:
    with pytest.raises(OptionError, match=r"expected: floats: two finite numbers, black and white, in this order"):
        Levels(floats=(1.0, 0.0))
