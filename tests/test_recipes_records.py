from __future__ import annotations

import pytest

from headstart.backbones import catalog
from headstart.errors import OptionError
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
        "backbone resnet18 where the write-up has vgg16, without the dropout in VGG's own layers",
    )


def test_another_backbone_brings_its_own_preprocessing() -> None:
    published = get("mobilenetv2-two-phase")
    assert (published.plan.mode, published.plan.interpolation, published.plan.mean) == ("squash", "bilinear", HALF)
    other = published.on("resnet18")
    assert (other.plan.mode, other.plan.interpolation, other.plan.mean, other.plan.std) == ("crop", None, None, None)
    assert other.plan.size == published.plan.size
    assert other.departures == (
        *published.departures,
        "backbone resnet18 where the write-up has mobilenetv2, and pictures cropped and scaled as that backbone was "
        "pretrained",
    )


def test_departures_are_said() -> None:
    recipe = get("resnet18-full")
    assert recipe.departures == ()
    assert recipe.with_epochs(25) is recipe
    other = recipe.on("vit_tiny_patch16_224").with_epochs(1).with_views(4).with_lora(8)
    assert other.plan.augment.views == 4
    assert other.plan.lora is not None
    assert other.plan.lora.rank == 8
    assert other.departures == (
        "backbone vit_tiny_patch16_224 where the write-up has resnet18",
        "shortened to at most 1 epoch in each phase",
        "4 fixed augmented views of each picture in turn, where the write-up draws a new one every epoch",
        "adapters of rank 8 on attention learn in place of the backbone's own weights",
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
