from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from headstart.cache_folder import kept
from headstart.finetune import batches
from headstart.finetune.batches import (
    ArithmeticTiming,
    BatchGradient,
    batch_sizes,
    computing,
    gradient,
    gradient_that_fits,
    losses_of,
    proba_of,
)
from headstart.finetune.checkpoint import Snapshot
from headstart.finetune.notes import ArithmeticMeasured
from headstart.finetune.plan import Phase
from test_finetune_loop import PLAN, same, tune


def test_a_last_batch_of_one_joins_the_one_before() -> None:
    assert batch_sizes(17, 8) == [8, 9]
    assert batch_sizes(18, 8) == [8, 8, 2]
    assert batch_sizes(1, 8) == [1]
    assert batch_sizes(3, 1) == [1, 2]


class Greedy(nn.Module):
    """Cannot take more than three pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        if len(x) > 3:
            raise torch.OutOfMemoryError("too many")
        return self.layer(x)  # type: ignore[no-any-return]


def test_in_parts_the_gradient_is_that_of_the_whole() -> None:
    torch.manual_seed(0)
    layer, x, y, w = nn.Linear(5, 2), torch.randn(8, 5), torch.tensor([0, 1] * 4), torch.rand(8)
    whole = gradient(layer, x, y, w)
    expected = layer.weight.grad.clone()  # type: ignore[union-attr]
    parts = gradient(layer, x, y, w, 3)
    torch.testing.assert_close(layer.weight.grad, expected)
    assert parts == BatchGradient(loss=pytest.approx(whole.loss), right=whole.right, micro_batch=3)


def test_out_of_memory_takes_smaller_parts() -> None:
    torch.manual_seed(0)
    greedy, x, y, w = Greedy(), torch.randn(8, 5), torch.tensor([0, 1] * 4), torch.ones(8)
    fitted = gradient_that_fits(greedy, x, y, w, None, bf16=False, least=1)
    assert fitted.micro_batch == 2
    found = greedy.layer.weight.grad.clone()  # type: ignore[union-attr]
    gradient(greedy.layer, x, y, w)
    torch.testing.assert_close(found, greedy.layer.weight.grad)
    with pytest.raises(torch.OutOfMemoryError):
        gradient_that_fits(greedy, x, y, w, None, bf16=False, least=4)


def test_one_logit_speaks_for_the_second_class() -> None:
    one = torch.tensor([[2.0], [-1.0]])
    two = torch.cat([torch.zeros_like(one), one], dim=1)
    y = torch.tensor([1, 1])
    torch.testing.assert_close(losses_of(one, y), losses_of(two, y))


def test_probabilities_of_one_logit_are_those_of_two() -> None:
    one = torch.tensor([[2.0], [-1.0]])
    two = torch.cat([torch.zeros_like(one), one], dim=1)
    assert proba_of(one) == pytest.approx(proba_of(two))
    assert proba_of(one).sum(axis=1) == pytest.approx(1)


@pytest.mark.parametrize("device", ["cuda", "cpu", "mps"])
@pytest.mark.parametrize("bf16", [True, False])
def test_f32_is_f32_on_every_device(device: str, bf16: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    entered: list[tuple[str, Any]] = []

    def autocast(device: str, **options: Any) -> AbstractContextManager[None]:
        entered.append((device, options))
        return nullcontext()

    monkeypatch.setattr(torch, "autocast", autocast)
    with computing(device, bf16=bf16):
        pass
    assert entered == [(device, {"dtype": torch.bfloat16, "enabled": bf16})]


ONE = replace(PLAN, phases=(Phase(train_from="blocks.4", epochs=2, batch_size=8),))


@pytest.fixture(autouse=True)
def eager_to_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "LEAST_MEASURED", 1)
    monkeypatch.setattr(batches, "computes_in_bf16", lambda: True)


def measured_as(monkeypatch: pytest.MonkeyPatch, timing: ArithmeticTiming) -> list[int]:
    """Stand in for the stopwatch, whose times no test can rely on; returns the number of times it was asked."""
    calls: list[int] = []

    def measure(*_: object) -> ArithmeticTiming:
        calls.append(1)
        return timing

    monkeypatch.setattr(batches, "_measure", measure)
    return calls


FAST = ArithmeticTiming(f32=2.0, bf16=1.0, cosine=0.999)
SLOW = ArithmeticTiming(f32=1.0, bf16=2.0, cosine=0.999)


def noted(timing: ArithmeticTiming) -> ArithmeticMeasured:
    return ArithmeticMeasured(phase=1, choice=timing.choice, **asdict(timing))


def test_bf16_has_to_be_clearly_faster_and_sound() -> None:
    assert FAST.choice == "bf16"
    assert SLOW.choice == "f32"
    assert replace(FAST, bf16=1.9).choice == "f32"
    assert replace(FAST, cosine=0.9).choice == "f32"


def test_gradients_in_bf16_are_nearly_those_in_f32(photos: Path, tmp_path: Path) -> None:
    """The real measurement; its times may be anything, its cosine not."""
    out = tune(photos, tmp_path, ONE, precision="auto")
    (file,) = (tmp_path / "arithmetic").iterdir()
    timing = ArithmeticTiming(**(kept(file) or {}))
    assert timing.cosine > 0.98
    assert timing.f32 > 0 < timing.bf16
    assert noted(timing) in out.notes


def test_it_is_measured_once_and_remembered(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = measured_as(monkeypatch, FAST)
    first, second = (tune(photos, tmp_path, ONE, precision="auto") for _ in range(2))
    assert len(calls) == 1
    assert same(first.last, second.last)
    assert first.notes == second.notes == (noted(FAST),)
    assert not same(first.last, tune(photos, tmp_path, ONE).last)  # in f32


def test_a_run_that_goes_on_computes_as_it_began(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if the machine would be measured otherwise now."""
    measured_as(monkeypatch, FAST)
    whole = tune(photos, tmp_path / "one", ONE, precision="auto")
    save, file = Snapshot.save, tmp_path / "checkpoint"

    def and_stop(self: Snapshot, file: Path, run: str) -> None:
        save(self, file, run)
        raise KeyboardInterrupt

    monkeypatch.setattr(Snapshot, "save", and_stop)
    with pytest.raises(KeyboardInterrupt):
        tune(photos, tmp_path / "two", ONE, precision="auto", checkpoint=file)
    monkeypatch.setattr(Snapshot, "save", save)
    calls = measured_as(monkeypatch, SLOW)
    resumed = tune(photos, tmp_path / "three", ONE, precision="auto", checkpoint=file)
    assert not calls
    assert same(resumed.last, whole.last)


