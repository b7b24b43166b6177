"""The bundled network, from its weights to rows, as every run uses it."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from headstart.backbones import catalog, conversion, network, weights
from headstart.backbones.runtime import LEAST_PARITY, Runtime, synthetic_images
from headstart.backbones.space import NetworkSpec, SavedSpec, SpaceSpec, opened
from headstart.backbones.split import TunedNetwork, split
from headstart.device import accelerator
from headstart.errors import ModelError
from headstart.features.extract import extract
from headstart.images.transforms import Geometry, View
from networks import RANDOM, SMALL, rows, small

LITE0 = catalog.get("efficientnet_lite0")
GPU = accelerator() is not None


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def lite0(cache: Path) -> Runtime:
    return NetworkSpec(backbone=LITE0, weights=weights.locate(LITE0), cache=cache, device="openvino").prepare(224)


def test_the_bundled_network_computes_what_torch_computes(lite0: Runtime) -> None:
    assert lite0.name == "openvino f32"
    assert lite0.parity >= LEAST_PARITY
    assert lite0.widths == {"last": 1280, "depths": 6192}
    assert (lite0.size, lite0.batch, lite0.notes) == (224, 1, ())
    images = np.random.default_rng(5).integers(0, 256, (3, 224, 224, 3), np.uint8)
    with torch.inference_mode():
        expected = torch.cat(network.freeze(LITE0, weights.locate(LITE0), size=224)(torch.from_numpy(images)), 1)
    ours, theirs = rows(lite0, images).astype(np.float64), expected.numpy().astype(np.float64)
    cosine = (ours * theirs).sum(1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1)
    assert cosine.min() >= LEAST_PARITY


def test_a_row_depends_on_its_picture_alone(lite0: Runtime) -> None:
    """Bit for bit: whatever its place and its neighbours."""
    rng = np.random.default_rng(1)
    images = np.concatenate([synthetic_images(224), rng.integers(0, 256, (12, 224, 224, 3), np.uint8)])
    whole = rows(lite0, images)
    shuffled = rng.permutation(len(images))
    assert np.array_equal(rows(lite0, images[shuffled]), whole[shuffled])
    assert np.array_equal(rows(lite0, images[4:5]), whole[4:5])


def test_a_second_run_loads_no_torch(lite0: Runtime, cache: Path) -> None:
    script = """if True:
        import sys, time
        from pathlib import Path
        import numpy as np
        from headstart.backbones.space import NetworkSpec, SavedSpec
        cache = Path(sys.argv[1])
        found = NetworkSpec.named("efficientnet_lite0", cache=cache, device="openvino").prepare(224)
        (row,) = found.run([np.zeros((1, 224, 224, 3), np.uint8)])
        found.save(cache / "saved")
        kept = SavedSpec.of(cache / "saved").prepare(224).single()
        print(found.key, len(row["last"]), sorted({"torch", "timm"} & set(sys.modules)))
    """
    done = subprocess.run([sys.executable, "-W", "error", "-c", script, str(cache)], capture_output=True, text=True)
    assert done.stdout.split() == [lite0.key, "1", "[]"], done.stderr


def test_the_key_holds_what_changes_the_values(cache: Path) -> None:
    other_weights = weights.Weights(path=None, sha256=hashlib.sha256(b"other").hexdigest(), origin="random")
    keys = [
        small(cache).key,
        small(cache, size=96).key,
        small(cache, located=other_weights).key,
        small(cache, device="torch").key,
        small(cache, device="torch").single().key,
    ]
    assert len(set(keys)) == len(keys)
    assert small(cache).key == keys[0]


def test_an_image_has_the_same_row_on_however_many_threads(lite0: Runtime, tmp_path: Path) -> None:
    assert lite0.single() is lite0
    lite0.save(tmp_path / "saved")
    images = synthetic_images(224)
    for threads in (1, 2):
        one = SavedSpec.of(tmp_path / "saved", precision=lite0.precision, threads=threads).prepare(224)
        assert (one.key, np.array_equal(rows(one, images), rows(lite0, images))) == (lite0.key, True)


def test_one_image_at_a_time_gives_nearly_the_same_rows_as_a_batch(tmp_path: Path) -> None:
    made = small(tmp_path, device="torch")
    single = made.single()
    assert (single.batch, single.widths, single.parity) == (1, made.widths, made.parity)
    assert single.key not in (made.key, "")
    assert single.single() is single
    images = synthetic_images(64)
    whole = rows(made, images)
    np.testing.assert_allclose(rows(single, images), whole, rtol=1e-5, atol=1e-5)
    assert np.array_equal(rows(made, images), whole)


@pytest.mark.parametrize("device", ["openvino", "torch"])
def test_threads_may_share_a_runtime(tmp_path: Path, device: str) -> None:
    """Bit for bit, batches and single images, compiled while others run."""
    images = synthetic_images(64)
    alone = small(tmp_path, device=device)
    expected = [(rows(alone, images[i : i + 1]), rows(alone.single(), images[i : i + 1])) for i in range(8)]
    shared = small(tmp_path, device=device)

    def same(i: int) -> bool:
        found = (rows(shared, images[i % 8][None]), rows(shared.single(), images[i % 8][None]))
        return all(np.array_equal(ours, theirs) for ours, theirs in zip(found, expected[i % 8], strict=True))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(same, range(160)))


def test_the_layout_of_the_default_network_is_known_and_that_of_others_kept(tmp_path: Path) -> None:
    assert NetworkSpec.named("efficientnet_lite0", cache=tmp_path).depth_channels() == (
        ("blocks.0", 16), ("blocks.1", 24), ("blocks.2", 40), ("blocks.3", 80), ("blocks.4", 112), ("blocks.5", 192),
        ("blocks.6", 320), ("final map", 1280),
    )  # fmt: skip
    network = NetworkSpec(backbone=SMALL, weights=RANDOM, cache=tmp_path)
    channels = network.depth_channels()
    assert [name for name, _ in channels] == ["conv1", "layer1", "layer2", "layer3", "layer4"]
    (file,) = (tmp_path / "depths").iterdir()
    written = file.stat().st_mtime_ns
    assert network.depth_channels() == channels
    assert file.stat().st_mtime_ns == written
    file.write_text("{")
    assert network.depth_channels() == channels
    assert file.stat().st_mtime_ns != written


def spec_in(cache: Path) -> SpaceSpec:
    return NetworkSpec.named("efficientnet_lite0", cache=cache).at(224)


def rows_of(spec: SpaceSpec, paths: list[Path], output: str = "last") -> NDArray[np.float32]:
    rows = list(extract(paths, spec))
    return np.stack([row[View.CENTRE][output] for row in rows if not isinstance(row, str)])


def test_another_process_opens_the_same_space(cache: Path, photos: Path) -> None:
    paths, spec = sorted(photos.rglob("*.jpeg"))[:20], spec_in(cache)
    assert pickle.loads(pickle.dumps(spec)) == spec
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        elsewhere = pool.apply(rows_of, (spec, paths))
    assert np.array_equal(elsewhere, rows_of(spec, paths))


@pytest.fixture
def tuned(tmp_path: Path) -> Path:
    """A fine-tuned network and its graph, as a model directory holds them."""
    backbone = catalog.get("test_efficientnet.r160_in1k")
    before, after = (network.build(backbone, weights.locate(backbone, random=True), size=64) for _ in range(2))
    cut = split(after, "blocks.4")
    with torch.no_grad():
        for name in cut.trained:
            after.get_parameter(name).mul_(1.5)
    made = TunedNetwork(backbone, cut, pretrained=split(before, "blocks.4").suffix, body=nn.Sequential(), size=64)
    conversion.write(made, {"size": 64}, tmp_path)
    return tmp_path


@pytest.mark.parametrize("device", ["openvino", "torch"])
def test_another_process_opens_the_space_of_a_fine_tuned_network(tuned: Path, photos: Path, device: str) -> None:
    paths = sorted(photos.rglob("*.jpeg"))[:20]
    spec = SpaceSpec(network=SavedSpec.of(tuned, device=device), geometry=Geometry(size=64, mode="squash"))
    assert pickle.loads(pickle.dumps(spec)) == spec
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        elsewhere = pool.apply(rows_of, (spec, paths, "tuned"))
    assert np.array_equal(elsewhere, rows_of(spec, paths, "tuned"))
    assert spec.size == 64


def test_a_spec_is_opened_once_in_a_process(tuned: Path) -> None:
    spec = SpaceSpec(network=SavedSpec.of(tuned), geometry=Geometry(size=64))
    assert opened(spec) is opened(pickle.loads(pickle.dumps(spec)))
    assert opened(opened(spec)) is opened(spec)


def test_a_network_that_was_replaced_is_not_opened_under_the_old_spec(tuned: Path) -> None:
    spec = SpaceSpec(network=SavedSpec.of(tuned), geometry=Geometry(size=64))
    document = json.loads((tuned / "network.json").read_text())
    (tuned / "network.json").write_text(json.dumps({**document, "mean": [0.0, 0.0, 0.0]}))
    with pytest.raises(ModelError, match="open the model again: it was replaced"):
        spec.open()
    with pytest.raises(ModelError, match="expected: a network for pictures of 32 pixels"):
        SpaceSpec(network=SavedSpec.of(tuned), geometry=Geometry(size=32)).open()


def test_only_what_runs_from_a_topology_needs_no_torch(cache: Path) -> None:
    def needs_none(name: str, weights: str | None = None, device: str = "openvino") -> bool:
        return NetworkSpec.named(name, weights, cache=cache, device=device).needs_no_torch

    assert needs_none("efficientnet_lite0")
    assert needs_none("efficientnet_lite0", device="auto")
    assert not needs_none("efficientnet_lite0", device="torch")
    assert not needs_none("efficientnet_lite0", "random")
    assert not needs_none("test_resnet.r160_in1k", "random")
