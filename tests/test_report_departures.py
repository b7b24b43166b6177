from __future__ import annotations

from headstart.finetune.plan import Departure
from headstart.recipes.records import RECIPES, get
from headstart.report.departures import departure, departure_documents, departure_lines, departures_in_short


def test_departures_are_said_and_counted() -> None:
    said = [departure(Departure(kind="epochs", number=n)) for n in (1, 2)]
    assert said == [f"shortened to at most {n} in each phase" for n in ("1 epoch", "2 epochs")]
    assert departure(Departure(kind="views", number=1)).startswith("1 fixed augmented view of each picture in turn")
    assert departure(Departure(kind="views", number=4)) == (
        "4 fixed augmented views of each picture in turn, where the write-up draws a new one every epoch"
    )
    assert departure(Departure(kind="rank", number=8)) == (
        "adapters of rank 8 on attention learn in place of the backbone's own weights"
    )
    decoded = "a large JPEG is decoded at a fraction of its size, where the write-up decodes every pixel"
    assert [departure(fact) for fact in get("resnet18-frozen").departures] == [
        decoded,
        "batch norms of the frozen backbone keep their statistics, which the published loop lets drift",
    ]
    other = get("mobilenetv2-two-phase").on("resnet18")
    assert [departure(fact) for fact in other.departures] == [
        decoded,
        "pictures are filtered as they are made smaller, which Keras' resizing leaves out",
        "the pretrained weights are those that timm has for this network, where the write-up has Keras'",
        "Adam's epsilon is torch's 1e-8, where Keras has 1e-7",
        "the last phase has 11 epochs, as the write-up's code runs it; its text has 10",
        "backbone resnet18 where the write-up has mobilenetv2, and pictures cropped and scaled as that backbone was "
        "pretrained",
    ]
    assert departure(get("vgg16-frozen").on("resnet18").departures[-1]) == (
        "backbone resnet18 where the write-up has vgg16, without the dropout in VGG's own layers"
    )
    assert departure(get("vgg16-mlp").on("resnet18").departures[-1]).endswith(
        ", its features read where the whole of VGG's last map is"
    )
    assert departure(get("vgg16-mlp").departures[1]) == (
        "the write-up does not state the number of epochs and the size of the batches: chosen here"
    )


def test_what_was_asked_for_in_place_of_what_was_published_is_said() -> None:
    said = [departure(Departure(kind="batch", number=n)) for n in (1, 2)]
    assert said == ["batches of 1 picture", "batches of 2 pictures"]
    assert departure(Departure(kind="rate", rate=0.01)) == (
        "the learning rate is 0.01, and that of any later phase in the same proportion"
    )
    assert departure(Departure(kind="weights", origin="random")) == (
        "random weights, where the write-up begins with those of ImageNet"
    )
    recipe = get("vgg16-dense256").with_weights("random")
    assert "framework" not in {fact.kind for fact in recipe.departures}  # no weights of timm's are there either
    assert departure_documents(recipe)[-1] == {
        "kind": "weights",
        "origin": "random",
        "text": "random weights, where the write-up begins with those of ImageNet",
    }


def test_every_departure_of_every_recipe_has_words() -> None:
    for recipe in RECIPES:
        other = recipe.on("efficientnet_lite0").with_lr(0.5).with_batch_size(3).with_epochs(1).with_weights("file")
        for line, document in zip(departure_lines(other), departure_documents(other), strict=True):
            assert line == f"not as published: {document['text']}"
            assert line[-1] not in ". "


def test_in_short_departures_are_counted_and_those_asked_for_are_named() -> None:
    recipe = get("resnet18-full")
    assert departures_in_short(recipe) == ("In 1 point this is not as published. All are listed below.",)
    assert departures_in_short(recipe.with_epochs(2)) == (
        "In 2 points this is not as published; among them: shortened to at most 2 epochs in each phase. All are listed "
        "below.",
    )
