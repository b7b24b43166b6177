from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from headstart.audit.duplicates import deduplicate, find_duplicates
from headstart.audit.leak import measure_leak
from headstart.images.decode import encode
from headstart.images.folder import scan
from headstart.probe.choice import choose
from headstart.probe.trials import ProbeOptions
from headstart.store import FeatureStore
from pictures import scene
from tiny import tiny_table


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
    assert leak.leaky > leak.deduplicated
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
    assert leak.optimism.value > 60 / 80 * 0.1
    assert leak.optimism.value == pytest.approx(leak.leaky - leak.deduplicated)
