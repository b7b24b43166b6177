"""Pretraining has to beat what needs none; where it does not, that is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from headstart.claims.colour_baseline import Transfer, histograms, transfer
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
    assert found.text.startswith("There is no sign that the pretrained network helps here: possibly negative transfer.")


def test_a_network_that_does_worse_than_colours_hurts(noise: list[Path]) -> None:
    found = judged(noise, 0.6)
    assert found.verdict == "hurts"
    assert found.p < 0.05
    assert found.text.startswith("Negative transfer: ")


def test_where_colours_say_nothing_a_network_that_is_right_helps(noise: list[Path]) -> None:
    y = np.random.default_rng(1).permutation(Y)
    assert judged(noise, 0.95, y).verdict == "helps"
    assert "helps here. It is right on" in judged(noise, 0.95, y).text


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


def test_a_histogram_counts_every_pixel_and_survives_what_cannot_be_read(tmp_path: Path) -> None:
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = 255
    paths = write(tmp_path / "one", [red])
    (tmp_path / "broken.png").write_bytes(b"no picture")
    found = histograms([*paths, tmp_path / "broken.png"])
    assert found.shape == (2, 64)
    assert found[0].nonzero()[0].tolist() == [48]  # the most red, the least green and blue
    assert not found[1].any()
