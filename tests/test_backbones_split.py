"""Any module will do to begin learning with; what lies before the cut is computed once, faithfully."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from torch import nn

from headstart.backbones import catalog, network
from headstart.backbones.prepared import prepare
from headstart.backbones.runtime import synthetic_images
from headstart.backbones.split import FrozenPrefix, GlobalAverage, TunedNetwork, build_body, split
from headstart.backbones.weights import locate
from headstart.errors import OptionError

EFFICIENTNET, RESNET, VIT = "test_efficientnet.r160_in1k", "test_resnet.r160_in1k", "test_vit.r160_in1k"


def built(name: str) -> nn.Module:
    backbone = catalog.get(name)
    return network.build(backbone, locate(backbone, random=True))


@pytest.mark.parametrize(
    ("name", "train_from"),
    [(EFFICIENTNET, "blocks.4"), (EFFICIENTNET, "blocks.4.0.conv_dw"), (EFFICIENTNET, "last:2"),
     (EFFICIENTNET, "layers:4"), (RESNET, "layer4.0.conv2"), (RESNET, "all"), (VIT, "blocks.3"),
     (VIT, "blocks.3.mlp.fc1"), (VIT, "layers:3"), (VIT, "head")],
)  # fmt: skip
@pytest.mark.parametrize("reads_map", [False, True])
def test_the_parts_make_the_whole(name: str, train_from: str, reads_map: bool) -> None:
    model = built(name)
    parts = split(model, train_from, reads_map=reads_map)
    x = torch.randn(2, 3, 160, 160, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = model.forward_features(x) if reads_map else model(x)  # type: ignore[operator]
        found = x
        for part in (parts.prefix, parts.suffix):
            found = found if part is None else part(found)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("name", [EFFICIENTNET, RESNET, VIT])
def test_prefix_then_suffix_is_the_whole_at_every_stage(name: str) -> None:
    model = built(name)
    x = torch.rand(2, 3, 160, 160, generator=torch.Generator().manual_seed(0))
    sizes = []
    with torch.inference_mode():
        for stage in network.stages(model):
            parts = split(model, stage.name)
            assert parts.suffix is not None
            kept = x if parts.prefix is None else parts.prefix(x)
            assert torch.equal(parts.suffix(kept), model(x)), stage.name
            sizes.append(network.count_parameters(parts.suffix).total)
    assert sizes[0] == pytest.approx(network.count_parameters(model).total, rel=0.01)
    assert all(earlier > later for earlier, later in pairwise(sizes))


@pytest.mark.parametrize("at", ["features.10", "features.28", "pre_logits"])
def test_a_bare_chain_of_convolutions_is_split_too(at: str) -> None:
    with torch.device("meta"):  # without its slow initialisation
        model = timm.create_model("vgg16.tv_in1k", num_classes=0)
    model = model.to_empty(device="cpu").eval()
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        nn.init.uniform_(parameter, -0.03, 0.03, generator=generator)
    parts = split(model, at)
    assert parts.prefix is not None
    assert parts.suffix is not None
    x = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(parts.suffix(parts.prefix(x)), model(x))


def test_the_parts_hold_the_modules_of_the_network_under_their_names() -> None:
    model = built(RESNET)
    parts = split(model, "layer4")
    assert parts.prefix is not None
    assert parts.suffix is not None
    assert set(parts.prefix.state_dict()) | set(parts.suffix.state_dict()) == set(model.state_dict())
    assert not set(parts.prefix.state_dict()) & set(parts.suffix.state_dict())
    x = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    kept, before = parts.prefix(x).detach(), model(x).detach()
    optimizer = torch.optim.SGD(parts.suffix.parameters(), lr=0.1)
    parts.suffix(kept).square().mean().backward()
    optimizer.step()
    assert not torch.allclose(model(x), before)
    assert torch.equal(parts.prefix(x), kept)


def test_between_the_cut_and_the_module_nothing_learns() -> None:
    """Inside a residual block two maps cross, so that the cut lies before the block."""
    model = built(RESNET)
    inside, before = split(model, "layer4.0.conv2"), split(model, "layer4.0")
    assert inside.at == before.at
    assert set(before.trained) - set(inside.trained) >= {"layer4.0.conv1.weight", "layer4.0.bn1.weight"}
    assert not any(name.startswith("layer3") for name in before.trained)


def test_a_cut_before_everything_leaves_no_prefix() -> None:
    model = built(EFFICIENTNET)
    first = split(model, "conv_stem")
    assert first.prefix is None
    assert set(first.trained) == set(split(model, "all").trained) == {name for name, _ in model.named_parameters()}


@pytest.mark.parametrize("share", [0.05, 0.3, 0.8, 1.0])
def test_a_fraction_is_the_fewest_last_stages_that_hold_it(share: float) -> None:
    model = built(EFFICIENTNET)
    sizes = {
        stage.name: sum(p.numel() for p in model.get_submodule(stage.name).parameters())
        for stage in network.stages(model)
    }
    total = sum(sizes.values())
    trained = set(split(model, f"fraction:{share}").trained)
    whole = [name for name in sizes if any(one.startswith(f"{name}.") for one in trained)]
    assert whole == list(sizes)[-len(whole) :]
    held = sum(sizes[name] for name in whole)
    assert held >= share * total or len(whole) == len(sizes)
    assert held - sizes[whole[0]] < share * total


def test_none_is_the_head_alone() -> None:
    model = built(EFFICIENTNET)
    nothing, head = split(model, "none"), split(model, "head")
    assert nothing.trained == head.trained == ()
    assert nothing.at == head.at


def test_a_name_that_does_not_run_is_refused_with_those_that_do() -> None:
    with pytest.raises(OptionError, match=r"'layer4'[\s\S]*choose one of conv_stem, blocks.0"):
        split(built(EFFICIENTNET), "layer4")


@pytest.mark.parametrize("device", ["torch", "openvino"])
def test_a_prefix_runs_in_a_runtime_and_stays_as_it_was(device: str, tmp_path: Path) -> None:
    backbone, model = catalog.get(EFFICIENTNET), built(EFFICIENTNET)
    prefix = split(model, "blocks.3").prefix
    assert prefix is not None
    frozen = FrozenPrefix(backbone, prefix, size=64)
    images = synthetic_images(64, 3)
    with torch.inference_mode():
        expected = prefix(network.Normalise(backbone)(torch.from_numpy(images))).flatten(1).numpy()
        for parameter in model.parameters():
            parameter.zero_()
    runtime = prepare(lambda: frozen, {"size": 64, "of": "test"}, cache=tmp_path, device=device, precision="f32")
    found = np.concatenate([rows["map0"] for rows in runtime.run(image[None] for image in images)])
    assert found.shape == (3, int(np.prod(frozen.shapes["map0"])))
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert runtime.widths == frozen.widths


def test_a_tuned_network_gives_the_rows_of_both_networks_and_keeps_its_own_copy() -> None:
    backbone = catalog.get(EFFICIENTNET)
    model = network.build(backbone, locate(backbone, random=True), size=64)
    images = torch.randint(0, 256, (3, 64, 64, 3), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    x = network.Normalise(backbone)(images)
    parts = split(model, "blocks.4")
    with torch.inference_mode():
        before = model(x)
    pretrained = split(network.build(backbone, locate(backbone, random=True), size=64), "blocks.4").suffix
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name in parts.trained:
                parameter.mul_(1.5)
    both = TunedNetwork(backbone, parts, pretrained=pretrained, body=nn.Sequential(nn.ReLU()), size=64)
    with torch.inference_mode():
        after = torch.relu(model(x))
        last, tuned = both(images)
    torch.testing.assert_close(last, before)
    torch.testing.assert_close(tuned, after)
    assert not torch.allclose(last, tuned)
    assert both.widths == {"last": 256, "tuned": 256}
    joined = TunedNetwork(backbone, parts, pretrained=pretrained, body=nn.Sequential(nn.ReLU()), size=64, joined=True)
    with torch.inference_mode():
        torch.testing.assert_close(joined(images)[1], torch.cat([before, after], dim=1))
    assert joined.widths == {"last": 256, "tuned": 512}
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    with torch.inference_mode():
        torch.testing.assert_close(both(images)[1], tuned)


def test_a_last_map_is_averaged() -> None:
    backbone = catalog.get(EFFICIENTNET)
    model = network.build(backbone, locate(backbone, random=True), size=64)
    whole = split(model, "head", reads_map=True)
    both = TunedNetwork(backbone, whole, pretrained=None, body=nn.Sequential(nn.Flatten()), size=64)
    with torch.inference_mode():
        last, tuned = both(torch.zeros(1, 64, 64, 3, dtype=torch.uint8))
    torch.testing.assert_close(tuned.reshape(1, last.shape[1], -1).mean(2), last)


def test_tensors_of_a_tuned_network_go_by_the_names_of_timm() -> None:
    backbone = catalog.get(EFFICIENTNET)
    model = network.build(backbone, locate(backbone, random=True), size=64)
    names = set(model.state_dict())
    for train_from in ("all", "blocks.4", "head"):
        cut = split(model, train_from)
        both = TunedNetwork(backbone, cut, pretrained=cut.suffix, body=nn.Sequential(), size=64)
        before, after, body = both.tensors()
        assert set(before) == names
        assert set(after) <= names
        assert (after == {}) == (train_from == "head")
        assert body == {}


def test_a_head_is_built_again_from_its_layers_and_tensors() -> None:
    body = nn.Sequential(GlobalAverage(), nn.Dropout(0.3), nn.Linear(8, 5), nn.ReLU(), nn.Dropout(0.5))
    layers = ["mean over positions", "dropout", "linear", "relu", "dropout"]
    again = build_body(layers, body.state_dict())
    again.load_state_dict(body.state_dict())
    x = torch.randn(2, 8, 3, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(again.eval()(x), body.eval()(x))
    with pytest.raises(KeyError):
        build_body(["linear"], {})
    with pytest.raises(KeyError):
        build_body(["softmax"], {})
