from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from headstart.finetune.batches import batch_sizes, computing, gradient, gradient_that_fits, losses_of, proba_of


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
    optimiser = torch.optim.SGD(layer.parameters(), lr=1.0)
    whole = gradient(layer, optimiser, x, y, w, None, "cpu")
    expected = layer.weight.grad.clone()  # type: ignore[union-attr]
    parts = gradient(layer, optimiser, x, y, w, 3, "cpu")
    torch.testing.assert_close(layer.weight.grad, expected)
    assert parts == pytest.approx(whole)


def test_out_of_memory_takes_smaller_parts() -> None:
    torch.manual_seed(0)
    greedy, x, y, w = Greedy(), torch.randn(8, 5), torch.tensor([0, 1] * 4), torch.ones(8)
    optimiser = torch.optim.SGD(greedy.parameters(), lr=1.0)
    fitted = gradient_that_fits(greedy, optimiser, x, y, w, None, device="cpu")
    assert fitted.micro_batch == 2
    found = greedy.layer.weight.grad.clone()  # type: ignore[union-attr]
    gradient(greedy.layer, optimiser, x, y, w, None, "cpu")
    torch.testing.assert_close(found, greedy.layer.weight.grad)
    with pytest.raises(torch.OutOfMemoryError):
        gradient_that_fits(greedy, optimiser, x, y, w, None, device="cpu", least=4)


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