def test_measuring_moves_nothing(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batch norms in training mode would take the measured pictures into their statistics."""
    plan = replace(ONE, phases=(replace(ONE.phases[0], batch_norm="train"),))
    monkeypatch.setattr(batches, "MOST_TIME", 0.0)  # measured, and f32 whatever was found
    with_measuring = tune(photos, tmp_path, plan, precision="auto")
    assert with_measuring.notes
    assert same(with_measuring.last, tune(photos, tmp_path, plan).last)


@pytest.mark.parametrize("damage", ["", "{", '{"f32": 1}'])
def test_a_damaged_memory_is_measured_again(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    calls = measured_as(monkeypatch, SLOW)
    tune(photos, tmp_path, ONE, precision="auto")
    (file,) = (tmp_path / "arithmetic").iterdir()
    file.write_text(damage)
    tune(photos, tmp_path, ONE, precision="auto")
    assert len(calls) == 2


def test_what_is_not_worth_measuring_is_not(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = measured_as(monkeypatch, FAST)
    tune(photos, tmp_path, replace(ONE, phases=(Phase(epochs=1),)), precision="auto")  # a head alone
    monkeypatch.setattr(batches, "LEAST_MEASURED", 2_000)
    tune(photos, tmp_path, ONE, precision="auto")
    monkeypatch.setattr(batches, "LEAST_MEASURED", 1)
    monkeypatch.setattr(batches, "computes_in_bf16", lambda: False)
    assert tune(photos, tmp_path, ONE, precision="auto").notes == ()
    assert not calls
