"""Pretraining has to beat what needs none; where it does not, that is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from headstart.claims.colour_baseline import LENGTH, Transfer, colour_histogram, colours, transfer
from headstart.images.decode import encode


def write(folder: Path, pictures: list[NDArray[np.uint8]]) -> list[Path]:
    folder.mkdir()
    paths = [folder / f"{i:03d}.png" for i in range(len(pictures))]
    for path, picture in zip(paths, pictures, strict=True):
        path.write_bytes(encode(picture, format="PNG"))
    return paths


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """120 pictures of noise, the second half redder: the classes are colours and nothing else."""
    rng = np.random.default_rng(0)
    pictures = []
    for i in range(120):
        picture = rng.integers(0, 200, (24, 24, 3))
        picture[..., 0] += 55 * (i >= 60)
        pictures.append(picture.astype(np.uint8))
    return write(tmp_path_factory.mktemp("noise") / "all", pictures)


Y = np.repeat([0, 1], 60)
TRAIN, TEST = np.arange(0, 120, 2), np.arange(1, 120, 2)


def judged(paths: list[Path], right: float, y: NDArray[np.int64] = Y, seed: int = 0) -> Transfer:
    """The check of a network that is right on a share of the test pictures."""
    rng = np.random.default_rng(seed)
    answers = np.where(rng.random(len(TEST)) < right, y[TEST], 1 - y[TEST])
    return transfer(
        np.eye(2)[answers],
        y[TEST],
        [paths[i] for i in TEST],
        train_paths=[paths[i] for i in TRAIN],
        train_y=y[TRAIN],
    )


def test_where_colours_say_it_all_there_is_no_sign_of_help(noise: list[Path]) -> None:
    found = judged(noise, 1.0)
    assert found.colours > 0.95
    assert found.verdict == "no sign that it helps"


def test_a_network_that_does_worse_than_colours_hurts(noise: list[Path]) -> None:
    found = judged(noise, 0.6)
    assert found.verdict == "hurts"
    assert found.p < 0.05


def test_where_colours_say_nothing_a_network_that_is_right_helps(noise: list[Path]) -> None:
    y = np.random.default_rng(1).permutation(Y)
    assert judged(noise, 0.95, y).verdict == "helps"


def test_labels_without_meaning_show_no_help(noise: list[Path]) -> None:
    verdicts = []
    for seed in range(20):
        y = np.random.default_rng(seed).permutation(Y)
        verdicts.append(judged(noise, 0.5, y, seed).verdict)
    assert verdicts.count("helps") <= 2  # 5 % of two-sided tests, half of them this way


def test_the_most_frequent_class_is_a_rival_too(noise: list[Path]) -> None:
    y = np.zeros(120, np.int64)
    y[::10] = 1  # training only
    y[1::20] = 1
    found = judged(noise, 0.9, y)
    assert found.majority == pytest.approx(0.9, abs=0.03)
    assert found.verdict == "no sign that it helps"


def test_a_plain_picture_fills_one_bin_of_each() -> None:
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = 255
    found = colour_histogram(red)
    assert found.shape == (118,)
    assert found[15] == found[16] == found[32] == 1  # brightest red, darkest green, darkest blue
    assert found[:48].sum() == 3
    assert found[48 + 3 * 16] == 1
    assert found[-6:].tolist() == [1, 0, 0, 0, 0, 0]


def test_where_the_colours_are_does_not_matter() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (16, 16, 3)).astype(np.uint8)
    assert colour_histogram(picture) == pytest.approx(colour_histogram(picture[::-1, ::-1]))


def test_files_in_the_order_given_and_zeros_for_what_cannot_be_read(tmp_path: Path) -> None:
    paths = []
    for number, value in enumerate((0, 128, 255)):
        paths.append(tmp_path / f"{number}.png")
        paths[-1].write_bytes(encode(np.full((30, 40, 3), value, np.uint8), format="PNG"))
    (tmp_path / "broken.png").write_bytes(b"no picture")
    found = colours([*paths, tmp_path / "broken.png", tmp_path / "gone.png"])
    assert found.shape == (5, LENGTH)
    assert found[:3, -6] == pytest.approx([0, 128 / 255, 1])
    assert not found[3:].any()
    assert colours([]).shape == (0, LENGTH)
