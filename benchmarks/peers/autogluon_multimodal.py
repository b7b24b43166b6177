"""AutoGluon's ``MultiModalPredictor`` with the preset ``medium_quality``, on paths of pictures and their classes."""

from __future__ import annotations

import pandas
import timm
from autogluon.multimodal import MultiModalPredictor
from autogluon.multimodal.learners import base
from autogluon.multimodal.models import timm_image
from protocol import tell_answer, tell_epoch, tell_phase, told

EPOCHS, NETWORK = 20, "mobilenetv3_large_100"


class Told(base.LitModule):
    """Tells the phase and its epochs, whose accuracy is that of a part of the training pictures."""

    def on_train_start(self) -> None:
        super().on_train_start()
        tell_phase(EPOCHS)

    def on_train_epoch_end(self) -> None:
        super().on_train_epoch_end()
        tell_epoch(None)


def main() -> None:
    options = told()
    if options.fetch:
        timm.create_model(NETWORK, pretrained=True)
        return
    if options.random:
        create = timm_image.create_model
        timm_image.create_model = lambda *given, **named: create(*given, **{**named, "pretrained": False})
    train, val = (
        pandas.DataFrame(
            [(str(path), path.parent.name) for path in sorted((options.data / split).glob("*/*"))],
            columns=["image", "label"],
        )
        for split in ("train", "val")
    )
    base.LitModule = Told
    predictor = MultiModalPredictor(label="label", presets="medium_quality", path="predictor")
    epochs = min(options.epochs, EPOCHS)
    predictor.fit(train, hyperparameters={"optim.max_epochs": epochs})
    tell_answer(predictor.evaluate(val, metrics=["accuracy"])["accuracy"])


if __name__ == "__main__":
    main()
