"""Learning rates by step and by depth, and the optimisers that use them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from headstart.finetune.optim import optimiser_for, rate, set_rate
from headstart.finetune.plan import OPTIMISERS, Optimiser, Schedule


def rates(schedule: Schedule, *, steps_per_epoch: int = 10, epochs: int = 4) -> list[float]:
    total = steps_per_epoch * epochs
    return [rate(schedule, step, steps_per_epoch=steps_per_epoch, epochs=epochs) for step in range(total)]


def test_step_drops_at_the_end_of_every_so_many_epochs() -> None:
    found = rates(Schedule(name="step", step_size=2, gamma=0.1))
    assert found == [1.0] * 20 + [0.1] * 20


def test_cosine_falls_from_its_height_to_almost_nothing() -> None:
    found = rates(Schedule(name="cosine"))
    assert found[0] == 1.0
    assert found == sorted(found, reverse=True)
    assert found[20] == pytest.approx(0.5)
    assert 0 < found[-1] < 0.01


def test_warm_up_rises_in_equal_steps_to_the_height() -> None:
    found = rates(Schedule(warmup=0.1))
    assert found[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert set(found[4:]) == {1.0}


def test_one_cycle_is_highest_where_it_turns() -> None:
    found = rates(Schedule(name="one-cycle"))
    assert found[0] == pytest.approx(0.04)
    assert max(found) == found[12] == 1.0
    assert found[-1] < 0.01


def test_rates_by_depth_and_decay_by_shape() -> None:
    head, backbone = nn.Linear(4, 2), nn.ModuleDict({"low": nn.Linear(3, 4), "high": nn.Linear(4, 4)})
    options = Optimiser(name="adamw", lr=1.0, layer_decay=0.5, weight_decay=0.1)
    optimiser = optimiser_for(options, list(head.parameters()), dict(backbone.named_parameters()), ["low", "high"])
    set_rate(optimiser, 0.1)
    by_tensor = {
        id(p): (group["lr"], group["weight_decay"]) for group in optimiser.param_groups for p in group["params"]
    }
    assert by_tensor[id(head.weight)] == pytest.approx((0.1, 0.1))
    assert by_tensor[id(head.bias)] == pytest.approx((0.1, 0.0))
    assert by_tensor[id(backbone["high"].weight)] == pytest.approx((0.05, 0.1))
    assert by_tensor[id(backbone["low"].bias)] == pytest.approx((0.025, 0.0))


@pytest.mark.parametrize("name", OPTIMISERS)
def test_every_optimiser_goes_downhill(name: str) -> None:
    layer = nn.Linear(1, 1, bias=False)
    nn.init.constant_(layer.weight, 1.0)
    optimiser = optimiser_for(Optimiser(name=name, lr=0.1), [layer.weight], {}, [])
    set_rate(optimiser, 1.0)
    layer(torch.ones(1, 1)).square().sum().backward()
    optimiser.step()
    assert layer.weight.item() < 0.95


@pytest.mark.parametrize(("momentum", "decay"), [(0.0, 0.0), (0.9, 0.0), (0.0, 0.1)])
def test_rmsprop_is_that_of_keras(momentum: float, decay: float) -> None:
    """Its published formula, in plain numbers; a gradient far below √ε moves a weight by less than the rate."""
    weight = nn.Parameter(torch.tensor([[1.0, -2.0, 0.5]]))
    options = Optimiser(name="rmsprop", lr=1e-3, momentum=momentum, weight_decay=decay)
    optimiser = optimiser_for(options, [weight], {}, [])
    theta, v, m = weight.detach().double().clone(), torch.zeros(1, 3).double(), torch.zeros(1, 3).double()
    for step in range(5):
        gradient = torch.tensor([[0.3, -1e-4, 1e-6]]) * (1 + step)
        weight.grad = gradient.clone()
        set_rate(optimiser, 1.0)
        optimiser.step()
        g = gradient.double() + decay * theta
        v = 0.9 * v + 0.1 * g**2
        m = momentum * m + 1e-3 * g / (v + 1e-7) ** 0.5
        theta = theta - m
        assert torch.allclose(weight.double(), theta, rtol=1e-6, atol=0)
    if not momentum and not decay:
        assert abs(weight[0, 2].item() - 0.5) < 1e-4 < abs(weight[0, 0].item() - 1.0)


def test_rmsprop_goes_on_from_its_state() -> None:
    def after(steps: list[float], weight: nn.Parameter, optimiser: torch.optim.Optimizer) -> None:
        for number in steps:
            weight.grad = torch.full_like(weight, number)
            optimiser.step()

    options = Optimiser(name="rmsprop", lr=1e-2, momentum=0.5)
    one, two = nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(2, 2))
    whole = optimiser_for(options, [one], {}, [])
    after([0.1, -0.2, 0.3], one, whole)
    first = optimiser_for(options, [two], {}, [])
    after([0.1], two, first)
    second = optimiser_for(options, [two], {}, [])
    second.load_state_dict(first.state_dict())
    after([-0.2, 0.3], two, second)
    assert torch.equal(one, two)
