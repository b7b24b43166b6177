"""The bundled network, from its weights to rows, as every run uses it."""

from __future__ import annotations

import gc
import hashlib
import json
import multiprocessing
import pickle
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from torch import nn

from headstart.backbones import catalog, graph, network, space, weights
from headstart.backbones.runtime import LEAST_PARITY, Runtime, synthetic_images
from headstart.backbones.space import NetworkSpec, SavedSpec, SpaceSpec, opened
from headstart.backbones.split import TunedNetwork, split
from headstart.cache_folder import Troubles, entries, sealed, troubles
from headstart.device import accelerator
from headstart.errors import MissingPackageError, ModelError, OptionError
from headstart.features.extract import extract
from headstart.files import sha256
from headstart.images.transforms import Geometry, View

LITE0 = catalog.get("efficientnet_lite0")
SMALL = catalog.get("test_resnet.r160_in1k")
RANDOM = weights.locate(SMALL, random=True)
GPU = accelerator() is not None


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def lite0(cache: Path) -> Runtime:
    return NetworkSpec(backbone=LITE0, weights=weights.locate(LITE0), cache=cache, device="openvino").prepare(224)


def small(
    cache: Path, *, size: int = 64, device: str = "openvino", precision: str = "f32", located: weights.Weights = RANDOM
) -> Runtime:
    spec = NetworkSpec(backbone=SMALL, weights=located, cache=cache, device=device, precision=precision)
    return spec.prepare(size)


def rows(of: Runtime, images: NDArray[np.uint8], batch: int | None = None) -> NDArray[np.float32]:
    step = batch or of.batch
    found = of.run(images[start : start + step] for start in range(0, len(images), step))
    return np.concatenate([np.hstack([part["last"], part["depths"]]) for part in found])


def test_the_bundled_network_computes_what_torch_computes(lite0: Runtime) -> None:
    assert lite0.name in ("openvino bf16", "openvino f32")
    assert lite0.parity >= LEAST_PARITY
    assert lite0.widths == {"last": 1280, "depths": 6192}
    assert (lite0.size, lite0.batch, lite0.notes) == (224, 16, ())
    images = np.random.default_rng(5).integers(0, 256, (3, 224, 224, 3), np.uint8)
    with torch.inference_mode():
        expected = torch.cat(network.freeze(LITE0, weights.locate(LITE0), size=224)(torch.from_numpy(images)), 1)
    ours, theirs = rows(lite0, images).astype(np.float64), expected.numpy().astype(np.float64)
    cosine = (ours * theirs).sum(1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1)
    assert cosine.min() >= LEAST_PARITY


def test_a_row_depends_on_its_picture_alone(lite0: Runtime) -> None:
    """Bit for bit: whatever its place, its neighbours, and how full its batch is."""
    rng = np.random.default_rng(1)
    images = np.concatenate([synthetic_images(224), rng.integers(0, 256, (12, 224, 224, 3), np.uint8)])
    whole = rows(lite0, images)
    shuffled = rng.permutation(len(images))
    assert np.array_equal(rows(lite0, images[shuffled]), whole[shuffled])
    assert np.array_equal(rows(lite0, images, batch=7), whole)
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


def test_a_saved_graph_is_the_same_runtime(cache: Path, tmp_path: Path) -> None:
    first = small(cache)
    first.save(tmp_path)
    kept = SavedSpec.of(tmp_path, device="openvino", precision="f32").prepare(64)
    assert (kept.key, kept.name, kept.widths) == (first.key, first.name, first.widths)
    images = synthetic_images(64)
    assert np.array_equal(rows(kept, images), rows(first, images))
    np.testing.assert_allclose(rows(kept.single(), images), rows(first, images), rtol=1e-4, atol=1e-4)
    with pytest.raises(ModelError, match="expected: a network for pictures of 96 pixels\n   found: 64"):
        SavedSpec.of(tmp_path).prepare(96)


def test_the_key_holds_what_changes_the_values(cache: Path) -> None:
    other_weights = weights.Weights(path=None, sha256=hashlib.sha256(b"other").hexdigest(), origin="random")
    keys = [
        small(cache).key,
        small(cache).single().key,
        small(cache, size=96).key,
        small(cache, located=other_weights).key,
        small(cache, device="torch").key,
        small(cache, device="torch").single().key,
    ]
    assert len(set(keys)) == len(keys)
    assert small(cache).key == keys[0]


def test_a_damaged_graph_is_made_again(tmp_path: Path) -> None:
    first = small(tmp_path)
    (folder,) = (tmp_path / "graphs").iterdir()
    (folder / "graph.bin").write_bytes(b"cut off")
    again = small(tmp_path)
    assert again.key == first.key
    assert np.array_equal(rows(again, synthetic_images(64)), rows(first, synthetic_images(64)))


def stray(folder: Path) -> None:
    """Make the graph in ``folder`` look unfaithful: another reference, with its right hash."""
    reference = load_file(folder / "reference.safetensors")
    save_file({name: -value for name, value in reference.items()}, folder / "reference.safetensors")
    description = json.loads((folder / "graph.json").read_text())
    description["sha256"]["reference.safetensors"] = sha256(folder / "reference.safetensors")
    (folder / "graph.json").write_text(json.dumps(sealed({**description, "parity": {}})))


