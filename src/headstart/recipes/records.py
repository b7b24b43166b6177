"""Published procedures of transfer learning, as data. :mod:`headstart.recipes.runner` runs them through the one loop.

Each record holds what the write-up says. Where it is silent, the backbone's own preprocessing is used.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from typing import Literal

from headstart.backbones import catalog
from headstart.backbones.pretrained import HALF
from headstart.backbones.weights import Origin
from headstart.errors import OptionError
from headstart.finetune.plan import (
    RANGES,
    Augment,
    Changed,
    Departure,
    Head,
    Lora,
    Optimiser,
    Phase,
    Plan,
    Procedure,
    Schedule,
)


@dataclass(frozen=True, kw_only=True)
class Recipe(Procedure):
    """A published procedure that `headstart.recipes.runner` can carry out."""

    test: Literal["none", "batches"] = "none"
    """``batches``: where no test split is given, a fifth of the validation batches of 32 is moved to one, as Keras'
    tutorials do. ``none``: the validation split is quoted; after the last epoch, which nothing chose, or where a phase
    keeps the best epoch, after that, labelled as chosen on these pictures."""

    def with_epochs(self, epochs: int) -> Recipe:
        """The same with at most ``epochs`` in each phase."""
        phases = tuple(replace(phase, epochs=min(epochs, phase.epochs)) for phase in self.plan.phases)
        if phases == self.plan.phases:
            return self
        return self._departing(Departure(kind="epochs", number=epochs), replace(self.plan, phases=phases))

    def with_views(self, views: int) -> Recipe:
        """The same with ``views`` fixed augmented views of each picture, so that what is frozen is computed once.

        Raises OptionError for a recipe that does not augment.
        """
        if self.plan.augment.kind == "none":
            todo = "leave --views out"
            raise OptionError.of("--views", expected="a recipe that augments", found=self.name, todo=todo)
        plan = replace(self.plan, augment=replace(self.plan.augment, views=views))
        return self._departing(Departure(kind="views", number=views), plan)

    def with_batch_size(self, batch_size: int) -> Recipe:
        """The same with batches of so many pictures in every phase."""
        phases = tuple(replace(phase, batch_size=batch_size) for phase in self.plan.phases)
        if phases == self.plan.phases:
            return self
        return self._departing(Departure(kind="batch", number=batch_size), replace(self.plan, phases=phases))

    def with_lr(self, lr: float) -> Recipe:
        """The same with another learning rate in the first phase; those of later phases keep their ratio to it.

        Raises OptionError for one that is not above 0.
        """
        expected, holds = RANGES["lr"]
        if not holds(lr):
            raise OptionError.of("--lr", expected=expected, found=f"{lr:g}", todo="give another --lr")
        share = lr / self.plan.phases[0].optimiser.lr
        if share == 1:
            return self
        phases = tuple(
            replace(phase, optimiser=replace(phase.optimiser, lr=lr if number == 0 else phase.optimiser.lr * share))
            for number, phase in enumerate(self.plan.phases)
        )
        return self._departing(Departure(kind="rate", rate=lr), replace(self.plan, phases=phases))

    def with_weights(self, origin: Origin) -> Recipe:
        """The same, begun with ``random`` weights or those of a ``file``; any other origin is as published."""
        if origin not in ("random", "file"):
            return self
        others = tuple(departure for departure in self.departures if departure.kind != "framework")
        return replace(self, departures=(*others, Departure(kind="weights", origin=origin)))

    def with_lora(self, rank: int) -> Recipe:
        """The same with low-rank adapters on attention in place of the backbone's own weights.

        Raises OptionError for a recipe that trains nothing of the backbone.
        """
        if all(phase.train_from in ("head", "none") for phase in self.plan.phases):
            todo = "leave --lora out, or take one that does: resnet18-full"
            raise OptionError.of("--lora", expected="a recipe that trains the backbone", found=self.name, todo=todo)
        plan = replace(self.plan, lora=Lora(rank=rank, alpha=2.0 * rank))
        return self._departing(Departure(kind="rank", number=rank), plan)

    def _departing(self, departure: Departure, plan: Plan) -> Recipe:
        return replace(self, plan=plan, departures=(*self.departures, departure))

    def on(self, backbone: str) -> Recipe:
        """The same with another backbone, which brings its own preprocessing: crop, filter, mean and deviation.

        A head that would read VGG's whole map reads the backbone's features instead. On cats and dogs at 160, the
        bundled backbone squashed as Keras' tutorial does it gets 0.9745 by 5-fold cross-validation of the training
        pictures, with its own preprocessing 0.984.
        """
        if catalog.get(backbone).architecture == catalog.get(self.backbone).architecture:
            return self
        head = replace(self.plan.head, reads="features") if self.plan.head.reads == "map" else self.plan.head
        ready = replace(self.plan, mode="crop", crop_pct=None, interpolation=None, mean=None, std=None)
        rest = replace(ready, head=head, backbone_dropout=None)
        changed: list[Changed] = ["preprocessing"] if ready != self.plan else []
        changed += ["head"] if head != self.plan.head else []
        changed += ["dropout"] if self.plan.backbone_dropout is not None else []
        departure = Departure(kind="backbone", backbone=backbone, published=self.backbone, changed=tuple(changed))
        return replace(self, backbone=backbone)._departing(departure, rest)


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


def _crops(phase: Phase) -> Plan:
    """Random resized crops and mirror images at 224, as the PyTorch tutorial has them."""
    return Plan(size=224, augment=Augment(kind="crop", area=(0.08, 1.0), views="fresh"), phases=(phase,))


def _crops_vgg(phase: Phase) -> Plan:
    """The same with the two dropouts of VGG's classifier, after each layer of 4096."""
    return replace(_crops(phase), head=Head(dropout=0.5), backbone_dropout=("pre_logits", 0.5))


