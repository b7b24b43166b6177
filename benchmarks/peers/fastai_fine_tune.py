"""fastai's ``vision_learner(resnet18).fine_tune(4)``: an epoch of the head, then four of all layers."""

from __future__ import annotations

from fastai.vision.all import Callback, ImageDataLoaders, Resize, accuracy, resnet18, vision_learner
from protocol import tell_epoch, tell_phase, told
from torchvision.models import ResNet18_Weights
from torchvision.models import resnet18 as network

EPOCHS, SIDE = (1, 4), 224


class Told(Callback):
    """Tells phases and epochs; comes after the recorder, whose order is 50."""

    order, phase = 60, 0

    def before_fit(self) -> None:
        tell_phase(EPOCHS[self.phase])
        self.phase += 1

    def after_epoch(self) -> None:
        tell_epoch(self.recorder.values[-1][-1])


def main() -> None:
    options = told()
    if options.fetch:
        network(weights=ResNet18_Weights.DEFAULT)
        return
    data = ImageDataLoaders.from_folder(options.data, train="train", valid="val", item_tfms=Resize(SIDE))
    learner = vision_learner(data, resnet18, metrics=accuracy, pretrained=not options.random, cbs=Told())
    with learner.no_bar():
        learner.fine_tune(min(options.epochs, EPOCHS[1]))


if __name__ == "__main__":
    main()
