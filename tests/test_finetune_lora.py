"""Adapters learn, the rest stays, and in the end there is an ordinary network."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from headstart.backbones import catalog, network
from headstart.backbones.weights import locate
from headstart.errors import MissingPackageError, OptionError
from headstart.finetune import lora
from headstart.finetune.plan import Augment, Lora, Optimiser, Phase, Plan
from headstart.finetune.trainable import Trainable
from test_finetune_loop import same, tune

VIT = "test_vit.r160_in1k"
PLAN = Plan(
    size=64,
    mode="squash",
    augment=Augment(kind="crop", views=2),
    lora=Lora(rank=4, alpha=8),
    phases=(
        Phase(epochs=1, optimiser=Optimiser(lr=1e-2), batch_size=8),
        Phase(train_from="blocks.4", epochs=2, optimiser=Optimiser(lr=3e-2), batch_size=8),
        Phase(train_from="blocks.5", epochs=1, optimiser=Optimiser(lr=1e-2), batch_size=8),
    ),
)


def trainable(plan: Plan = PLAN, name: str = VIT) -> Trainable:
    backbone = catalog.get(name)
    return Trainable(backbone, locate(backbone, random=True), plan, num_classes=2)


def test_adapters_are_counted_apart() -> None:
    head, two, one = (trainable().summary(phase) for phase in range(3))
    plain = trainable(replace(PLAN, lora=None)).summary(0)
    d = 64
    of_a_block = 4 * (d + 3 * d) + 4 * (d + d)  # A and B of qkv, A and B of proj
    assert head.adapters == 6 * of_a_block
    assert (head.base, head.total) == (plain.base, plain.total + head.adapters)
    of_head = 2 * d + 2
    assert [summary.trainable for summary in (head, two, one)] == [
        of_head,
        of_head + 2 * of_a_block,
        of_head + of_a_block,
    ]
    assert two.trainable_tensors == 2 + 2 * 4


@pytest.mark.parametrize("cuts", [("layers:3", "layers:6", "layers:9"), ("fraction:0.1", "fraction:0.14", "last:2")])
def test_a_cut_stays_where_it_is_when_adapters_are_merged(cuts: tuple[str, ...]) -> None:
    """The kept maps must still be what the part that learned begins with."""
    by_layers = tuple(replace(phase, train_from=cut) for cut, phase in zip(cuts, PLAN.phases, strict=True))
    one = trainable(replace(PLAN, phases=by_layers))
    plain = trainable(replace(PLAN, lora=None, phases=by_layers))
    assert [part.at for part in one.splits] == [part.at for part in plain.splits]
    one.start = one.state()
    for name in one.adapters:
        torch.nn.init.normal_(one.network.get_parameter(name), std=0.1)
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        maps = [part.prefix(x) for part in one.splits]  # type: ignore[misc]
        before = [one.suffix(i)(maps[i]) for i in range(3)]
        settled = one.settle(one.state())[0]
        one.load(settled)
        for i in range(3):
            assert torch.allclose(one.suffix(i)(maps[i]), before[i], atol=1e-5)


def test_nothing_changes_before_the_first_step() -> None:
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(trainable().network(x), trainable(replace(PLAN, lora=None)).network(x))


def test_what_is_left_is_an_ordinary_network(photos: Path, cache: Path) -> None:
    out = tune(photos, cache, PLAN, VIT)
    backbone = catalog.get(VIT)
    before = network.build(backbone, locate(backbone, random=True), size=64).state_dict()
    after = out.activations.trainable.network.state_dict()
    assert after.keys() == before.keys()
    changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert changed == {f"blocks.{i}.attn.{part}.weight" for i in (4, 5) for part in ("qkv", "proj")}
    assert {f"backbone.{name}" for name in changed} == {name for name in out.last if name.startswith("backbone")}
    assert not lora.adapted(out.activations.trainable.network)
    for name in changed:  # a product of rank 4 was added
        difference = after[name] - before[name]
        assert int(torch.linalg.matrix_rank(difference, rtol=1e-3)) <= 4


def test_it_predicts_what_it_learned(photos: Path, cache: Path) -> None:
    from headstart.images.folder import scan

    out = tune(photos, cache, PLAN, VIT)
    paths = [path for i, path in enumerate(scan(photos).paths) if i % 4 == 0]
    np.testing.assert_allclose(out.predict_proba(paths), out.last_proba, atol=1e-6)
    y = scan(photos).y[::4]
    loss = -np.log(out.last_proba[np.arange(10), y]).mean()
    assert loss == pytest.approx(out.history.last.val_loss, abs=1e-3)  # merged, as it was with adapters


@pytest.mark.parametrize("saves", [1, 3])
def test_a_run_that_is_cut_off_ends_at_the_same_bytes(
    photos: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, saves: int
) -> None:
    from headstart.finetune.checkpoint import Snapshot

    save, left, file = Snapshot.save, [saves], tmp_path / "checkpoint"

    def and_stop(self: Snapshot, file: Path, run: str) -> None:
        save(self, file, run)
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt

    monkeypatch.setattr(Snapshot, "save", and_stop)
    with pytest.raises(KeyboardInterrupt):
        tune(photos, cache, PLAN, VIT, checkpoint=file)
    monkeypatch.setattr(Snapshot, "save", save)
    resumed = tune(photos, cache, PLAN, VIT, checkpoint=file)
    assert same(resumed.last, tune(photos, cache, PLAN, VIT).last)


def test_a_network_without_attention_is_refused() -> None:
    with pytest.raises(OptionError) as caught:
        trainable(replace(PLAN, phases=(Phase(),)), "test_efficientnet.r160_in1k")
    (problem,) = caught.value.problems
    assert problem.expected == "attention with linear layers called qkv or proj, as vision transformers have"
    assert problem.found == "none in test_efficientnet.r160_in1k"
    assert "vit_tiny_patch16_224" in problem.todo


def test_layers_it_does_not_have_are_answered_with_those_it_has() -> None:
    with pytest.raises(OptionError, match=r"found: qkv, proj in test_vit[\s\S]*among these"):
        trainable(replace(PLAN, lora=Lora(targets=("query",))))


def test_a_cut_after_all_attention_is_refused() -> None:
    with pytest.raises(OptionError, match="attention with adapters after the cut"):
        trainable(replace(PLAN, phases=(Phase(train_from="norm"),)))


def test_a_missing_package_is_answered_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(MissingPackageError) as caught:
        trainable()
    assert str(caught.value).endswith('to do: pip install "headstart[lora]"')
