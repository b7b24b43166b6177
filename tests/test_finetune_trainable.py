"""Backbone and head: what learns, counted as the published recipes count it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from headstart.backbones import catalog
from headstart.backbones.weights import locate
from headstart.errors import OptionError
from headstart.finetune.plan import Head, Phase, Plan
from headstart.finetune.trainable import Trainable, build_head
from headstart.probe.heads import LinearHead
from headstart.recipes import records

TINY = "test_efficientnet.r160_in1k"


def trainable(name: str, *train_from: str, head: Head | None = None, size: int = 64, num_classes: int = 2) -> Trainable:
    backbone = catalog.get(name)
    phases = tuple(Phase(train_from=one) for one in train_from)
    plan = Plan(size=size, head=head or Head(), phases=phases)
    return Trainable(backbone, locate(backbone, random=True), plan, num_classes=num_classes)


def test_recipe_a_frozen() -> None:
    summary = trainable("resnet18", "head").summary(0)
    assert (summary.trainable, summary.trainable_tensors) == (1_026, 2)


def test_recipe_c_both_phases() -> None:
    head = Head(reads="pooled map", dropout=0.2, logit="one")
    both = trainable("mobilenetv2_100", "head", "layers:18", "blocks.4.1.conv_dw", head=head, size=160)
    first, second, named = (both.summary(phase) for phase in range(3))
    assert first.base_with_statistics == 2_257_984
    assert (first.trainable, first.trainable_tensors) == (1_281, 2)
    assert (second.trainable, second.trainable_tensors) == (1_862_721, 56)
    assert replace(named, train_from=second.train_from) == second
    swapped = trainable("efficientnet_lite0", "layers:18", head=head, size=160).summary(0)
    assert swapped.trainable_tensors == 56, "as many layers learn with another backbone"


def test_recipes_of_vgg16() -> None:
    """B: a new last layer; D: the last block under a head on the pooled map; F: a new classifier on the map."""
    dense = Head(reads="pooled map", dropout=0.2, hidden=(256,), hidden_dropout=0.5, logit="one")
    block5 = trainable("vgg16", "head", "last:3", head=dense, size=32)
    of_head = block5.summary(0).trainable
    assert of_head == 512 * 256 + 256 + 256 + 1
    assert block5.summary(1).trainable - of_head == 7_079_424
    assert sum(p.numel() for p in build_head(Head(), (4096,), 2, seed=0).parameters()) == 8_194
    classifier = Head(reads="map", hidden=(4096, 4096), hidden_dropout=0.5)
    with torch.device("meta"):
        assert sum(p.numel() for p in build_head(classifier, (512, 7, 7), 2, seed=0).parameters()) == 119_554_050


def test_gradients_reach_what_was_said_and_nothing_else() -> None:
    tiny = trainable(TINY, "blocks.4")
    learns = tiny.begin(0)
    suffix = tiny.suffix(0)
    tiny.mode(tiny.plan.phases[0])
    prefix = tiny.splits[0].prefix
    assert prefix is not None
    with torch.no_grad():
        crossing = prefix(torch.zeros(2, 3, 64, 64))
    suffix(crossing).sum().backward()
    reached = {name for name, parameter in tiny.network.named_parameters() if parameter.grad is not None}
    assert reached == set(learns)
    assert reached
    assert not [name for name in reached if name.startswith(("conv_stem", "blocks.3."))]


def test_batch_norms_keep_their_statistics_unless_told_otherwise() -> None:
    for how, moved in (("eval", False), ("train", True)):
        backbone = catalog.get(TINY)
        plan = Plan(size=64, phases=(Phase(train_from="blocks.4", batch_norm=how),))
        tiny = Trainable(backbone, locate(backbone, random=True), plan, num_classes=2)
        tiny.begin(0)
        before = {name: value.clone() for name, value in tiny.network.named_buffers()}
        tiny.mode(plan.phases[0])
        tiny.network(torch.randn(4, 3, 64, 64))
        changed = {name for name, value in tiny.network.named_buffers() if not torch.equal(value, before[name])}
        assert bool(changed) is moved
        assert changed <= {name.removeprefix("backbone.") for name in tiny.state()}
        assert not [name for name in changed if name.startswith("blocks.3.")]


@pytest.mark.parametrize("name", ["vgg16-frozen", "vgg16-full"])
def test_both_dropouts_of_vgg_drop_in_training_alone(name: str) -> None:
    recipe = records.get(name)
    backbone = catalog.get("vgg11")  # the same layers of 4096
    plan = replace(recipe.plan, size=32)
    network = Trainable(backbone, locate(backbone, random=True), plan, num_classes=2)
    whole = 8_194 if name == "vgg16-frozen" else network.summary(0).total
    assert network.summary(0).trainable == whole
    suffix, prefix = network.suffix(0), network.splits[0].prefix
    shape = (1, 32, 32, 3) if prefix is None else (1, *prefix(torch.zeros(1, 3, 32, 32)).shape[1:])
    x = torch.randint(0, 255, shape, dtype=torch.uint8) if prefix is None else torch.rand(shape)
    dropping = [module for module in suffix.modules() if isinstance(module, nn.Dropout)]
    assert [module.p for module in dropping if module.p] == [0.5, 0.5]
    network.begin(0)
    network.mode(plan.phases[0])
    dropping[-1].p = 0.0  # so that only the backbone's own is seen to drop
    assert not torch.equal(suffix(x), suffix(x))
    network.eval()
    assert torch.equal(suffix(x), suffix(x))


def test_a_dropout_that_the_backbone_has_not_is_said() -> None:
    plan = Plan(size=64, backbone_dropout=("pre_logits", 0.5))
    with pytest.raises(OptionError, match=r"expected: dropouts in 'pre_logits' of the backbone\n   found: none"):
        Trainable(catalog.get(TINY), locate(catalog.get(TINY), random=True), plan, num_classes=2)


def test_state_is_a_copy_and_load_brings_it_back() -> None:
    tiny = trainable(TINY, "blocks.4")
    state = tiny.state()
    with torch.no_grad():
        for parameter in tiny.network.parameters():
            parameter.add_(1.0)
    moved = tiny.state()
    assert not torch.equal(moved["backbone.conv_head.weight"], state["backbone.conv_head.weight"])
    tiny.load(state)
    assert all(torch.equal(value, state[name]) for name, value in tiny.state().items())
    assert "backbone.conv_stem.weight" not in state


def test_all_that_does_not_suit_the_network_is_said_at_once() -> None:
    with pytest.raises(OptionError) as caught:
        trainable(TINY, "head", "layer4", "fc", head=Head(logit="one", start="probe"), num_classes=3)
    found = [problem.found for problem in caught.value.problems]
    assert found == ["'layer4' in phase 2", "'fc' in phase 3", "3", "none"]
    assert "blocks.4" in caught.value.problems[0].todo


def test_a_head_begins_as_the_probe_calibrated() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(7, 5)).astype(np.float32)
    for k, logit in ((3, "per class"), (2, "one"), (2, "per class")):
        weight, bias = rng.normal(size=(5, k)).astype(np.float32), rng.normal(size=k).astype(np.float32)
        probe = LinearHead(weight=weight, bias=bias, temperature=1.7)
        head = build_head(Head(start="probe", logit=logit), (5,), k, seed=0, probe=probe)  # type: ignore[arg-type]
        logits = head(torch.from_numpy(X)).detach()
        second = torch.sigmoid(logits) if logit == "one" else torch.softmax(logits, 1)[:, -1:]
        np.testing.assert_allclose(second[:, 0].numpy(), probe.predict_proba(X)[:, -1], atol=1e-6)


def test_a_fresh_head_depends_on_the_seed_alone() -> None:
    torch.manual_seed(1)
    a = build_head(Head(), (5,), 2, seed=3)[-1].weight
    torch.manual_seed(2)
    b = build_head(Head(), (5,), 2, seed=3)[-1].weight
    assert torch.equal(a, b)
    assert not torch.equal(a, build_head(Head(), (5,), 2, seed=4)[-1].weight)


def test_a_head_may_begin_as_keras_draws_it() -> None:
    head = build_head(Head(start="glorot", hidden=(256,), logit="one"), (1280,), 2, seed=0)
    hidden, last = head[0], head[2]
    for dense in (hidden, last):
        reach = (6 / (dense.in_features + dense.out_features)) ** 0.5
        assert 0.95 * reach < dense.weight.abs().max() <= reach
        assert dense.weight.std().item() == pytest.approx(reach / 3**0.5, rel=0.1)
        assert not dense.bias.any()


def test_a_probe_of_other_features_is_refused() -> None:
    probe = LinearHead(weight=np.ones((4, 2), np.float32), bias=np.zeros(2, np.float32), temperature=1.0)
    with pytest.raises(OptionError, match="expected: a probe of 5 features and 2 classes to begin with"):
        build_head(Head(start="probe"), (5,), 2, seed=0, probe=probe)
