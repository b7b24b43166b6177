"""Networks built, frozen, cut and counted."""

from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import pytest
import timm
import torch
from torch import Tensor, nn

from headstart.backbones import catalog, network, weights
from headstart.backbones.catalog import Backbone


def backbone_of(name: str) -> Backbone:
    return catalog.get(name)


@cache
def built(name: str, num_classes: int = 0) -> nn.Module:
    backbone = catalog.get(name)
    located = weights.locate(backbone, random=backbone.name != "efficientnet_lite0")
    return network.build(backbone, located, num_classes=num_classes)


@cache
def vgg16() -> nn.Module:
    """Without its slow initialisation."""
    with torch.device("meta"):
        model = timm.create_model("vgg16.tv_in1k", num_classes=0)
    model = model.to_empty(device="cpu").eval()
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        nn.init.uniform_(parameter, -0.03, 0.03, generator=generator)
    return model


def pictures(size: int, count: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randint(0, 256, (count, size, size, 3), generator=generator).to(torch.uint8)


# ---------------------------------------------------------------- building


def test_the_bundled_weights_fit_tensor_for_tensor() -> None:
    backbone = catalog.get("efficientnet_lite0")
    located = weights.locate(backbone)
    assert located.path is not None
    given = list(torch.load(located.path, weights_only=True).values())
    loaded = list(built("efficientnet_lite0", num_classes=1000).state_dict().values())
    assert len(given) == len(loaded) == 296
    for ours, theirs in zip(loaded, given, strict=True):
        assert ours.shape == theirs.shape
        assert ours.ndim == 0 or torch.equal(ours, theirs)


@pytest.mark.parametrize("name", ["efficientnet_lite1", "efficientnet_lite2"])
def test_the_other_bundled_weights_fit_too(name: str) -> None:
    backbone = catalog.get(name)
    untrained = network.build(backbone, weights.locate(backbone, random=True)).state_dict()
    trained = network.build(backbone, weights.locate(backbone)).state_dict()
    still = [key for key in trained if trained[key].ndim > 0 and torch.equal(trained[key], untrained[key])]
    assert still == []


def test_random_weights_repeat_and_leave_the_generator_alone() -> None:
    backbone = catalog.get("test_resnet.r160_in1k")
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    first, second = (network.build(backbone, weights.locate(backbone, random=True)) for _ in range(2))
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not any(module.training for module in first.modules())


# ---------------------------------------------------------------- counts


def test_known_counts() -> None:
    assert network.count_parameters(built("efficientnet_lite0", num_classes=1000)).total == 4_652_008
    assert network.count_parameters(built("efficientnet_lite0")).batch_norm_statistics == 42_016
    assert network.count_parameters(built("resnet18", num_classes=1000)).total == 11_689_512
    assert network.count_parameters(built("mobilenetv2")).total == 2_223_872


def test_what_is_frozen_counts_too() -> None:
    layer = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Linear(4, 2))
    layer[0].requires_grad_(False)
    assert network.count_parameters(layer) == network.ParameterCount(total=16 + 8 + 10, batch_norm_statistics=8)


# ---------------------------------------------------------------- frozen


@pytest.mark.parametrize(
    ("name", "last", "depths"),
    [
        ("efficientnet_lite0", 1280, 3 * (16 + 24 + 40 + 80 + 112 + 192 + 320 + 1280)),
        ("resnet18", 512, 3 * (64 + 128 + 256 + 512)),  # the last stage is the final map: not twice
        ("test_vit.r160_in1k", 64, 3 * (4 * 64 + 64)),
        ("test_resnet.r160_in1k", 96, 3 * (32 + 32 + 48 + 192 + 96)),
    ],
)
def test_widths(name: str, last: int, depths: int) -> None:
    backbone = backbone_of(name)
    frozen = network.FrozenNetwork(backbone, built(name), size=backbone.input_size)
    assert frozen.widths == {"last": last, "depths": depths}
    assert not any(parameter.requires_grad for parameter in frozen.parameters())


