"""Published procedures of transfer learning, as data. :mod:`headstart.reproduce` runs them through the one loop.

Each record holds what the write-up says. Where it is silent, the backbone's own preprocessing is used.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from typing import Literal

from headstart.errors import OptionError, Problem
from headstart.training.plan import Augment, Head, Optimiser, Phase, Plan, Schedule

HALF = (0.5, 0.5, 0.5)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One published procedure."""

    name: str
    about: str
    """What it is known for, in a sentence."""
    backbone: str
    """Of the write-up; another may be put in its place."""
    plan: Plan
    test: Literal["none", "batches"] = "none"
    """``batches``: where no test split is given, a fifth of the validation batches of 32 is moved to one, as Keras'
    tutorials do. ``none``: the validation split is quoted, at the last epoch, which nothing chose."""
    published: str = ""
    """The results of the write-up, as it states them."""

    def with_epochs(self, epochs: int) -> Recipe:
        """The same with at most ``epochs`` in each phase."""
        phases = tuple(replace(phase, epochs=min(epochs, phase.epochs)) for phase in self.plan.phases)
        return replace(self, plan=replace(self.plan, phases=phases))

    def on(self, backbone: str) -> Recipe:
        """The same with another trunk; a head that would read VGG's whole map reads the trunk's features instead."""
        if backbone == self.backbone:
            return self
        head = replace(self.plan.head, reads="features") if self.plan.head.reads == "map" else self.plan.head
        return replace(self, backbone=backbone, plan=replace(self.plan, head=head))


def _step(train_from: str, *, epochs: int, batch_size: int) -> Phase:
    """SGD 1e-3, momentum 0.9, a tenth of the rate every 7 epochs: the schedule of recipes A and B."""
    return Phase(
        train_from=train_from,
        epochs=epochs,
        batch_size=batch_size,
        optimiser=Optimiser(name="sgd", lr=1e-3, momentum=0.9),
        schedule=Schedule(name="step", step_size=7, gamma=0.1),
        batch_norm="train",  # as published; of the frozen part they keep their statistics all the same
    )


def _adam(
    train_from: str, *, lr: float, epochs: int, batch_size: int = 32, keep: Literal["last", "best"] = "last"
) -> Phase:
    optimiser = Optimiser(name="adam", lr=lr)
    return Phase(train_from=train_from, epochs=epochs, batch_size=batch_size, optimiser=optimiser, keep=keep)


def _crops(*phases: Phase) -> Plan:
    """Random resized crops and mirror images at 224, as the PyTorch tutorial has them."""
    augment = Augment(kind="crop", area=(0.08, 1.0), views="fresh")
    return Plan(size=224, augment=augment, phases=phases)


_TURNS = Augment(kind="rotate", turn=0.2, views="fresh")

RECIPES = (
    Recipe(
        name="resnet18-full",
        about="PyTorch's transfer-learning tutorial, the whole network fine-tuned (ants and bees).",
        backbone="resnet18",
        plan=_crops(_step("all", epochs=25, batch_size=4)),
        published="best validation accuracy 0.9346 (batch 4) and 0.9542 (batch 8) of 153 pictures",
    ),
    Recipe(
        name="resnet18-frozen",
        about="The same tutorial with everything frozen but a new last layer.",
        backbone="resnet18",
        plan=_crops(_step("head", epochs=25, batch_size=4)),
        published="best validation accuracy 0.9542 (batch 4) and 0.9412 (batch 8) of 153 pictures",
    ),
    Recipe(
        name="vgg16-full",
        about="Recipe resnet18-full with VGG-16.",
        backbone="vgg16",
        plan=_crops(_step("all", epochs=20, batch_size=8)),
        published="best validation accuracy 0.9346 of 153 pictures",
    ),
    Recipe(
        name="vgg16-frozen",
        about="VGG-16 frozen up to its last linear layer (ants and bees).",
        backbone="vgg16",
        plan=_crops(_step("head", epochs=20, batch_size=8)),
        published="best validation accuracy 0.9739 of 153 pictures",
    ),
    Recipe(
        name="mobilenetv2-two-phase",
        about="Keras' transfer-learning tutorial: a frozen MobileNetV2, then its upper layers at a lower rate.",
        backbone="mobilenetv2",
        plan=Plan(
            size=160,
            mode="squash",
            interpolation="bilinear",
            mean=HALF,
            std=HALF,
            head=Head(dropout=0.2, logit="one"),
            augment=_TURNS,
            phases=(
                _adam("head", lr=1e-4, epochs=10),
                Phase(
                    train_from="blocks.4.1.conv_dw",
                    epochs=10,
                    batch_size=32,
                    optimiser=Optimiser(name="rmsprop", lr=1e-5),
                ),
            ),
        ),
        test="batches",
        published="validation accuracy about 0.95–0.97 after phase 1 and 0.98 after phase 2; test 0.979 and 0.995",
    ),
    Recipe(
        name="vgg16-dense256",
        about="A frozen VGG-16, a dense layer of 256, then block 5 fine-tuned (cats and dogs).",
        backbone="vgg16",
        plan=Plan(
            size=180,
            mode="squash",
            interpolation="bilinear",
            head=Head(reads="pooled map", dropout=0.2, hidden=(256,), hidden_dropout=0.5, logit="one"),
            augment=_TURNS,
            phases=(
                _adam("head", lr=1e-3, epochs=20, keep="best"),
                _adam("last:3", lr=1e-5, epochs=30, keep="best"),
            ),
        ),
        test="batches",
        published="test accuracy 0.985",
    ),
    Recipe(
        name="vgg16-five-classes",
        about="A frozen VGG-16 with new classification layers; then a lower rate, more epochs, smaller batches.",
        backbone="vgg16",
        plan=Plan(
            size=128,
            head=Head(reads="map", hidden=(256,), hidden_dropout=0.5),
            augment=Augment(kind="none"),
            phases=(
                _adam("head", lr=1e-3, epochs=10),
                _adam("head", lr=1e-4, epochs=20, batch_size=16),
            ),
        ),
    ),
    Recipe(
        name="vgg16-mlp",
        about="A frozen VGG-16 with a new classifier 25088→4096→4096→classes.",
        backbone="vgg16",
        plan=Plan(
            size=224,
            mean=HALF,
            std=HALF,
            head=Head(reads="map", hidden=(4096, 4096), hidden_dropout=0.5),
            augment=Augment(kind="none"),
            phases=(_adam("head", lr=1e-4, epochs=10),),
        ),
    ),
)


def get(name: str) -> Recipe:
    """The recipe of that name; raises OptionError with the closest names."""
    for recipe in RECIPES:
        if recipe.name == name:
            return recipe
    names = [recipe.name for recipe in RECIPES]
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.4)
    todo = f"did you mean {' or '.join(close)}?" if close else "see `headstart recipes list`"
    raise OptionError("recipe", [Problem(expected=f"one of {', '.join(names)}", found=name, todo=todo)])
