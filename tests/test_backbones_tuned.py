from __future__ import annotations

import pytest
import torch
from torch import nn

from headstart.backbones import catalog, network
from headstart.backbones.split import split
from headstart.backbones.tuned import GlobalAverage, TunedNetwork, build_body
from headstart.backbones.weights import locate

TINY = "test_efficientnet.r160_in1k"


def test_it_gives_the_rows_of_both_networks_and_keeps_its_own_copy() -> None:
    backbone = catalog.get(TINY)
    model = network.build(backbone, locate(backbone, random=True), size=64)
    pictures = torch.randint(0, 256, (3, 64, 64, 3), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    x = network.Normalise(backbone)(pictures)
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
        last, tuned = both(pictures)
    torch.testing.assert_close(last, before)
    torch.testing.assert_close(tuned, after)
    assert not torch.allclose(last, tuned)
    assert both.widths == {"last": 256, "tuned": 256}
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    with torch.inference_mode():
        torch.testing.assert_close(both(pictures)[1], tuned)


def test_a_last_map_is_averaged() -> None:
    backbone = catalog.get(TINY)
    model = network.build(backbone, locate(backbone, random=True), size=64)
    whole = split(model, "head", reads_map=True)
    both = TunedNetwork(backbone, whole, pretrained=None, body=nn.Sequential(nn.Flatten()), size=64)
    with torch.inference_mode():
        last, tuned = both(torch.zeros(1, 64, 64, 3, dtype=torch.uint8))
    torch.testing.assert_close(tuned.reshape(1, last.shape[1], -1).mean(2), last)


def test_its_tensors_go_by_the_names_of_timm() -> None:
    backbone = catalog.get(TINY)
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
