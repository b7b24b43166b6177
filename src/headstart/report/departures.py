"""In what a recipe is not as its write-up has it, in English."""

from __future__ import annotations

from typing import Any

from headstart.files import plain
from headstart.finetune.plan import Changed, Departure, Procedure, Unstated
from headstart.report.words import counted, listed

ASKED = ("epochs", "views", "rank", "rate", "batch", "backbone", "weights")
"""Kinds of departures that were asked for; the others are the recipe's own."""
_CHANGED: dict[Changed, str] = {
    "preprocessing": ", and pictures cropped and scaled as that backbone was pretrained",
    "head": ", its features read where the whole of VGG's last map is",
    "dropout": ", without the dropout in VGG's own layers",
}
_UNSTATED: dict[Unstated, str] = {
    "head": "the layers of the head",
    "rate": "the learning rates",
    "epochs": "the number of epochs",
    "batch": "the size of the batches",
    "crop": "how pictures become squares",
}
_ORIGINS = {"": "", "random": "random weights", "file": "weights from a file of yours"}


def departure(fact: Departure) -> str:
    """What is not as published."""
    views = counted(fact.number, "fixed augmented view")
    return {
        "statistics": "batch norms of the frozen backbone keep their statistics, which the published loop lets drift",
        "filter": "pictures are filtered as they are made smaller, which Keras' resizing leaves out",
        "decoding": "a large JPEG is decoded at a fraction of its size, where the write-up decodes every pixel",
        "epsilon": "Adam's epsilon is torch's 1e-8, where Keras has 1e-7",
        "framework": "the pretrained weights are those that timm has for this network, where the write-up has Keras'",
        "index": f"the last phase has {counted(fact.number, 'epoch')}, as the write-up's code runs it; its text has "
        f"{fact.number - 1}",
        "preprocessing": "pictures are normalised by the mean and deviation that these weights were trained with, "
        "where the write-up has what Keras' VGG-16 wants: blue, green, red, means subtracted",
        "version": "of the write-up's two versions this is the one with the dropout of 0.2 and preprocessing; the "
        "other, without both, trains for 20 epochs and then 10",
        "unstated": f"the write-up does not state {listed([_UNSTATED[what] for what in fact.unstated])}: chosen here",
        "epochs": f"shortened to at most {counted(fact.number, 'epoch')} in each phase",
        "views": f"{views} of each picture in turn, where the write-up draws a new one every epoch",
        "rank": f"adapters of rank {fact.number} on attention learn in place of the backbone's own weights",
        "rate": f"the learning rate is {fact.rate:g}, and that of any later phase in the same proportion",
        "batch": f"batches of {counted(fact.number, 'picture')}",
        "backbone": f"backbone {fact.backbone} where the write-up has {fact.published}"
        + "".join(_CHANGED[what] for what in fact.changed),
        "weights": f"{_ORIGINS[fact.origin]}, where the write-up begins with those of ImageNet",
    }[fact.kind]


def departure_lines(recipe: Procedure) -> list[str]:
    """What is not as published, a line each."""
    return [f"not as published: {departure(fact)}" for fact in recipe.departures]


def departures_in_short(recipe: Procedure) -> tuple[str, ...]:
    """How many departures there are, and what was asked for among them, in a sentence; none for none."""
    asked = [departure(fact) for fact in recipe.departures if fact.kind in ASKED]
    if not recipe.departures:
        return ()
    which = f"; among them: {'; '.join(asked)}" if asked else ""
    return (f"In {counted(len(recipe.departures), 'point')} this is not as published{which}. All are listed below.",)


def departure_documents(recipe: Procedure) -> list[dict[str, Any]]:
    """The same in plain JSON types: what each record holds, and its words."""
    return [
        {**{name: value for name, value in plain(fact).items() if value}, "text": departure(fact)}
        for fact in recipe.departures
    ]
