from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from headstart.backbones.space import NetworkSpec
from headstart.features.forecast import REMEMBERED, WIDEST, Work, forecast, remember, work_of
from headstart.features.table import FeatureTable, Workbench
from headstart.images.grouping import read
from headstart.options import FitOptions

TINY = "test_efficientnet.r160_in1k"
WORK = Work(pictures=400, train=240, classes=2, base=400.0, larger=1200.0)


@pytest.fixture
def network(tmp_path: Path) -> NetworkSpec:
    return NetworkSpec.named(TINY, "random", cache=tmp_path)


def test_there_is_nothing_to_do_for_what_is_in_the_store(network: NetworkSpec, photos: Path) -> None:
    images = read(photos, None)
    with Workbench.open(network) as bench:
        before = work_of(images, bench, (64, 96))
        assert (before.pictures, before.train, before.classes) == (40, 40, 2)
        assert before.base == pytest.approx(40 * (64 / 224) ** 2)
        assert before.larger == pytest.approx(40 * (96 / 224) ** 2)
        FeatureTable(images, bench).fill(64)
        assert work_of(images, bench, (64, 96)) == replace(before, base=0.0)


def test_a_machine_is_as_fast_as_its_last_runs_were(network: NetworkSpec) -> None:
    options = FitOptions()
    with Workbench.open(network) as bench:
        for seconds in (1.5, 3.0, 300.0):  # the last one beside other work
            remember(WORK, seconds * WORK.first, network)
        foreseen = forecast(WORK, bench, options, 64)
        assert foreseen.first == pytest.approx(3.0 * WORK.first)
        assert foreseen.everything == pytest.approx(3.0 * (WORK.first + WORK.sizes + WORK.questions))
        assert foreseen.may_tune
        for _ in range(REMEMBERED):
            remember(WORK, WORK.first, network)
        assert forecast(WORK, bench, options, 64).first == pytest.approx(WORK.first)


def test_what_is_not_asked_for_takes_no_time(network: NetworkSpec) -> None:
    remember(WORK, WORK.first, network)
    with Workbench.open(network) as bench:
        first = forecast(WORK, bench, FitOptions(until="first"), 64)
        assert (first.everything, first.questions, first.may_tune) == (first.first, 0.0, False)
        sizes = forecast(WORK, bench, FitOptions(until="sizes"), 64)
        assert sizes.everything == pytest.approx(first.first + WORK.sizes)
        assert not forecast(WORK, bench, FitOptions(finetune="never"), 64).may_tune


def test_a_machine_without_a_run_is_judged_by_its_network(network: NetworkSpec) -> None:
    with Workbench.open(network) as bench:
        bench.measured = 220.0, 224
        assert forecast(WORK, bench, FitOptions(), 224).first == pytest.approx(WORK.first / 2)
        bench.measured = 0.1, 224
        assert forecast(WORK, bench, FitOptions(), 224).first == pytest.approx(WIDEST * WORK.first)
