"""Networks built, frozen, cut and counted."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import pytest
import timm
import torch
from torch import Tensor, nn

from headstart.backbones import catalog, network, weights
from headstart.backbones.catalog import Backbone
from headstart.errors import OptionError


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
    lite = network.count_parameters(built("efficientnet_lite0", num_classes=1000))
    assert lite.total == lite.trainable == 4_652_008
    features = network.count_parameters(built("efficientnet_lite0"))
    assert features.tensors == 245
    assert features.batch_norm_statistics == 42_016
    assert network.count_parameters(built("resnet18", num_classes=1000)).total == 11_689_512
    assert network.count_parameters(built("mobilenetv2")).total == 2_223_872


def test_what_is_frozen_is_not_trainable() -> None:
    layer = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Linear(4, 2))
    layer[0].requires_grad_(False)
    assert network.count_parameters(layer) == network.ParameterCount(
        total=16 + 8 + 10, trainable=8 + 10, tensors=8, batch_norm_statistics=8
    )


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
    assert network.count_parameters(frozen).trainable == 0


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
    named = [(stage.name, stage.channels, stage.reduction) for stage in network.stages(built("efficientnet_lite0"))]
    assert named == [
        ("conv_stem", 32, 2),
        ("blocks.0", 16, 2),
        ("blocks.1", 24, 4),
        ("blocks.2", 40, 8),
        ("blocks.3", 80, 16),
        ("blocks.4", 112, 16),
        ("blocks.5", 192, 32),
        ("blocks.6", 320, 32),
        ("conv_head", 1280, 32),
    ]
    assert [stage.name for stage in network.stages(built("resnet18"))] == [
        "conv1", "layer1", "layer2", "layer3", "layer4",
    ]  # fmt: skip
    tokens = network.stages(built("test_vit.r160_in1k"))
    assert {(stage.channels, stage.reduction) for stage in tokens} == {(64, 16)}


@pytest.mark.parametrize("name", ["efficientnet_lite0", "resnet18", "mobilenetv2", "test_vit.r160_in1k"])
def test_prefix_then_suffix_is_the_whole_at_every_stage(name: str) -> None:
    model = built(name)
    x = torch.rand(2, 3, 160, 160, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        whole = model(x)
        sizes = []
        for stage in network.stages(model):
            prefix, suffix = network.cut(model, stage.name)
            assert torch.equal(suffix(prefix(x)), whole), stage.name
            sizes.append(network.count_parameters(suffix).total)
    assert sizes[0] == pytest.approx(network.count_parameters(model).total, rel=0.01)
    assert all(earlier > later for earlier, later in pairwise(sizes))


@pytest.mark.parametrize("at", ["features.10", "features.28", "pre_logits"])
def test_vgg_is_cut_too(at: str) -> None:
    x = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    prefix, suffix = network.cut(vgg16(), at)
    with torch.inference_mode():
        assert torch.equal(suffix(prefix(x)), vgg16()(x))


@pytest.mark.parametrize("at", ["blocks.4.1", "blocks.4.0.conv_dw", "global_pool"])
def test_blocks_and_modules_inside_unbranched_blocks_can_be_cut(at: str) -> None:
    model = built("efficientnet_lite0")
    prefix, suffix = network.cut(model, at)
    x = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(suffix(prefix(x)), model(x))


def test_parts_share_the_modules_under_their_names() -> None:
    backbone = catalog.get("test_resnet.r160_in1k")
    model = network.build(backbone, weights.locate(backbone, random=True), num_classes=4)
    prefix, suffix = network.cut(model, "layer4")
    whole = set(model.state_dict())
    assert set(prefix.state_dict()) | set(suffix.state_dict()) == whole
    assert not set(prefix.state_dict()) & set(suffix.state_dict())
    assert suffix.get_submodule("fc") is model.get_submodule("fc")
    x = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    kept = prefix(x).detach()
    before = model(x).detach()
    optimizer = torch.optim.SGD(suffix.parameters(), lr=0.1)
    suffix(kept).square().mean().backward()
    optimizer.step()
    assert not torch.allclose(model(x), before)
    assert torch.equal(prefix(x), kept)


@pytest.mark.parametrize(
    ("at", "found"),
    [("blocks.9", "no module 'blocks.9' that runs"), ("blocks.4.1.conv_dw", "2 maps before 'blocks.4.1.conv_dw'")],
)
def test_where_it_cannot_be_cut_it_says_where_it_can(at: str, found: str) -> None:
    with pytest.raises(OptionError) as caught:
        network.cut(built("efficientnet_lite0"), at)
    (problem,) = caught.value.problems
    assert problem.found == found
    assert problem.todo.startswith("choose one of conv_stem, blocks.0, blocks.1")
