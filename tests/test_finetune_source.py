from __future__ import annotations

from pathlib import Path

from headstart.backbones import catalog, network
from headstart.backbones.split import FrozenPrefix, split
from headstart.backbones.weights import locate
from headstart.finetune.source import Source, sources


def test_each_cut_of_a_pass_is_a_source_of_its_own(cache: Path) -> None:
    backbone = catalog.get("test_efficientnet.r160_in1k")
    model = network.build(backbone, locate(backbone, random=True), size=32)
    cut = split(model, "blocks.4")
    assert cut.prefix is not None
    assert cut.suffix is not None
    frozen = FrozenPrefix(backbone, cut.prefix, cut.suffix, size=32)
    first, second = sources(
        backbone, frozen, [cut.at, -1], reads="features", size=32, cache=cache, device="torch", precision="f32"
    )
    assert (first.name, second.name) == ("map0", "map1")
    assert first.runtime is second.runtime
    assert first.key != second.key
    assert (len(first.shape), second.shape) == (3, (256,))


def test_without_a_frozen_part_the_pictures_are_the_source() -> None:
    assert Source(runtime=None, shape=(32, 32, 3)).key == "pictures"
