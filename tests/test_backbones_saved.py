"""A network built again from its files alone: the same rows, whatever was trained, and every damage named."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from headstart.backbones import catalog, network, saved
from headstart.backbones.network import FrozenModule, FrozenNetwork
from headstart.backbones.split import FrozenPrefix, GlobalAverage, TunedNetwork, split
from headstart.backbones.weights import locate
from headstart.errors import ModelError
from headstart.files import sha256

CNN, RESNET, VIT = "test_efficientnet.r160_in1k", "test_resnet.r160_in1k", "test_vit.r160_in1k"
SIZE = 64
IDENTITY = {"size": SIZE, "weights": "of a test"}


def frozen(name: str) -> FrozenNetwork:
    """With another normalisation than timm's."""
    backbone = replace(catalog.get(name), mean=(0.1, 0.2, 0.3))
    return FrozenNetwork(backbone, network.build(backbone, locate(backbone, random=True), size=SIZE), size=SIZE)


def tuned(
    name: str, train_from: str, *, reads_map: bool = False, body: nn.Sequential | None = None, joined: bool = False
) -> TunedNetwork:
    """Fine-tuned by hand: what learns is half as large again, and batch norms that learn have other statistics."""
    backbone = catalog.get(name)
    before, after = (network.build(backbone, locate(backbone, random=True), size=SIZE) for _ in range(2))
    cut = split(after, train_from, reads_map=reads_map)
    with torch.no_grad():
        for parameter_name, parameter in after.named_parameters():
            if parameter_name in cut.trained:
                parameter.mul_(1.5)
    pretrained = split(before, train_from, reads_map=reads_map).suffix
    body = body or nn.Sequential()
    return TunedNetwork(backbone, cut, pretrained=pretrained, body=body, size=SIZE, joined=joined)


def images() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (3, SIZE, SIZE, 3), generator=generator).to(torch.uint8)


def assert_same(first: FrozenModule, second: FrozenModule) -> None:
    assert first.widths == second.widths
    with torch.inference_mode():
        for ours, theirs in zip(first(images()), second(images()), strict=True):
            assert torch.equal(ours, theirs)


@pytest.mark.parametrize("name", [CNN, RESNET, VIT, "efficientnet_lite0"])
def test_a_frozen_network_is_built_again(tmp_path: Path, name: str) -> None:
    made = frozen(name)
    saved.write(made, IDENTITY, tmp_path)
    again, identity = saved.read(tmp_path, size=SIZE)
    assert identity == IDENTITY
    assert_same(made, again)
    assert isinstance(again, FrozenNetwork)
    assert again.backbone.mean == (0.1, 0.2, 0.3)


@pytest.mark.parametrize(
    ("name", "train_from", "reads_map", "layers"),
    [
        (CNN, "blocks.4", False, []),
        (CNN, "blocks.4.0.conv_dw", True, [GlobalAverage(), nn.Dropout(0.2), nn.Linear(256, 9), nn.ReLU()]),
        (CNN, "layers:4", True, [nn.Flatten(), nn.Linear(1024, 7), nn.ReLU(), nn.Dropout(0.5)]),
        (CNN, "all", True, [GlobalAverage()]),
        (CNN, "head", False, [nn.Dropout(0.2)]),
        (RESNET, "layer4.0.conv2", False, []),
        (RESNET, "last:2", True, [GlobalAverage()]),
        (VIT, "blocks.3.mlp.fc1", False, [nn.Linear(64, 5), nn.ReLU()]),
        (VIT, "fraction:0.3", False, []),
        ("efficientnet_lite0", "blocks.5", False, []),
    ],
)
def test_a_fine_tuned_network_is_built_again(
    tmp_path: Path, name: str, train_from: str, reads_map: bool, layers: list[nn.Module]
) -> None:
    made = tuned(name, train_from, reads_map=reads_map, body=nn.Sequential(*layers))
    saved.write(made, IDENTITY, tmp_path)
    again, _ = saved.read(tmp_path, size=SIZE)
    assert_same(made, again)
    assert isinstance(again, TunedNetwork)
    assert again.layers() == made.layers()


def test_one_that_answers_beside_the_pretrained_network_is_built_again(tmp_path: Path) -> None:
    made = tuned(CNN, "blocks.4", joined=True)
    saved.write(made, IDENTITY, tmp_path)
    again, _ = saved.read(tmp_path, size=SIZE)
    assert_same(made, again)
    document = json.loads((tmp_path / "network.json").read_text())
    del document["tuned"]["joined"]  # as earlier versions wrote it, which had no such rows
    (tmp_path / "network.json").write_text(json.dumps(document))
    with pytest.raises(ModelError, match="rows of"):
        saved.read(tmp_path, size=SIZE)


def test_what_did_not_change_is_stored_once(tmp_path: Path) -> None:
    made = tuned(CNN, "blocks.4")
    saved.write(made, IDENTITY, tmp_path)
    names = set(load_file(tmp_path / "network.safetensors"))
    trained = split(network.untrained(catalog.get(CNN), size=SIZE), "blocks.4").trained
    assert {name.removeprefix("tuned.") for name in names if name.startswith("tuned.")} <= set(trained)
    again, _ = saved.read(tmp_path)
    saved.write(again, IDENTITY, tmp_path)
    assert set(load_file(tmp_path / "network.safetensors")) == names


