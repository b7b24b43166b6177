from __future__ import annotations

import json

from command import headstart
from headstart.recipes import RECIPES


def test_list_names_every_recipe() -> None:
    listed = headstart("recipes", "list").stdout
    assert [line.split()[0] for line in listed.splitlines()] == [recipe.name for recipe in RECIPES]


def test_show_counts_as_the_write_up_does() -> None:
    text = headstart("recipes", "show", "mobilenetv2-two-phase").stdout
    for count in ("2,257,984", "1,281 parameters in 2 tensors", "1,862,721 parameters in 56 tensors"):
        assert count in text
    phases = json.loads(headstart("recipes", "show", "resnet18-frozen", "--json").stdout)["phases"]
    assert [phase["trainable"] for phase in phases] == [1026]


def test_an_unknown_recipe_is_exit_code_2_with_the_closest_names() -> None:
    done = headstart("recipes", "show", "vgg16-frozn")
    assert done.returncode == 2
    assert "did you mean vgg16-frozen" in done.stderr
