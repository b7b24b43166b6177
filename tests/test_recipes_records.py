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
        Departure(kind="decoding"),
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
    assert recipe.departures == (Departure(kind="decoding"),)
    assert recipe.with_epochs(25) is recipe
    other = recipe.on("vit_tiny_patch16_224").with_epochs(1).with_views(4).with_lora(8)
    assert other.plan.augment.views == 4
    assert other.plan.lora is not None
    assert other.plan.lora.rank == 8
    assert other.departures == (
        Departure(kind="decoding"),
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


def test_every_recipe_is_what_the_write_up_says() -> None:
    """The figures of the write-ups, line by line: sizes, rates, epochs and batches of each phase."""
    assert {
        recipe.name: (
            recipe.plan.size,
            recipe.plan.mode,
            [
                (phase.optimiser.name, phase.optimiser.lr, phase.epochs, phase.batch_size)
                for phase in recipe.plan.phases
            ],
        )
        for recipe in RECIPES
    } == {
        "resnet18-full": (224, "crop", [("sgd", 1e-3, 25, 4)]),
        "resnet18-frozen": (224, "crop", [("sgd", 1e-3, 25, 4)]),
        "vgg16-full": (224, "crop", [("sgd", 1e-3, 20, 8)]),
        "vgg16-frozen": (224, "crop", [("sgd", 1e-3, 20, 8)]),
        "mobilenetv2-two-phase": (160, "squash", [("adam", 1e-4, 10, 32), ("rmsprop", 1e-5, 11, 32)]),
        "vgg16-dense256": (180, "squash", [("adam", 1e-3, 20, 32), ("adam", 1e-5, 30, 32)]),
        "vgg16-dense256-stored": (180, "squash", [("adam", 1e-3, 20, 32)]),
        "vgg16-five-classes": (128, "crop", [("adam", 1e-3, 10, 32), ("adam", 1e-4, 20, 16)]),
        "vgg16-mlp": (224, "squash", [("adam", 1e-3, 10, 32)]),
    }
    kinds = {recipe.name: [fact.kind for fact in recipe.departures] for recipe in RECIPES}
    keras = ["decoding", "filter", "framework", "epsilon"]
    assert kinds == {
        "resnet18-full": ["decoding"],
        "resnet18-frozen": ["decoding", "statistics"],
        "vgg16-full": ["decoding"],
        "vgg16-frozen": ["decoding"],
        "mobilenetv2-two-phase": [*keras, "index"],
        "vgg16-dense256": [*keras, "preprocessing", "version"],
        "vgg16-dense256-stored": [*keras, "preprocessing", "version"],
        "vgg16-five-classes": ["decoding", "unstated"],
        "vgg16-mlp": ["decoding", "unstated"],
    }


def test_another_rate_or_batch_is_a_departure_and_keeps_the_proportion_of_later_phases() -> None:
    recipe = get("mobilenetv2-two-phase").with_lr(3e-4).with_batch_size(16)
    first, second = recipe.plan.phases
    assert (first.optimiser.lr, second.optimiser.lr) == (3e-4, pytest.approx(3e-5))
    assert (first.batch_size, second.batch_size) == (16, 16)
    assert recipe.departures[-2:] == (Departure(kind="rate", rate=3e-4), Departure(kind="batch", number=16))
    same = get("resnet18-full")
    assert same.with_lr(1e-3).with_batch_size(4).with_weights("hub") is same


def test_adapters_are_refused_where_nothing_of_the_backbone_learns() -> None:
    with pytest.raises(OptionError) as caught:
        get("resnet18-frozen").with_lora(8)
    assert str(caught.value) == (
        "--lora: 1 problem\nexpected: a recipe that trains the backbone\n   found: resnet18-frozen\n"
        "   to do: leave --lora out, or take one that does: resnet18-full"
    )
