from __future__ import annotations

import pytest

from headstart.backbones import catalog
from headstart.errors import OptionError
from headstart.finetune.plan import Departure
from headstart.recipes.records import HALF, RECIPES, get


def test_names_are_unique_and_backbones_exist() -> None:
    names = [recipe.name for recipe in RECIPES]
    assert len(set(names)) == len(names) == 9
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


def test_another_backbone_never_reads_a_whole_map() -> None:
    recipe = get("vgg16-mlp")
    assert recipe.plan.head.reads == "map"
    assert recipe.on("efficientnet_lite0").plan.head.reads == "features"
    assert recipe.on("vgg16") is recipe
    assert recipe.on("vgg16.tv_in1k") is recipe
    assert get("vgg16-frozen").on("resnet18").departures == (
        Departure(kind="backbone", backbone="resnet18", published="vgg16", changed=("dropout",)),
    )


def test_another_backbone_brings_its_own_preprocessing() -> None:
    published = get("mobilenetv2-two-phase")
    assert (published.plan.mode, published.plan.interpolation, published.plan.mean) == ("squash", "bilinear", HALF)
    other = published.on("resnet18")
    assert (other.plan.mode, other.plan.interpolation, other.plan.mean, other.plan.std) == ("crop", None, None, None)
    assert other.plan.size == published.plan.size
    assert other.departures == (
        *published.departures,
        Departure(kind="backbone", backbone="resnet18", published="mobilenetv2", changed=("preprocessing",)),
    )


def test_departures_are_kept_in_order() -> None:
    recipe = get("resnet18-full")
    assert recipe.departures == ()
    assert recipe.with_epochs(25) is recipe
    other = recipe.on("vit_tiny_patch16_224").with_epochs(1).with_views(4).with_lora(8)
    assert other.plan.augment.views == 4
    assert other.plan.lora is not None
    assert other.plan.lora.rank == 8
    assert other.departures == (
        Departure(kind="backbone", backbone="vit_tiny_patch16_224", published="resnet18"),
        Departure(kind="epochs", number=1),
        Departure(kind="views", number=4),
        Departure(kind="rank", number=8),
    )


def test_views_of_a_recipe_that_does_not_augment_are_refused() -> None:
    with pytest.raises(OptionError, match="a recipe that augments"):
        get("vgg16-mlp").with_views(4)


def test_features_are_extracted_both_ways() -> None:
    """Once without augmentation, and end to end with it."""
    end_to_end, stored = get("vgg16-dense256").plan, get("vgg16-dense256-stored").plan
    assert (end_to_end.augment.views, stored.augment.kind) == ("fresh", "none")
    assert end_to_end.phases[0] == stored.phases[0]
    assert end_to_end.head == stored.head