_DECODED = Departure(kind="decoding")
_KERAS = (_DECODED, Departure(kind="filter"), Departure(kind="framework"), Departure(kind="epsilon"))
"""Of recipes that were written for Keras."""
_TURNS = Augment(kind="rotate", turn=0.2, views="fresh")
_DENSE = (*_KERAS, Departure(kind="preprocessing"), Departure(kind="version"))
_DENSE_PLAN = Plan(
    size=180,
    mode="squash",
    interpolation="bilinear",
    head=Head(reads="pooled map", dropout=0.2, hidden=(256,), hidden_dropout=0.5, logit="one", start="glorot"),
    augment=_TURNS,
    phases=(_adam("head", lr=1e-3, epochs=20, keep="best"), _adam("last:3", lr=1e-5, epochs=30, keep="best")),
)

RECIPES = (
    Recipe(
        name="resnet18-full",
        about="PyTorch's transfer-learning tutorial, the whole network fine-tuned (ants and bees).",
        backbone="resnet18",
        plan=_crops(_step("all", epochs=25, batch_size=4)),
        departures=(_DECODED,),
        published="best validation accuracy 0.9346 (batch 4) and 0.9542 (batch 8) of 153 pictures",
    ),
    Recipe(
        name="resnet18-frozen",
        about="The same tutorial with everything frozen but a new last layer.",
        backbone="resnet18",
        plan=_crops(_step("head", epochs=25, batch_size=4)),
        departures=(_DECODED, Departure(kind="statistics")),
        published="best validation accuracy 0.9542 (batch 4) and 0.9412 (batch 8) of 153 pictures",
    ),
    Recipe(
        name="vgg16-full",
        about="Recipe resnet18-full with VGG-16.",
        backbone="vgg16",
        plan=_crops_vgg(_step("all", epochs=20, batch_size=8)),
        departures=(_DECODED,),
        published="best validation accuracy 0.9346 of 153 pictures",
    ),
    Recipe(
        name="vgg16-frozen",
        about="VGG-16 frozen up to its last linear layer (ants and bees).",
        backbone="vgg16",
        plan=_crops_vgg(_step("head", epochs=20, batch_size=8)),
        departures=(_DECODED,),
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
            head=Head(dropout=0.2, logit="one", start="glorot"),
            augment=_TURNS,
            phases=(
                _adam("head", lr=1e-4, epochs=10),
                # Keras' layer 100 of 154: blocks.4.1.conv_dw
                Phase(train_from="layers:18", epochs=11, optimiser=Optimiser(name="rmsprop", lr=1e-5)),
            ),
        ),
        test="batches",
        departures=(*_KERAS, Departure(kind="index", number=11)),
        published="validation accuracy about 0.95–0.97 after phase 1 and 0.98 after phase 2; test 0.979 and 0.995",
    ),
    Recipe(
        name="vgg16-dense256",
        about="A frozen VGG-16 with augmentation, a dense layer of 256, then block 5 fine-tuned (cats and dogs).",
        backbone="vgg16",
        plan=_DENSE_PLAN,
        test="batches",
        departures=_DENSE,
        published="test accuracy 0.985",
    ),
    Recipe(
        name="vgg16-dense256-stored",
        about="The first half of vgg16-dense256 without augmentation: the base runs once, the head learns from that.",
        backbone="vgg16",
        plan=replace(_DENSE_PLAN, augment=Augment(kind="none"), phases=_DENSE_PLAN.phases[:1]),
        test="batches",
        departures=_DENSE,
    ),
    Recipe(
        name="vgg16-five-classes",
        about="A frozen VGG-16 with new classification layers; then a lower rate, more epochs, smaller batches.",
        backbone="vgg16",
        plan=Plan(
            size=128,
            head=Head(reads="map", hidden=(256,), hidden_dropout=0.5),
            augment=Augment(kind="none"),
            phases=(_adam("head", lr=1e-3, epochs=10), _adam("head", lr=1e-4, epochs=20, batch_size=16)),
        ),
        departures=(_DECODED, Departure(kind="unstated", unstated=("head", "rate", "epochs", "batch", "crop"))),
    ),
    Recipe(
        name="vgg16-mlp",
        about="A frozen VGG-16 with a new classifier 25088→4096→4096→classes (cats and dogs).",
        backbone="vgg16",
        plan=Plan(
            size=224,
            mode="squash",
            interpolation="bilinear",
            mean=HALF,
            std=HALF,
            head=Head(reads="map", hidden=(4096, 4096), hidden_dropout=0.5),
            augment=Augment(kind="none"),
            phases=(_adam("head", lr=1e-3, epochs=10),),
        ),
        departures=(_DECODED, Departure(kind="unstated", unstated=("epochs", "batch"))),
    ),
)


def get(name: str) -> Recipe:
    """The recipe of that name; raises OptionError with the closest names."""
    recipes = {recipe.name: recipe for recipe in RECIPES}
    if name not in recipes:
        close = difflib.get_close_matches(name, recipes, n=3, cutoff=0.4)
        todo = f"did you mean {' or '.join(close)}?" if close else "see `headstart recipes list`"
        raise OptionError.of("recipe", expected=f"one of {', '.join(recipes)}", found=name, todo=todo)
    return recipes[name]


def for_many_classes() -> list[str]:
    """Names of the recipes that take any number of classes."""
    return [recipe.name for recipe in RECIPES if recipe.plan.head.logit == "per class"]
