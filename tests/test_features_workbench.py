from __future__ import annotations

from pathlib import Path

import pytest

from headstart.backbones.space import NetworkSpec
from headstart.features.store import FeatureStore
from headstart.features.workbench import Workbench
from tiny import TinyNetwork


def test_a_network_is_prepared_once_a_size(tmp_path: Path) -> None:
    with FeatureStore(tmp_path) as store:
        bench = Workbench(store=store, network=TinyNetwork())  # type: ignore[arg-type]
        assert not bench.is_open(32)
        assert bench.space(32) is bench.space(32)
        assert bench.is_open(32)
        other = bench.through(bench.space(32))
        assert other.space(64) is bench.space(32)
        assert other.store is store
        assert bench.with_network(TinyNetwork()).space(32) is not bench.space(32)  # type: ignore[arg-type]


def test_a_rate_grows_smaller_with_the_pixels(tmp_path: Path) -> None:
    with FeatureStore(tmp_path) as store:
        bench = Workbench(store=store, network=TinyNetwork())  # type: ignore[arg-type]
        assert bench.rate(32, measure=False) is None
        bench.saw(1, 1.0, 32)
        assert bench.rate(32, measure=False) is None  # too few to say
        bench.saw(100, 2.0, 32)
        assert bench.rate(32) == 50
        assert bench.rate(64) == pytest.approx(12.5)


def test_the_store_is_closed_when_the_work_is_done(cache: Path) -> None:
    network = NetworkSpec.named("efficientnet_lite0", "random", cache=cache)
    with Workbench.open(network, budget=60.0) as bench:
        assert bench.clock.deadline is not None
        assert network.untrained() == network
    with pytest.raises(Exception, match="closed"):
        bench.store.known("space", ["00"])