def test_the_beginning_of_a_network_leaves_no_files(tmp_path: Path) -> None:
    backbone = catalog.get(CNN)
    prefix = split(network.build(backbone, locate(backbone, random=True)), "blocks.3").prefix
    assert prefix is not None
    saved.write(FrozenPrefix(backbone, prefix, size=SIZE), IDENTITY, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX's")
def test_everybody_may_read_it_whom_the_umask_lets(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        saved.write(frozen(CNN), IDENTITY, tmp_path)
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o644}


# ---------------------------------------------------------------- damage


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    body = nn.Sequential(GlobalAverage(), nn.Linear(256, 5), nn.ReLU())
    saved.write(tuned(CNN, "blocks.4", reads_map=True, body=body), IDENTITY, folder)
    return folder


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "network"))


def change(folder: Path, **fields: Any) -> None:
    document = json.loads((folder / "network.json").read_text())
    document["tuned"] |= fields.pop("tuned", {})
    (folder / "network.json").write_text(json.dumps(document | fields))


@pytest.mark.parametrize("name", ["hf-hub:timm/resnet18", "local-dir:/tmp/evil", "resnet-of-nobody", "../x", ""])
def test_only_what_timm_knows_is_built(copy: Path, name: str) -> None:
    change(copy, architecture=name)
    with pytest.raises(ModelError, match="expected: a name listed by"):
        saved.read(copy)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"architecture": RESNET}, "choose one of conv1"),
        ({"architecture": 7}, "expected: architecture: text"),
        ({"size": "64"}, "expected: size: a whole number"),
        ({"size": -1}, "expected: size from 1 to 2048\n   found: -1"),
        ({"mean": [0.5, 0.5]}, "expected: mean: a list of 3"),
        ({"mean": [0.5, 0.5, float("nan")]}, "found: NaN, which is no number"),
        ({"widths": {"last": 1}}, "expected: rows of"),
        ({"sha256": "0" * 64}, "with SHA-256 0000"),
        ({"tuned": {"train_from": "blocks.9"}}, "'blocks.9'"),
        ({"tuned": {"train_from": "layers:many"}}, "ValueError"),
        ({"tuned": {"train_from": "blocks.3"}}, "cuts the network"),
        ({"tuned": {"cut_at": None}}, "expected: tuned.cut_at: a whole number"),
        ({"tuned": {"layers": ["mean over positions", "softmax"]}}, "KeyError: 'softmax'"),
        ({"tuned": {"layers": ["mean over positions", "linear", "linear"]}}, "KeyError: '2.weight'"),
        ({"tuned": {"layers": ["mean over positions"]}}, "that the network does not have: body.1"),
        ({"tuned": {"reads_map": False}}, "ModelError|Error"),
        ({"format": 1}, "expected: a network of format 2\n   found: format 1\n   to do: .*train again"),
    ],
)
def test_another_document_is_an_error_and_no_traceback(copy: Path, fields: dict[str, Any], said: str) -> None:
    change(copy, **fields)
    with pytest.raises(ModelError, match=said):
        saved.read(copy)


def test_a_network_of_before_there_were_formats_says_what_to_do(copy: Path) -> None:
    (copy / "network.json").write_text(json.dumps({"backbone": {}, "identity": {}}))
    with pytest.raises(ModelError, match=r"of format 2\n   found: no format\n.*train again with this version"):
        saved.read(copy)
    (copy / "network.json").unlink()
    with pytest.raises(ModelError, match=r"expected: a readable network\.json\n   found: no such file"):
        saved.describe(copy)


def test_another_size_than_the_one_asked_for_is_refused(copy: Path) -> None:
    with pytest.raises(ModelError, match="expected: a network for pictures of 65 pixels\n   found: 64"):
        saved.read(copy, size=65)


def test_tensors_that_are_missing_or_do_not_fit_are_all_named(copy: Path) -> None:
    tensors = load_file(copy / "network.safetensors")
    del tensors["pretrained.conv_stem.weight"], tensors["body.1.bias"]
    tensors["pretrained.nothing"] = torch.zeros(1)
    tensors["pretrained.bn1.bias"] = torch.zeros(3)
    tensors["pretrained.bn1.weight"] = tensors["pretrained.bn1.weight"].half()
    save_file(tensors, copy / "network.safetensors")
    change(copy, sha256=sha256(copy / "network.safetensors"))
    with pytest.raises(ModelError) as caught:
        saved.read(copy)
    missing, unknown, misfit = (problem.found for problem in caught.value.problems)
    assert missing == "2 missing: pretrained.conv_stem.weight, body.1.bias"
    assert unknown == "1 that the network does not have: pretrained.nothing"
    assert misfit.startswith("2 of another shape or type: pretrained.bn1.weight torch.float16 (24,)")


def test_tensors_that_are_damaged_or_gone_are_an_error(copy: Path) -> None:
    (copy / "network.safetensors").write_bytes(b"no tensors")
    with pytest.raises(ModelError, match="with SHA-256"):
        saved.read(copy)
    change(copy, sha256=sha256(copy / "network.safetensors"))
    with pytest.raises(ModelError, match="SafetensorError"):
        saved.read(copy)
    (copy / "network.safetensors").unlink()
    with pytest.raises(ModelError, match="found: no such file"):
        saved.read(copy)


def test_describing_loads_no_torch(whole: Path) -> None:
    import subprocess
    import sys

    script = (
        "import sys; from pathlib import Path; from headstart.backbones import saved;"
        "saved.describe(Path(sys.argv[1])); print(sorted({'torch', 'timm'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script, str(whole)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_rows_of_the_file_are_those_of_training(whole: Path) -> None:
    again, _ = saved.read(whole)
    with torch.inference_mode():
        last, rows = again(images())
    assert np.isfinite(last.numpy()).all()
    assert rows.shape == (3, 5)
