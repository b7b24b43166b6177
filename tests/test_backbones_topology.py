"""What is shipped of a bundled network is what torch makes of it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from headstart.backbones import catalog, conversion, graph, graph_folder, network, proof, saved, topology, weights
from headstart.backbones.network import FrozenNetwork
from headstart.backbones.runtime import LEAST_PARITY, synthetic_images
from headstart.backbones.space import NetworkSpec, SavedSpec
from headstart.backbones.weights import Weights
from headstart.errors import ModelError
from networks import rows

LITE0 = catalog.get("efficientnet_lite0")
PUBLISHED = weights.locate(LITE0)


@pytest.fixture(scope="module")
def frozen() -> FrozenNetwork:
    return network.freeze(LITE0, PUBLISHED, size=224)


@pytest.fixture(scope="module")
def shipped() -> topology.Topology:
    found = topology.of(LITE0, PUBLISHED)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def test_shipped_and_converted_are_the_same_network(
    frozen: FrozenNetwork, shipped: topology.Topology, tmp_path: Path
) -> None:
    """If this fails, run ``python tools/topology.py``."""
    for name in ("shipped", "converted"):
        (tmp_path / name).mkdir()
    identity = {"size": 224}
    shipped.write(LITE0, PUBLISHED, identity, tmp_path / "shipped")
    conversion.write(frozen, identity, tmp_path / "converted")
    for name in ("graph.bin", saved.DOCUMENT, saved.TENSORS):
        assert (tmp_path / "shipped" / name).read_bytes() == (tmp_path / "converted" / name).read_bytes(), name
    both = (load_file(tmp_path / name / "reference.safetensors") for name in ("shipped", "converted"))
    proof.require_same(*both)
    assert (dict(shipped.widths), shipped.depth_channels) == (frozen.widths, frozen.depth_channels)


@pytest.mark.parametrize("size", [161, 384])
def test_the_rows_are_torchs_at_every_size(frozen: FrozenNetwork, cache: Path, size: int) -> None:
    spec = NetworkSpec(backbone=LITE0, weights=PUBLISHED, cache=cache, device="openvino", precision="f32")
    torchs = np.hstack(list(proof.rows(frozen, size, count=2).values()))
    ours = rows(spec.prepare(size).single(), synthetic_images(size, 2), 1)
    proof.require_same({"all": ours}, {"all": torchs})


def test_an_empty_cache_loads_no_torch(cache: Path) -> None:
    script = """if True:
        import sys
        from pathlib import Path
        import numpy as np
        from headstart.backbones.space import NetworkSpec
        spec = NetworkSpec.named("efficientnet_lite0", cache=Path(sys.argv[1]), device="openvino", precision="f32")
        for each in (spec, spec.untrained()):
            (row,) = each.prepare(64).run([np.zeros((1, 64, 64, 3), np.uint8)])
        print(len(spec.depth_channels()), sorted({"torch", "timm"} & set(sys.modules)))
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, str(cache / "empty")], capture_output=True, text=True
    )
    assert done.stdout.split() == ["8", "[]"], done.stderr


def test_an_untrained_network_is_drawn_as_timm_draws_it(
    shipped: topology.Topology, cache: Path, tmp_path: Path
) -> None:
    spec = NetworkSpec(backbone=LITE0, weights=PUBLISHED, cache=cache, device="openvino", precision="f32")
    untrained = spec.untrained()
    assert untrained.untrained() == untrained
    assert untrained.weights.origin == "random"
    assert untrained.weights.sha256 not in (PUBLISHED.sha256, weights.locate(LITE0, random=True).sha256)
    drawn, by_timm = shipped.read(untrained.weights), network.untrained(LITE0).state_dict()
    assert {name: value.shape for name, value in drawn.items()} == {n: tuple(v.shape) for n, v in by_timm.items()}
    for name, value in by_timm.items():
        ours, theirs = drawn[name].astype(float), value.numpy().astype(float)
        assert ours.std() == pytest.approx(theirs.std(), rel=10 / ours.size**0.5), name
        assert ours.mean() == pytest.approx(theirs.mean(), abs=10 * theirs.std() / ours.size**0.5), name
    runtime = untrained.prepare(96)
    assert runtime.key != spec.prepare(96).key
    runtime.save(tmp_path / "model")
    by_torch = SavedSpec.of(tmp_path / "model", device="torch").prepare(96)
    images = synthetic_images(96, 2)
    proof.require_same({"all": rows(runtime, images)}, {"all": rows(by_torch, images)})
    assert by_torch.parity >= LEAST_PARITY


def test_other_weights_and_other_networks_are_torchs_to_build(shipped: topology.Topology) -> None:
    assert topology.of(LITE0, weights.locate(LITE0, random=True)) is None
    assert topology.of(LITE0, replace(PUBLISHED, sha256="0" * 64)) is None
    assert topology.of(replace(LITE0, mean=(0.1, 0.5, 0.5)), PUBLISHED) is None
    assert topology.named("resnet18.tv_in1k") is None
    assert topology.of(LITE0, shipped.untrained()) is shipped


def test_its_proof_is_what_a_later_look_finds(shipped: topology.Topology, tmp_path: Path) -> None:
    shipped.write(LITE0, PUBLISHED, {"size": 224}, tmp_path)
    ((name, parity),) = graph_folder.describe(tmp_path)["parity"].items()
    assert name.split()[1] == "f32"
    assert parity >= LEAST_PARITY
    runtime, _ = graph.compile_graph(tmp_path, precision="auto")
    assert runtime is not None
    assert runtime.parity_key == name
    runtime._description["parity"].clear()
    runtime.measure_parity()
    assert runtime.parity == pytest.approx(parity, abs=1e-6)


def test_a_file_that_was_replaced_and_rows_that_stray_are_refused(shipped: topology.Topology, tmp_path: Path) -> None:
    other = tmp_path / "weights.pth"
    other.write_bytes(b"others")
    with pytest.raises(ModelError, match="install the package again"):
        shipped.read(Weights(path=other, sha256=PUBLISHED.sha256, origin="bundled"))
    straying = replace(shipped, rows={name: [[-1.0] * len(r) for r in rows] for name, rows in shipped.rows.items()})
    with pytest.raises(ModelError, match="graph: last"):
        straying.write(LITE0, PUBLISHED, {"size": 224}, tmp_path)
