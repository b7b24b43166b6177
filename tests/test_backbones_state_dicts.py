"""Weights files of other people's making: read safely, fitted by name or by order, every misfit named."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn

from headstart.backbones import catalog, network, state_dicts, weights
from headstart.errors import WeightsError

RESNET = catalog.get("resnet18")


def fill(model: nn.Module, seed: int = 0) -> nn.Module:
    """``model``, made on the meta device, with numbers that keep the signal alive: quicker than its own start."""
    model = model.to_empty(device="cpu").eval()
    generator = torch.Generator().manual_seed(seed)
    for name, value in model.state_dict().items():
        if not value.is_floating_point():
            value.zero_()
        elif value.ndim > 1:
            bound = (6 / value[0].numel()) ** 0.5
            value.uniform_(-bound, bound, generator=generator)
        elif name.endswith(("weight", "running_var")):
            value.uniform_(0.7, 1.3, generator=generator)
        else:
            value.uniform_(-0.2, 0.2, generator=generator)
    return model


def check_same_logits(model: nn.Module, reference: nn.Module, size: int) -> None:
    pictures = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        ours, theirs = model(pictures), reference(pictures)
    spread = theirs.std().item()
    assert (theirs[0] - theirs[1]).std().item() > 1e-3 * spread  # the pictures reach the logits
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5 * spread)


def torchvision_model(name: str, **options: Any) -> nn.Module:
    with torch.device("meta"):
        return fill(torchvision.models.get_model(name, **options))


def built_from(file: Path, *, num_classes: int = 1000) -> nn.Module:
    return network.build(RESNET, weights.locate(RESNET, file=file), num_classes=num_classes)


# ---------------------------------------------------------------- layouts


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("resnet18", "resnet18"), ("mobilenet_v2", "mobilenetv2_100"), ("efficientnet_b0", "efficientnet_b0")],
)
def test_torchvision_weights_give_torchvision_logits(theirs: str, ours: str) -> None:
    reference = torchvision_model(theirs)
    model = timm.create_model(ours, num_classes=1000).eval()
    state_dicts.load(model, dict(reference.state_dict()), what="test")
    check_same_logits(model, reference, 96)


def test_torchvision_vgg_is_reshaped_into_convolutions() -> None:
    reference = torchvision_model("vgg11")
    with torch.device("meta"):
        empty = timm.create_model("vgg11", num_classes=1000)
    model = fill(empty, seed=5)
    state_dicts.load(model, dict(reference.state_dict()), what="test")
    check_same_logits(model, reference, 224)


@pytest.mark.parametrize("kind", ["plain.pth", "wrapped.pt", "parallel.ckpt", "compiled.pth", "plain.safetensors"])
def test_wrapped_and_prefixed_files_are_unwrapped(tmp_path: Path, kind: str) -> None:
    tensors = dict(torchvision_model("resnet18").state_dict())
    file = tmp_path / kind
    if kind.endswith(".safetensors"):
        save_file(tensors, file)
    else:
        content: dict[str, dict[str, Any]] = {
            "plain.pth": tensors,
            "wrapped.pt": {"epoch": 3, "state_dict": tensors, "optimizer": {"lr": 0.1}},
            "parallel.ckpt": {"model": {f"module.{name}": value for name, value in tensors.items()}},
            "compiled.pth": {f"_orig_mod.module.{name}": value for name, value in tensors.items()},
        }
        torch.save(content[kind], file)
    loaded = built_from(file).state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in tensors.items())


def test_a_classifier_of_another_size_starts_afresh(tmp_path: Path) -> None:
    tensors = dict(torchvision_model("resnet18", num_classes=5).state_dict())
    torch.save(tensors, tmp_path / "five.pth")
    model = built_from(tmp_path / "five.pth", num_classes=3)
    assert model.state_dict()["fc.weight"].shape == (3, 512)
    assert torch.equal(model.state_dict()["layer4.1.conv2.weight"], tensors["layer4.1.conv2.weight"])
    headless = built_from(tmp_path / "five.pth", num_classes=0)
    assert "fc.weight" not in headless.state_dict()


def test_files_older_than_batch_counters_load(tmp_path: Path) -> None:
    tensors = {n: v for n, v in torchvision_model("resnet18").state_dict().items() if "num_batches" not in n}
    torch.save(tensors, tmp_path / "old.pth")
    assert torch.equal(built_from(tmp_path / "old.pth").state_dict()["bn1.weight"], tensors["bn1.weight"])


# ---------------------------------------------------------------- refusals


def test_all_misfits_are_named_at_once(tmp_path: Path) -> None:
    tensors = dict(torchvision_model("resnet18").state_dict())
    del tensors["layer1.0.conv1.weight"], tensors["layer2.0.bn1.bias"]
    tensors["layer3.0.conv1.weight"] = torch.zeros(2, 2)
    tensors["stray.weight"] = torch.zeros(1)
    torch.save(tensors, tmp_path / "w.pth")
    with pytest.raises(WeightsError) as caught:
        built_from(tmp_path / "w.pth")
    assert f"weights {tmp_path / 'w.pth'} for the backbone resnet18: 3 problems" in str(caught.value)
    assert [problem.found for problem in caught.value.problems] == [
        "2 missing: layer1.0.conv1.weight, layer2.0.bn1.bias",
        "1 that the network does not have: stray.weight",
        "1 of another shape: layer3.0.conv1.weight (2, 2) instead of (256, 128, 3, 3)",
    ]


def test_another_architecture_is_refused(tmp_path: Path) -> None:
    torch.save(dict(torchvision_model("resnet34").state_dict()), tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"that the network does not have: layer1\.2\.conv1\.weight"):
        built_from(tmp_path / "w.pth")


class Malicious:
    """Unpickling it makes a directory."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.mark),)


def test_a_file_that_would_run_code_is_refused_and_does_not(tmp_path: Path) -> None:
    torch.save({"conv1.weight": torch.zeros(1), "x": Malicious(tmp_path / "pwned")}, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="would run code when loaded") as refused:
        built_from(tmp_path / "w.pth")
    assert "False" not in str(refused.value)  # torch says how to load it all the same
    assert not (tmp_path / "pwned").exists()
    torch.load(tmp_path / "w.pth", weights_only=False)  # the very file does run code where it is trusted
    assert (tmp_path / "pwned").exists()


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
@pytest.mark.parametrize("content", [b"", b"not weights at all", b"PK\x03\x04 cut off"])
def test_a_damaged_file_is_refused(tmp_path: Path, suffix: str, content: bytes) -> None:
    file = tmp_path / f"w.{suffix}"
    file.write_bytes(content)
    with pytest.raises(WeightsError, match="a file that is damaged"):
        built_from(file)


@pytest.mark.parametrize("content", [{}, {"epoch": 3}, [torch.zeros(1)]])
def test_a_file_without_named_tensors_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="save the network's state_dict"):
        built_from(tmp_path / "w.pth")
