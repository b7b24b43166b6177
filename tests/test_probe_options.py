from __future__ import annotations

from headstart.backbones import catalog
from headstart.options import FitOptions
from headstart.probe.options import ProbeOptions


def test_sizes_are_the_backbones_own_unless_named() -> None:
    backbone = catalog.get("efficientnet_lite0")
    assert ProbeOptions.of(FitOptions(), backbone).sizes == backbone.sizes
    options = ProbeOptions.of(FitOptions(sizes=(64,), random_state=3, class_weight="balanced"), backbone)
    assert (options.sizes, options.seed, options.balanced) == ((64,), 3, True)
