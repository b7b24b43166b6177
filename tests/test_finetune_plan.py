"""Plans say all that is wrong with them, at once."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from headstart.errors import OptionError
from headstart.files import plain
from headstart.finetune.plan import Augment, Head, Lora, Optimiser, Phase, Plan, Schedule


def test_a_plan_names_everything_that_is_wrong() -> None:
    with pytest.raises(OptionError) as caught:
        Plan(
            size=8,
            head=Head(reads="map", start="probe", dropout=1.0),
            augment=Augment(views=0, area=(0.9, 0.1)),
            lora=Lora(rank=0),
            backbone_dropout=("pre_logits", 1.0),
            phases=(
                Phase(train_from="last:none", epochs=0),
                Phase(train_from="fraction:1.5"),
                Phase(optimiser=Optimiser(lr=float("nan")), schedule=Schedule(warmup=1.0), clip=0.0),
            ),
        )
    expected = [problem.expected for problem in caught.value.problems if "train_from" in problem.expected]
    assert expected[0].endswith("head, none, all, the name of a module, last:N, layers:N, or fraction:F with 0 < F ≤ 1")
    found = [problem.todo for problem in caught.value.problems]
    assert found == [
        "change size",
        "change head dropout",
        "change head start",
        "change augment area",
        "change augment views",
        "change lora rank",
        "change backbone_dropout",
        "change phase 1 train_from",
        "change phase 1 epochs",
        "change phase 2 train_from",
        "change phase 3 clip",
        "change phase 3 lr",
        "change phase 3 warmup",
    ]


@pytest.mark.parametrize(
    "train_from", ["head", "none", "all", "last:3", "layers:18", "fraction:0.3", "blocks.4.1.conv_dw"]
)
def test_ways_to_say_where_learning_begins(train_from: str) -> None:
    assert Plan(size=32, phases=(Phase(train_from=train_from),)).phases[0].train_from == train_from


def test_a_plan_is_ready_for_json() -> None:
    plan = Plan(size=160, mean=(0.5, 0.5, 0.5), head=Head(hidden=(256,)))
    told = json.loads(json.dumps(plain(plan)))
    assert told["head"]["hidden"] == [256]
    assert told["phases"][0]["optimiser"]["name"] == "adamw"


def test_plans_load_no_torch() -> None:
    code = "import sys, headstart.finetune.plan; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
