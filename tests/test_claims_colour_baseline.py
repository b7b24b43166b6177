"""Pretraining has to beat what needs none; where it does not, that is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import Ridge

from headstart.claims import colour_baseline
from headstart.claims.colour_baseline import LENGTH, Transfer, colour_histogram, colours, out_of_fold, transfer
from headstart.images.decode import encode
from headstart.images.splits import folds


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


def data(n: int = 90, d: int = 30) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, n)
    return rng.normal(size=(n, d)) + 1.2 * np.eye(3)[y] @ rng.normal(size=(3, d)), y


def test_the_answers_are_those_of_ridge_regression(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(colour_baseline, "STRENGTHS", (0.1,))
    X, y = data()
    splits = folds(y, np.arange(90), seed=0)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    expected = np.empty(90, dtype=int)
    for train, test in splits:
        inner = Z[train] - Z[train].mean(axis=0)
        penalty = 0.1 * np.trace(inner @ inner.T) / len(train)
        expected[test] = Ridge(alpha=penalty).fit(Z[train], np.eye(3)[y[train]]).predict(Z[test]).argmax(axis=1)
    assert (out_of_fold(X, y, np.arange(90), splits) == expected).mean() > 0.98


def test_it_learns_what_there_is_and_nothing_else() -> None:
    X, y = data()
    splits = folds(y, np.arange(90), seed=0)
    assert (out_of_fold(X, y, np.arange(90), splits) == y).mean() > 0.85
    noise = np.random.default_rng(1).normal(size=X.shape)
    assert (out_of_fold(noise, y, np.arange(90), splits) == y).mean() < 0.55


def test_features_that_never_change_are_no_harm() -> None:
    X, y = data()
    splits = folds(y, np.arange(90), seed=0)
    padded = np.c_[X, np.full((90, 5), 7.0)]
    assert (out_of_fold(padded, y, np.arange(90), splits) == out_of_fold(X, y, np.arange(90), splits)).all()
    assert out_of_fold(np.zeros((90, 4)), y, np.arange(90), splits).shape == (90,)


def test_copies_do_not_choose_the_strength() -> None:
    """Noise and its copies: leaving out one picture alone, its copy gives the answer away and weak penalties win."""
    rng = np.random.default_rng(2)
    X, y = np.repeat(rng.normal(size=(60, 200)), 2, axis=0), np.repeat(rng.integers(0, 2, 60), 2)
    X[:, 0] += 3 * y
    groups = np.arange(120) // 2
    splits = folds(y, groups, seed=0)
    known = (out_of_fold(X, y, groups, splits) == y).mean()
    unknown = (out_of_fold(X, y, np.arange(120), splits) == y).mean()
    assert known >= unknown
