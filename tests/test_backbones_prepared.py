"""The cache of graphs: whole or absent, made again where damaged, done without where it cannot be used."""

from __future__ import annotations

import gc
import json
import os
import shutil
import sys
import time
from functools import partial
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from headstart.backbones import catalog, conversion, eight_bits, graph, graph_folder, network, prepared, weights
from headstart.backbones.network import FrozenModule
from headstart.backbones.prepared import AnySize
from headstart.backbones.runtime import Runtime, synthetic_images
from headstart.backbones.space import NetworkSpec, SavedSpec
from headstart.cache_folder import Troubles, entries, sealed, troubles
from headstart.device import accelerator
from headstart.errors import MissingPackageError, ModelError, OptionError
from headstart.files import digest, sha256
from networks import RANDOM, SMALL, rows, small

LITE0 = catalog.get("efficientnet_lite0")
GPU = accelerator() is not None


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


@pytest.mark.parametrize("option", [{"device": "gpu"}, {"precision": "int4"}])
def test_unknown_options_are_refused(tmp_path: Path, option: dict[str, str]) -> None:
    with pytest.raises(OptionError, match=r"expected: one of auto, "):
        small(tmp_path, **option)


def test_openvino_asked_for_but_missing_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingPackageError, match="to do: pip install openvino"):
        small(tmp_path)


def test_a_graph_of_an_older_format_is_made_again(tmp_path: Path) -> None:
    first = small(tmp_path)
    (folder,) = (tmp_path / "graphs").iterdir()
    description = json.loads((folder / "graph.json").read_text())
    (folder / "graph.json").write_text(json.dumps({**description, "format": 1}))
    assert small(tmp_path).key == first.key
    assert json.loads((folder / "graph.json").read_text())["format"] == 2


@pytest.fixture(scope="module")
def kept_graph(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Runtime]:
    cache = tmp_path_factory.mktemp("kept")
    return cache, small(cache)


def damaged_graph(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 3] ^= 1
    (folder / name).write_bytes(content)


@pytest.mark.parametrize("name", [*graph_folder.FILES, graph_folder.DOCUMENT])
def test_a_bit_anywhere_in_a_graph_is_noticed_and_said(kept_graph: tuple[Path, Runtime], name: str) -> None:
    cache, _ = kept_graph
    (folder,) = (cache / "graphs").iterdir()
    precision = "int8" if name == eight_bits.FILE else "f32"
    first = small(cache, precision=precision)
    damaged_graph(folder, name)
    again = small(cache, precision=precision)
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
    prepared._scratch.cache_clear()  # what other tests left there can be run
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


def test_what_another_process_made_first_stays_and_nothing_is_left_behind(tmp_path: Path) -> None:
    left = tmp_path / ".unfinished-killed"
    left.mkdir()
    os.utime(left, (time.time() - 7200,) * 2)

    def write(text: str, folder: Path) -> str:
        (folder / "file").write_text(text)
        return text

    assert prepared.make(tmp_path / "made", partial(write, "first")) == "first"
    assert prepared.make(tmp_path / "made", partial(write, "second")) == "second"
    assert (tmp_path / "made" / "file").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["made"]
    with pytest.raises(OSError, match="disk"):
        prepared.make(tmp_path / "not", Mock(side_effect=OSError("disk")))
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


def test_one_graph_serves_every_size(tmp_path: Path) -> None:
    """Bit for bit what is converted at that size, in files of a model as well."""
    at_64, at_96 = small(tmp_path), small(tmp_path, size=96)
    assert len(list((tmp_path / "graphs").iterdir())) == 1
    (tmp_path / "own").mkdir()
    conversion.write(network.freeze(SMALL, RANDOM, size=96), at_96._identity, tmp_path / "own")  # type: ignore[attr-defined]
    own, _ = graph.compile_graph(tmp_path / "own", precision="f32")
    assert own is not None
    assert own.key == at_96.key != at_64.key
    images = synthetic_images(96)
    assert np.array_equal(rows(own, images), rows(at_96, images))
    at_96.save(tmp_path / "model")
    described = graph_folder.describe(tmp_path / "model")
    assert (described["identity"]["size"], described.get("any_size")) == (96, None)
    saved = SavedSpec.of(tmp_path / "model", device="openvino", precision="f32").prepare(96)
    assert (saved.key, saved.size) == (at_96.key, 96)
    assert saved.parity > 0.99999
    assert np.array_equal(rows(saved, images), rows(at_96, images))
    built_again = SavedSpec.of(tmp_path / "model", device="torch").prepare(96)
    np.testing.assert_allclose(rows(built_again, images), rows(saved, images), rtol=1e-4, atol=1e-4)


def test_a_network_whose_size_is_fixed_has_a_graph_for_each(tmp_path: Path) -> None:
    backbone = catalog.get("test_vit.r160_in1k")
    spec = NetworkSpec(
        backbone=backbone, weights=weights.locate(backbone, random=True), cache=tmp_path, precision="f32"
    )
    keys = [spec.prepare(size).key for size in (64, 96, 64)]
    assert keys[0] == keys[2] != keys[1]
    described = [graph_folder.describe(folder) for folder in (tmp_path / "graphs").iterdir()]
    assert sorted(each["identity"]["size"] for each in described) == [64, 96]
    assert not any("any_size" in each for each in described)


def test_where_no_graph_serves_every_size_each_has_its_own(tmp_path: Path) -> None:
    def strays(folder: Path) -> None:
        raise ModelError.of("graph", expected="the same", found="others", todo="-")

    def frozen() -> FrozenModule:
        return network.freeze(SMALL, RANDOM, size=64)

    identity = {"network": "small", "size": 64}
    ways = [AnySize(identity=identity, write=strays)]
    runtime = prepared.prepare(frozen, identity, cache=tmp_path, device="openvino", precision="f32", any_size=ways)
    (folder,) = (tmp_path / "graphs").iterdir()
    assert (folder.name, runtime.size) == (digest(identity), 64)


def test_what_is_known_of_a_graph_needs_no_compiling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its key names rows in the store: whoever has them all runs nothing."""
    keys = [small(tmp_path, size=size).key for size in (64, 96)]
    gc.collect()  # nobody shares the compiled ones any more
    monkeypatch.setattr(graph, "read_graph", Mock(side_effect=AssertionError("compiled")))
    again = [small(tmp_path, size=size) for size in (64, 96)]
    assert [runtime.key for runtime in again] == keys
    with pytest.raises(AssertionError, match="compiled"):
        rows(again[1], synthetic_images(96))


def test_a_gpu_is_taken_for_any_network_but_the_smallest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepared, "accelerator", lambda: "cuda")
    small = {"topology": "of a graph that starts without torch"}
    assert [prepared.target("auto", "auto", identity)[0] for identity in ({}, small)] == ["cuda", "openvino"]
    assert [prepared.target(device, "auto", small)[0] for device in ("cuda", "torch")] == ["cuda", "cpu"]
    monkeypatch.setattr(prepared.graph, "available", lambda: False)
    assert prepared.target("auto", "auto", small)[0] == "cuda"
