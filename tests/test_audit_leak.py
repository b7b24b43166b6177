from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from headstart.audit.deduplication import deduplicate
from headstart.audit.duplicates import find_duplicates
from headstart.audit.leak import Leak, measure_leak, paired_difference
from headstart.features.store import FeatureStore
from headstart.images.decode import encode
from headstart.images.folder import scan
from headstart.probe.choice import choose
from headstart.probe.options import ProbeOptions
from pictures import scene
from tiny import tiny_table


def test_the_interval_is_bonett_and_prices() -> None:
    a = np.repeat([True, True, False, False], [70, 10, 4, 16])
    b = np.repeat([True, False, True, False], [70, 10, 4, 16])
    found = paired_difference(a, b)
    # (10 + 1)/102 = 0.10784, (4 + 1)/102 = 0.04902: 0.05882 ± 1.95996 √((0.15686 − 0.05882²)/102)
    assert found.value == pytest.approx(0.06)
    assert (found.low, found.high) == (pytest.approx(-0.01719, abs=1e-5), pytest.approx(0.13483, abs=1e-5))
    assert found.method == "Bonett–Price"


def test_no_difference_has_an_interval_with_a_width() -> None:
    found = paired_difference(np.ones(50), np.ones(50))
    assert found.value == 0
    assert found.low == -found.high < -0.02


def test_differences_that_come_in_groups_make_it_wider() -> None:
    a, b = np.repeat([1, 1, 0], [60, 20, 20]), np.repeat([1, 0, 0], [60, 20, 20])
    groups = np.arange(100) // 10
    alone, grouped = paired_difference(a, b), paired_difference(a, b, groups=groups)
    assert grouped.high - grouped.low > 2 * (alone.high - alone.low)
    assert grouped.method == "Bonett–Price, 10 groups"


def test_the_interval_covers() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(500):
        kind = rng.choice(3, 150, p=[0.95, 0.035, 0.015])  # the same, only a right, only b right
        found = paired_difference(kind != 2, kind != 1)
        covered += found.low <= 0.02 <= found.high
    assert 0.93 <= covered / 500 <= 0.99


@pytest.fixture
def leaky(tmp_path: Path) -> Path:
    """Labels that mean nothing; in training, copies of half the test pictures, each four times."""
    rng = np.random.default_rng(0)
    for split, first, count in (("train", 0, 24), ("test", 100, 24)):
        for number in range(first, first + count):
            here = tmp_path / "photos" / split / ("a" if number % 2 else "b")
            here.mkdir(parents=True, exist_ok=True)
            (here / f"{number}.png").write_bytes(encode(tinted(number), format="PNG"))
    for number in range(100, 112):
        for copy in range(4):
            label = "a" if number % 2 else "b"
            data = encode(tinted(number), quality=int(rng.integers(50, 95)))
            (tmp_path / "photos" / "train" / label / f"copy {number} {copy}").write_bytes(data)
    return tmp_path / "photos"


def tinted(number: int) -> np.ndarray:
    """A scene with colours of its own: six numbers, its mean and contrast, tell it from the others."""
    rng = np.random.default_rng(number)
    picture = scene(number) * rng.uniform(0.2, 0.9, 3) + rng.uniform(0, 25, 3)
    return picture.astype(np.uint8)


def test_what_copies_were_worth_is_measured_on_the_pictures_held_out(leaky: Path, tmp_path: Path) -> None:
    options = ProbeOptions(sizes=(32,))
    images = scan(leaky)
    with FeatureStore(tmp_path / "cache") as store:
        deduplicated = deduplicate(find_duplicates(tiny_table(images, store), 32))
        assert len(deduplicated.dropped) == 48
        assert {images.paths[i].name.split()[0] for i in deduplicated.dropped} == {"copy"}
        clean = tiny_table(deduplicated.images, store)
        choice = choose(clean, np.flatnonzero(deduplicated.images.split == "train"), options)
        leak = measure_leak(tiny_table(images, store), deduplicated, choice, options)
    assert leak is not None
    assert (leak.split, leak.copied, leak.optimism.n) == ("test", 12, 24)
    assert leak.optimism.value == pytest.approx(leak.leaky - leak.deduplicated)
    assert leak.copied_leaky > leak.copied_mended
    assert leak.optimism.low <= leak.optimism.value <= leak.optimism.high


def test_without_copies_there_is_no_leak(tmp_path: Path) -> None:
    for split, first in (("train", 0), ("test", 100)):
        for number in range(first, first + 8):
            here = tmp_path / "photos" / split / ("a" if number % 2 else "b")
            here.mkdir(parents=True, exist_ok=True)
            (here / f"{number}").write_bytes(encode(scene(number), format="PNG"))
    options = ProbeOptions(sizes=(32,))
    with FeatureStore(tmp_path / "cache") as store:
        table = tiny_table(scan(tmp_path / "photos"), store)
        deduplicated = deduplicate(find_duplicates(table, 32))
        choice = choose(table, np.flatnonzero(table.images.split == "train"), options)
        assert measure_leak(table, deduplicated, choice, options) is None


def test_the_sentence_says_what_it_was_worth_and_whether_that_is_sure() -> None:
    both = np.repeat([1, 1, 0], [85, 10, 5]), np.repeat([1, 0, 0], [85, 10, 5])
    leak = Leak(
        split="test", optimism=paired_difference(*both), leaky=0.95, deduplicated=0.85, copied=10, copied_leaky=1.0,
        copied_mended=0.0,
    )  # fmt: skip
    # 10/102 ± 1.95996 √((12/102 − (10/102)²)/102)
    assert leak.sentence == (
        "10 of 100 pictures of test had a copy in training. Trained on them, the accuracy of the head on frozen "
        "features would have been 95.0%; it is 85.0% without. The leak was worth +10.0 points "
        "(95 % interval +3.4 to +16.2). That is a real difference."
    )
    assert replace(leak, split="folds").sentence.startswith(
        "10 of 100 pictures have a near copy. Had folds torn the copies apart, the accuracy"
    )


def test_without_splits_it_is_measured_in_folds_that_tear_copies_apart(tmp_path: Path) -> None:
    for number in range(40):
        here = tmp_path / "photos" / ("a" if number % 2 else "b")
        here.mkdir(parents=True, exist_ok=True)
        (here / f"{number}.png").write_bytes(encode(tinted(number), format="PNG"))
        for copy in range(2 if number < 20 else 0):
            (here / f"{number} {copy}").write_bytes(encode(tinted(number), quality=90 - copy))
    options = ProbeOptions(sizes=(32,))
    with FeatureStore(tmp_path / "cache") as store:
        table = tiny_table(scan(tmp_path / "photos"), store)
        deduplicated = deduplicate(find_duplicates(table, 32))
        table.images = deduplicated.images
        choice = choose(table, np.arange(80), options)
        leak = measure_leak(table, deduplicated, choice, options)
    assert leak is not None
    assert (leak.split, leak.copied, leak.optimism.n) == ("folds", 60, 80)
    assert leak.copied_leaky > leak.copied_mended + 0.1
    assert leak.optimism.value == pytest.approx(60 / 80 * (leak.copied_leaky - leak.copied_mended))
