from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from headstart.backbones.space import NetworkSpec
from headstart.features.extract import Found, Misses, here
from headstart.features.table import FeatureTable, Workbench
from headstart.images.decode import encode
from headstart.images.folder import scan
from headstart.images.grouping import read
from headstart.images.processes import CORES
from headstart.images.threads import cores
from headstart.options import FitOptions
from headstart.pipeline import NOTES
from headstart.probe.forecast import DECODE_S, REMEMBERED, WIDEST, Work, forecast, remember, work_of
from pictures import draw

TINY = "test_efficientnet.r160_in1k"
WORK = Work(pictures=400, train=240, classes=2, fewest=100, base=0, again=0, larger=0.0)
NEW = replace(WORK, base=400, again=400, larger=1200.0)


@pytest.fixture
def network(tmp_path: Path) -> NetworkSpec:
    return NetworkSpec.named(TINY, "random", cache=tmp_path)


def test_there_is_nothing_to_do_for_what_is_in_the_store(network: NetworkSpec, photos: Path) -> None:
    images = read(photos, None)
    with Workbench.open(network) as bench:
        before = work_of(images, bench, (64, 96))
        assert replace(before, decode=0.0) == Work(
            pictures=40, train=40, classes=2, fewest=20, base=40, again=40, larger=pytest.approx(90.0)
        )
        FeatureTable(images, bench).fill(64)
        assert replace(work_of(images, bench, (64, 96)), decode=0.0) == replace(before, base=0, decode=0.0)
        FeatureTable(images, bench).fill(96)
        known = work_of(images, bench, (64, 96))
        assert known == replace(before, base=0, again=0, larger=0.0, decode=0.0), "nothing is decoded to foresee it"


@pytest.mark.skipif(cores() >= CORES, reason="other processes decode where there are so many cores")
def test_large_pictures_take_longer(network: NetworkSpec, tmp_path: Path) -> None:
    for name, side in (("small", 300), ("large", 1800)):
        for number in range(8):
            file = tmp_path / name / "ab"[number % 2] / f"{number}.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(encode(draw("rings", number, side=side)))
    with Workbench.open(network) as bench:
        small, large = (work_of(scan(tmp_path / name), bench, (64,), NOTES).decode for name in ("small", "large"))
    assert 0 < 3 * small < large, "36 times as many pixels, some of which a JPEG is not decoded to"
    foreseen = [replace(NEW, decode=seconds) for seconds in (0.0, 0.01)]
    assert foreseen[1].first - foreseen[0].first == pytest.approx(0.01 * NEW.base)


@pytest.mark.skipif(cores() >= CORES, reason="other processes decode where there are so many cores")
def test_pictures_that_cannot_be_read_are_foreseen_too(network: NetworkSpec, photos: Path, tmp_path: Path) -> None:
    shutil.copytree(photos, tmp_path / "photos")
    images = scan(tmp_path / "photos")
    for path in images.paths:
        path.unlink()
    with Workbench.open(network) as bench:
        assert work_of(images, bench, (64,), NOTES).decode == 0.0


def test_the_network_takes_what_it_takes_here(network: NetworkSpec) -> None:
    with Workbench.open(network) as bench:
        bench.measured = 100.0, 64
        known, new = (forecast(work, bench, FitOptions(), 64) for work in (WORK, NEW))
        assert new.first - known.first == pytest.approx(4.0 + NEW.first - WORK.first, abs=0.1)
        assert new.least - new.first == pytest.approx(NEW.questions + 2.4, abs=0.1)
        assert known.least - known.first == pytest.approx(WORK.questions, abs=0.1)
        assert new.most - new.least == pytest.approx(NEW.sizes + 12.0, abs=0.1)
        assert known.most - known.least == pytest.approx(WORK.sizes, abs=0.1)


def test_a_machine_is_as_fast_as_its_last_runs_were(network: NetworkSpec) -> None:
    with Workbench.open(network) as bench:
        bench.measured = 100.0, 64
        for factor in (1.5, 3.0, 300.0):  # the last one beside other work
            remember(NEW, 4.0 + factor * NEW.first, bench, 64)
        assert forecast(WORK, bench, FitOptions(), 64).first == pytest.approx(3.0 * WORK.first, abs=0.2)
        for _ in range(REMEMBERED):
            remember(WORK, 1_000.0 * WORK.first, bench, 64)
        assert forecast(WORK, bench, FitOptions(), 64).first == pytest.approx(WIDEST * WORK.first, abs=0.2)


def test_a_network_that_may_not_be_needed_is_not_timed_again(network: NetworkSpec) -> None:
    larger = replace(WORK, larger=1200.0)
    with Workbench.open(network) as bench:
        bench.measured = 10.0, 64
        remember(NEW, 40.0 + NEW.first, bench, 64)
        bench.measured = None
        foreseen = forecast(larger, bench, FitOptions(until="sizes"), 64)
        assert foreseen.most - foreseen.least == pytest.approx(WORK.sizes + 120.0, abs=0.1)
        bench.measured = None
        forecast(replace(NEW, base=1), bench, FitOptions(), 64)
        assert bench.measured is not None
        assert bench.measured[0] > 20.0, "where there are pictures to compute, it is timed now"


def test_what_is_not_asked_for_takes_no_time(network: NetworkSpec) -> None:
    with Workbench.open(network) as bench:
        first = forecast(WORK, bench, FitOptions(until="first"), 64)
        assert (first.most, first.questions, first.may_tune) == (first.first, 0.0, False)
        sizes = forecast(WORK, bench, FitOptions(until="sizes"), 64)
        assert sizes.least == sizes.first < sizes.most
        assert not forecast(WORK, bench, FitOptions(finetune="never"), 64).may_tune


def test_many_classes_and_views_take_longer() -> None:
    few = replace(WORK, train=96, classes=12, fewest=8)
    assert few.choosing > 2 * replace(few, fewest=17).choosing > 4 * replace(few, fewest=17, classes=2).choosing


def test_nothing_is_decoded_here_where_other_processes_decode(network: NetworkSpec, photos: Path) -> None:
    images = read(photos, None)

    def elsewhere(misses: Misses) -> Iterator[Found | str]:
        return here(misses)

    with Workbench.open(network, engine=elsewhere) as bench:
        assert work_of(images, bench, (64,), NOTES).decode == DECODE_S / cores()
