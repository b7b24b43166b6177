from __future__ import annotations

import pytest

from headstart.backbones import catalog
from headstart.errors import OptionError
from headstart.recipes import RECIPES, get


def test_names_are_unique_and_backbones_exist() -> None:
    names = [recipe.name for recipe in RECIPES]
    assert len(set(names)) == len(names) == 8
    for recipe in RECIPES:
        assert catalog.get(recipe.backbone).name == recipe.backbone
        assert get(recipe.name) is recipe


def test_a_misspelt_name_gets_the_closest() -> None:
    with pytest.raises(OptionError, match=r"did you mean .*resnet18-frozen"):
        get("resnet-18-frozen")


def test_a_shortened_recipe_keeps_everything_else() -> None:
    recipe = get("mobilenetv2-two-phase").with_epochs(3)
    assert [phase.epochs for phase in recipe.plan.phases] == [3, 3]
    assert recipe.plan.phases[1].optimiser.name == "rmsprop"
    assert recipe.plan.size == 160


def test_another_trunk_never_reads_a_whole_map() -> None:
    recipe = get("vgg16-mlp")
    assert recipe.plan.head.reads == "map"
    assert recipe.on("efficientnet_lite0").plan.head.reads == "features"
    assert recipe.on("vgg16") is recipe
