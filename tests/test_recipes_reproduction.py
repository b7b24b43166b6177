"""What a recipe measured, said on a terminal and in metrics.json, from facts made by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from headstart.claims.colour_baseline import Transfer
from headstart.evaluation.curves import verdict
from headstart.evaluation.measured_on import MeasuredOn
from headstart.evaluation.metrics import evaluate
from headstart.finetune.notes import Diverged
from headstart.recipes.records import get
from headstart.recipes.reproduction import Reproduction, TrainingRecord
from histories import history

RUN = history([0.5, 0.4, 0.3], [0.5, 0.3, 0.4], val_accuracy=[0.8, 0.95, 0.9], starts=(1, 3))


def reproduction(*, name: str = "resnet18-frozen", elsewhere: int = 0) -> Reproduction:
    """20 validation pictures, 18 of them right."""
    proba = np.where((np.arange(20) < 18)[:, None], [0.9, 0.1], [0.2, 0.8])
    evaluation = evaluate(
        proba, np.zeros(20, int), ("ants", "bees"), majority=0, resamples=10,
        measured_on=MeasuredOn(kind="split", split="val", epoch="last"),
    )  # fmt: skip
    training = TrainingRecord(
        history=RUN,
        n_val=20,
        kept_epoch=2 if name == "vgg16-dense256-stored" else 3,
        verdicts=tuple(verdict(replace(RUN, epochs=RUN.epochs[:end]), n_val=20) for end in (2, 3)),
        summaries=(),
        notes=(Diverged(epoch=3, train_loss=float("inf"), lowered=0.1),),
        runtime="torch",
        prepared=12.0,
    )
    return Reproduction(
        recipe=get(name),
        folder=Path("runs/a"),
        classes=("ants", "bees"),
        training=training,
        evaluation=evaluation,
        others=(),
        transfer=Transfer(verdict="helps", accuracy=0.9, colours=0.5, majority=0.5, p=0.01, n=20),
        elsewhere=tuple((Path(f"{i}.jpg"), np.array([0.25, 0.75])) for i in range(elsewhere)),
    )


def test_lines_begin_with_the_honest_figure_and_end_with_the_users_pictures() -> None:
    took, accuracy, best, first, whole, transfer, *pictures = reproduction(elsewhere=2).lines()
    assert took == "trained in 4.5 s; 12.0 s more for what is frozen and for getting ready"
    assert accuracy.startswith("accuracy 0.900 [")
    assert accuracy.endswith("measured on the validation split, last epoch")
    assert "in epoch 2 of 3" in best
    assert first.startswith("after phase 1: ")
    assert "in 3 epochs." in whole
    assert transfer.startswith("The pretrained network helps here.")
    assert pictures == ["0.jpg: bees 75.0%", "1.jpg: bees 75.0%"]
    assert len(list(reproduction().lines())) == 6


def test_a_kept_epoch_is_named_only_where_one_was_chosen() -> None:
    assert reproduction().kept() == ()
    chosen = reproduction(name="vgg16-dense256-stored")
    assert chosen.kept() == ("The weights of epoch 2 of 3 are kept, which has the lowest validation loss.",)
    assert chosen.kept()[0] in list(chosen.lines())


def test_the_document_is_plain_json_with_the_same_words() -> None:
    ran = reproduction(elsewhere=1)
    document = ran.to_dict()
    assert json.loads(json.dumps(document)) == document
    assert document["measurement"]["epoch"] == "last"
    assert document["best_epoch"] in list(ran.lines())
    assert (document["kept_epoch"], document["seconds"], document["prepared_seconds"]) == (3, 4.5, 12.0)
    assert len(document["phase_verdicts"]) == 1
    assert document["elsewhere"] == [{"path": "0.jpg", "label": "bees", "probability": 0.75}]
    assert document["notes"] == ["the loss became inf in epoch 3: back to the weights before, on at 0.1 of the rate"]