def test_rows_are_timm_features_and_statistics_of_the_maps_in_order() -> None:
    backbone = backbone_of("efficientnet_lite0")
    model = built("efficientnet_lite0")
    frozen = network.FrozenNetwork(backbone, model, size=96)
    maps: list[Tensor] = []
    handles = [
        model.get_submodule(name).register_forward_hook(lambda module, inputs, output: maps.append(output))
        for name in (*(f"blocks.{block}" for block in range(7)), "bn2")
    ]
    with torch.inference_mode():
        x = (pictures(96).permute(0, 3, 1, 2) / 255.0 - 0.5) / 0.5
        expected = model(x)
        for handle in handles:
            handle.remove()
        last, depths = frozen(pictures(96))
    torch.testing.assert_close(last, expected)
    statistics = [s for m in maps for s in (m.mean((2, 3)), m.amax((2, 3)), m.std((2, 3), correction=0))]
    torch.testing.assert_close(depths, torch.cat(statistics, 1), rtol=1e-4, atol=1e-5)


def test_normalisation_is_the_backbone_own() -> None:
    backbone = backbone_of("resnet18")
    grey = torch.full((1, 4, 4, 3), 128, dtype=torch.uint8)
    normalised = network.Normalise(backbone)(grey)
    assert normalised.shape == (1, 3, 4, 4)
    expected = [(128 / 255 - mean) / std for mean, std in zip(backbone.mean, backbone.std, strict=True)]
    torch.testing.assert_close(normalised[0, :, 0, 0], torch.tensor(expected))


def test_deviation_survives_a_large_mean() -> None:
    positions = torch.tensor([[[10000.0, 10000.5, 10001.0]]])
    mean, largest, deviation = network._statistics(positions)
    assert (mean.item(), largest.item()) == (10000.5, 10001.0)
    assert deviation.item() == pytest.approx((0.5 / 3) ** 0.5, rel=1e-3)


# ---------------------------------------------------------------- cutting


def test_stages_run_from_stem_to_final_map() -> None:
    named = [(stage.name, stage.reduction) for stage in network.stages(built("efficientnet_lite0"))]
    assert named == [
        ("conv_stem", 2),
        ("blocks.0", 2),
        ("blocks.1", 4),
        ("blocks.2", 8),
        ("blocks.3", 16),
        ("blocks.4", 16),
        ("blocks.5", 32),
        ("blocks.6", 32),
        ("conv_head", 32),
    ]
    assert [stage.name for stage in network.stages(built("resnet18"))] == [
        "conv1", "layer1", "layer2", "layer3", "layer4",
    ]  # fmt: skip
    tokens = network.stages(built("test_vit.r160_in1k"))
    assert {stage.reduction for stage in tokens} == {16}


# ---------------------------------------------------------------- several threads


def test_threads_that_share_a_network_do_not_mix_their_maps() -> None:
    backbone = backbone_of("test_resnet.r160_in1k")
    frozen = network.FrozenNetwork(backbone, built("test_resnet.r160_in1k"), size=64)
    again = network.FrozenNetwork(backbone, built("test_resnet.r160_in1k"), size=64)  # of the very same model
    images = [pictures(64, count=1).roll(shift, 1) for shift in range(8)]
    with torch.inference_mode():
        alone = [frozen(image)[1] for image in images]

    def rows(image: Tensor) -> list[Tensor]:
        with torch.inference_mode():
            return [network_(image)[1] for network_ in (frozen, again, copied) for _ in range(10)]

    copied = copy.deepcopy(frozen)
    with ThreadPoolExecutor(8) as pool:
        for expected, found in zip(alone, pool.map(rows, images), strict=True):
            assert all(torch.equal(row, expected) for row in found)


def test_a_network_that_was_frozen_once_can_be_used_as_before() -> None:
    model = built("test_resnet.r160_in1k")
    x = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        before = model(x)
        network.FrozenNetwork(backbone_of("test_resnet.r160_in1k"), model, size=64)
        assert torch.equal(model(x), before)