def test_a_graph_that_strays_is_not_used_and_that_is_said(tmp_path: Path) -> None:
    small(tmp_path).save(tmp_path / "model")
    (folder,) = (tmp_path / "graphs").iterdir()
    stray(folder)
    fallen_back = small(tmp_path, precision="auto")
    assert fallen_back.name == "torch f32 cpu"
    strayed = fallen_back.notes[-1]
    assert (strayed.what, strayed.runtime, round(strayed.parity, 4)) == ("strays", "openvino f32", -1.0)
    stray(tmp_path / "model")
    with pytest.raises(
        ModelError, match=r"the rows it gave when it was made\n   found: .*strays openvino f32 -1\.0000"
    ):
        SavedSpec.of(tmp_path / "model", device="openvino").prepare(64)
    built_again = SavedSpec.of(tmp_path / "model", device="auto" if not GPU else "torch").prepare(64)
    assert built_again.name == "torch f32 cpu"
    assert GPU or built_again.notes[-1].what == "strays"
    np.testing.assert_array_equal(rows(built_again, synthetic_images(64)), rows(fallen_back, synthetic_images(64)))


def test_a_network_without_a_graph_says_so_where_openvino_is_asked_for(tmp_path: Path) -> None:
    small(tmp_path).save(tmp_path / "model")
    (tmp_path / "model" / "graph.json").unlink()
    with pytest.raises(ModelError, match=r"found: no graph\n   to do: choose the device torch"):
        SavedSpec.of(tmp_path / "model", device="openvino").prepare(64)


@pytest.mark.parametrize("option", [{"device": "gpu"}, {"precision": "int8"}])
def test_unknown_options_are_refused(tmp_path: Path, option: dict[str, str]) -> None:
    with pytest.raises(OptionError, match=r"expected: one of auto, "):
        small(tmp_path, **option)


def test_openvino_asked_for_but_missing_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingPackageError, match="to do: pip install openvino"):
        small(tmp_path)


@pytest.mark.parametrize("device", ["openvino", "torch"])
def test_one_image_at_a_time_gives_nearly_the_same_rows(tmp_path: Path, device: str) -> None:
    made = small(tmp_path, device=device)
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


def test_threads_of_the_cpu_can_be_limited(tmp_path: Path) -> None:
    small(tmp_path).save(tmp_path / "model")
    limited = SavedSpec.of(tmp_path / "model", device="openvino", precision="f32", threads=1).prepare(64)
    assert limited._compiled().get_property("INFERENCE_NUM_THREADS") == 1  # type: ignore[attr-defined]
    before = torch.get_num_threads()
    try:
        SavedSpec.of(tmp_path / "model", device="torch", threads=1).prepare(64)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
    with pytest.raises(OptionError, match="expected: 1 or more\n   found: 0"):
        SavedSpec.of(tmp_path / "model", threads=0).prepare(64)


def test_a_graph_of_an_older_format_is_made_again(tmp_path: Path) -> None:
    first = small(tmp_path)
    (folder,) = (tmp_path / "graphs").iterdir()
    description = json.loads((folder / "graph.json").read_text())
    (folder / "graph.json").write_text(json.dumps({**description, "format": 1}))
    assert small(tmp_path).key == first.key
    assert json.loads((folder / "graph.json").read_text())["format"] == 2


def test_the_layout_of_the_default_network_and_its_second_reading(tmp_path: Path) -> None:
    network = NetworkSpec.named("efficientnet_lite0", cache=tmp_path)
    channels = network.depth_channels()
    assert channels == (
        ("blocks.0", 16), ("blocks.1", 24), ("blocks.2", 40), ("blocks.3", 80), ("blocks.4", 112), ("blocks.5", 192),
        ("blocks.6", 320), ("final map", 1280),
    )  # fmt: skip
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
    graph.write(made, {"size": 64}, tmp_path)
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


@pytest.fixture(scope="module")
def kept_graph(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Runtime]:
    cache = tmp_path_factory.mktemp("kept")
    return cache, small(cache)


def damaged_graph(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 3] ^= 1
    (folder / name).write_bytes(content)


@pytest.mark.parametrize("name", [*graph.FILES, graph.DOCUMENT])
def test_a_bit_anywhere_in_a_graph_is_noticed_and_said(kept_graph: tuple[Path, Runtime], name: str) -> None:
    cache, first = kept_graph
    (folder,) = (cache / "graphs").iterdir()
    damaged_graph(folder, name)
    again = small(cache)
    assert troubles() == Troubles(damaged=1)
    assert np.array_equal(rows(again, synthetic_images(64)), rows(first, synthetic_images(64)))


def test_a_file_in_place_of_a_graph_is_replaced(tmp_path: Path) -> None:
    key = small(tmp_path).key
    (folder,) = (tmp_path / "graphs").iterdir()
    shutil.rmtree(folder)
    folder.write_text("not a folder")
    assert small(tmp_path).key == key
    assert folder.is_dir()
    assert troubles() == Troubles(damaged=1)


def test_without_a_cache_the_graph_is_the_same(tmp_path: Path) -> None:
    expected = small(tmp_path / "cache")
    (tmp_path / "file").write_text("not a folder")
    found = small(tmp_path / "file")
    assert (found.key, found.name) == (expected.key, expected.name)
    assert np.array_equal(rows(found, synthetic_images(64)), rows(expected, synthetic_images(64)))
    assert troubles() == Troubles(unusable=str(tmp_path / "file"), why="Not a directory")


@pytest.mark.usefixtures("full_disk")
def test_on_a_full_disk_torch_computes(tmp_path: Path) -> None:
    space._scratch.cache_clear()  # what other tests left there can be run
    found = small(tmp_path)
    assert (found.name, [note.what for note in found.notes]) == ("torch f32 cpu", ["no graph"])
    assert troubles().unusable == str(tmp_path)
    assert list((tmp_path / "graphs").iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows itself keeps files that are open")
def test_a_graph_stays_while_it_is_used(tmp_path: Path) -> None:
    runtime = small(tmp_path).single()
    (entry,) = entries(tmp_path)
    assert entry.is_held()
    del runtime
    gc.collect()
    assert not entry.is_held()
