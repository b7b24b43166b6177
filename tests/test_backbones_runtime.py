"""The bundled network, from its weights to rows, as every run uses it."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from headstart.backbones import catalog, eager, parity, runtime, weights
from headstart.backbones.runtime import Runtime
from headstart.device import accelerator
from headstart.errors import MissingPackageError, ModelError, OptionError
from headstart.files import sha256

LITE0 = catalog.get("efficientnet_lite0")
SMALL = catalog.get("test_resnet.r160_in1k")
RANDOM = weights.locate(SMALL, random=True)
GPU = accelerator() is not None


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def lite0(cache: Path) -> Runtime:
    return runtime.prepare(LITE0, weights.locate(LITE0), size=224, cache=cache, device="openvino")


def small(cache: Path, *, size: int = 64, batch: int = 4, precision: str = "f32") -> Runtime:
    return runtime.prepare(SMALL, RANDOM, size=size, cache=cache, batch=batch, device="openvino", precision=precision)


def rows(of: Runtime, pictures: NDArray[np.uint8], batch: int | None = None) -> NDArray[np.float32]:
    step = batch or of.batch
    found = of.run(pictures[start : start + step] for start in range(0, len(pictures), step))
    return np.concatenate([np.hstack([part["last"], part["depths"]]) for part in found])


def test_the_bundled_network_computes_what_torch_computes(lite0: Runtime) -> None:
    assert lite0.name in ("openvino bf16", "openvino f32")
    assert lite0.parity >= parity.THRESHOLD
    assert lite0.widths == {"last": 1280, "depths": 6192}
    assert (lite0.size, lite0.batch, lite0.notes) == (224, 16, ())
    pictures = np.random.default_rng(5).integers(0, 256, (3, 224, 224, 3), np.uint8)
    with torch.inference_mode():
        expected = torch.cat(eager.freeze(LITE0, weights.locate(LITE0), size=224)(torch.from_numpy(pictures)), 1)
    ours, theirs = rows(lite0, pictures).astype(np.float64), expected.numpy().astype(np.float64)
    cosine = (ours * theirs).sum(1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1)
    assert cosine.min() >= parity.THRESHOLD


def test_a_row_depends_on_its_picture_alone(lite0: Runtime) -> None:
    """Bit for bit: whatever its place, its neighbours, and how full its batch is."""
    rng = np.random.default_rng(1)
    pictures = np.concatenate([parity.pictures(224), rng.integers(0, 256, (12, 224, 224, 3), np.uint8)])
    whole = rows(lite0, pictures)
    shuffled = rng.permutation(len(pictures))
    assert np.array_equal(rows(lite0, pictures[shuffled]), whole[shuffled])
    assert np.array_equal(rows(lite0, pictures, batch=7), whole)
    assert np.array_equal(rows(lite0, pictures[4:5]), whole[4:5])


def test_a_second_run_loads_no_torch(lite0: Runtime, cache: Path) -> None:
    script = """if True:
        import sys, time
        from pathlib import Path
        import numpy as np
        from headstart.backbones import catalog, runtime, weights
        backbone, cache = catalog.get("efficientnet_lite0"), Path(sys.argv[1])
        found = runtime.prepare(backbone, weights.locate(backbone), size=224, cache=cache, device="openvino")
        (row,) = found.run([np.zeros((1, 224, 224, 3), np.uint8)])
        found.save(cache / "saved")
        kept = runtime.open_saved(cache / "saved", size=224, batch=1)
        print(found.key, len(row["last"]), sorted({"torch", "timm"} & set(sys.modules)))
    """
    done = subprocess.run([sys.executable, "-W", "error", "-c", script, str(cache)], capture_output=True, text=True)
    assert done.stdout.split() == [lite0.key, "1", "[]"], done.stderr


def test_a_saved_graph_is_the_same_runtime(cache: Path, tmp_path: Path) -> None:
    first = small(cache)
    first.save(tmp_path)
    kept = runtime.open_saved(tmp_path, size=64, batch=4, precision="f32")
    assert (kept.key, kept.name, kept.widths) == (first.key, first.name, first.widths)
    pictures = parity.pictures(64)
    assert np.array_equal(rows(kept, pictures), rows(first, pictures))
    one = runtime.open_saved(tmp_path, size=64, batch=1, precision="f32")
    np.testing.assert_allclose(rows(one, pictures), rows(first, pictures), rtol=1e-4, atol=1e-4)
    with pytest.raises(ModelError, match="expected: a network for pictures of 96 pixels\n   found: 64"):
        runtime.open_saved(tmp_path, size=96, batch=1)


def test_the_key_holds_what_changes_the_values(cache: Path) -> None:
    other_weights = weights.Weights(path=None, sha256=hashlib.sha256(b"other").hexdigest(), origin="random")
    keys = [
        small(cache).key,
        small(cache, batch=1).key,
        small(cache, size=96).key,
        runtime.prepare(SMALL, other_weights, size=64, cache=cache, batch=4, device="openvino", precision="f32").key,
        runtime.prepare(SMALL, RANDOM, size=64, cache=cache, batch=4, device="torch", precision="f32").key,
    ]
    assert len(set(keys)) == len(keys)
    assert small(cache).key == keys[0]


def test_a_damaged_graph_is_made_again(tmp_path: Path) -> None:
    first = small(tmp_path)
    (folder,) = (tmp_path / "graphs").iterdir()
    (folder / "graph.bin").write_bytes(b"cut off")
    again = small(tmp_path)
    assert again.key == first.key
    assert np.array_equal(rows(again, parity.pictures(64)), rows(first, parity.pictures(64)))


def stray(folder: Path) -> None:
    """Make the graph in ``folder`` look unfaithful: another reference, with its right hash."""
    reference = load_file(folder / "reference.safetensors")
    save_file({name: -value for name, value in reference.items()}, folder / "reference.safetensors")
    description = json.loads((folder / "graph.json").read_text())
    description["sha256"]["reference.safetensors"] = sha256(folder / "reference.safetensors")
    (folder / "graph.json").write_text(json.dumps({**description, "parity": {}}))


def test_a_graph_that_strays_is_not_used_and_that_is_said(tmp_path: Path) -> None:
    small(tmp_path).save(tmp_path / "model")
    (folder,) = (tmp_path / "graphs").iterdir()
    stray(folder)
    fallen_back = small(tmp_path, precision="auto")
    assert fallen_back.name == "torch f32 cpu"
    assert fallen_back.notes[-1] == ("openvino f32 strays from torch f32 (mean cosine -1.0000 < 0.998): not used")
    stray(tmp_path / "model")
    with pytest.raises(ModelError, match="the rows it gave when it was made"):
        runtime.open_saved(tmp_path / "model", size=64, batch=1, device="openvino")
    built_again = runtime.open_saved(tmp_path / "model", size=64, batch=4, device="auto" if not GPU else "torch")
    assert built_again.name == "torch f32 cpu"
    assert built_again.notes[-1].endswith("not used") or GPU
    np.testing.assert_array_equal(rows(built_again, parity.pictures(64)), rows(fallen_back, parity.pictures(64)))


@pytest.mark.parametrize("option", [{"device": "gpu"}, {"precision": "int8"}])
def test_unknown_options_are_refused(tmp_path: Path, option: dict[str, str]) -> None:
    with pytest.raises(OptionError, match=r"expected: one of auto, "):
        runtime.prepare(SMALL, RANDOM, size=64, cache=tmp_path, **option)


def test_openvino_asked_for_but_missing_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingPackageError, match="to do: pip install openvino"):
        runtime.prepare(SMALL, RANDOM, size=64, cache=tmp_path, device="openvino")


@pytest.mark.parametrize("device", ["openvino", "torch"])
def test_one_image_at_a_time_gives_nearly_the_same_rows(tmp_path: Path, device: str) -> None:
    made = runtime.prepare(SMALL, RANDOM, size=64, cache=tmp_path, batch=4, device=device, precision="f32")
    single = made.single()
    assert (single.batch, single.widths, single.parity) == (1, made.widths, made.parity)
    assert single.key not in (made.key, "")
    assert single.single() is single
    images = parity.pictures(64)
    whole = rows(made, images)
    np.testing.assert_allclose(rows(single, images), whole, rtol=1e-5, atol=1e-5)
    assert np.array_equal(rows(made, images), whole)


@pytest.mark.parametrize("device", ["openvino", "torch"])
def test_threads_may_share_a_runtime(tmp_path: Path, device: str) -> None:
    """Bit for bit, batches and single images, compiled while others run."""
    images = parity.pictures(64)
    alone = runtime.prepare(SMALL, RANDOM, size=64, cache=tmp_path, batch=4, device=device, precision="f32")
    expected = [(rows(alone, images[i : i + 1]), rows(alone.single(), images[i : i + 1])) for i in range(8)]
    shared = runtime.prepare(SMALL, RANDOM, size=64, cache=tmp_path, batch=4, device=device, precision="f32")

    def same(i: int) -> bool:
        found = (rows(shared, images[i % 8][None]), rows(shared.single(), images[i % 8][None]))
        return all(np.array_equal(ours, theirs) for ours, theirs in zip(found, expected[i % 8], strict=True))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(same, range(160)))


def test_threads_of_the_cpu_can_be_limited(tmp_path: Path) -> None:
    small(tmp_path).save(tmp_path / "model")
    limited = runtime.open_saved(tmp_path / "model", size=64, batch=4, device="openvino", precision="f32", threads=1)
    assert limited._compiled().get_property("INFERENCE_NUM_THREADS") == 1  # type: ignore[attr-defined]
    before = torch.get_num_threads()
    try:
        runtime.open_saved(tmp_path / "model", size=64, device="torch", threads=1)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
    with pytest.raises(OptionError, match="expected: 1 or more\n   found: 0"):
        runtime.open_saved(tmp_path / "model", size=64, threads=0)


def test_a_graph_of_an_older_format_is_made_again(tmp_path: Path) -> None:
    first = small(tmp_path)
    (folder,) = (tmp_path / "graphs").iterdir()
    description = json.loads((folder / "graph.json").read_text())
    (folder / "graph.json").write_text(json.dumps({**description, "format": 1}))
    assert small(tmp_path).key == first.key
    assert json.loads((folder / "graph.json").read_text())["format"] == 2
