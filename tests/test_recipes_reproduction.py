"""What a recipe measured, said on a terminal and in metrics.json, from facts made by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from headstart.backbones import catalog
from headstart.claims.colour_baseline import Transfer
from headstart.evaluation.held_out import AnsweredPart
from headstart.evaluation.measured_on import MeasuredOn
from headstart.evaluation.metrics import evaluate
from headstart.finetune.notes import Diverged
from headstart.images.folder import scan
from headstart.images.transforms import Geometry
from headstart.recipes.records import get
from headstart.recipes.reproduction import Reproduction, TrainingRecord, content, made_of
from headstart.report.page import ReportContent, render
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


def page(photos: Path, *, verdict: str = "helps", elsewhere: int = 0) -> ReportContent:
    images = scan(photos)
    measured_on = MeasuredOn(kind="split", split="val", epoch="last")
    answered = AnsweredPart(index=np.arange(3), proba=np.tile([0.9, 0.1], (3, 1)), measured_on=measured_on)
    ran = reproduction()
    assert ran.transfer is not None
    pictures = tuple((images.paths[i], np.array([0.75, 0.25])) for i in range(elsewhere))
    ran = replace(ran, transfer=replace(ran.transfer, verdict=verdict), elsewhere=pictures)
    backbone = catalog.get("resnet18")
    made = made_of(ran, backbone, origin="bundled", seed=7)
    return content(ran, images, answered, geometry=Geometry(size=64), made=made, command="headstart …")


def test_the_page_says_what_the_run_measured_and_how_it_was_made(photos: Path) -> None:
    made = page(photos)
    assert made.notes[0].startswith("Before training: validation loss 0.7200")
    assert made.notes[1].startswith("Best validation accuracy 0.9500")
    assert made.notes[-1].startswith("The loss became inf in epoch 3")
    assert made.verdict.startswith("After phase 1: ")
    assert " At the end: " in made.verdict
    assert made.timings == {"what is frozen, and getting ready": 12.0, "training": 4.5}
    assert (made.made["Backbone"], made.made["Seed"]) == ("resnet18, bundled weights", "7")
    assert len(made.augmented) == 9
    assert [section.id for section in made.sections] == ["transfer"]


def test_every_epoch_is_listed_once(photos: Path) -> None:
    html = render(page(photos))
    assert html.count('<th class="n">train loss</th>') == 1
    assert "In numbers: 3 epochs" in html


def test_a_doubt_about_pretraining_comes_before_the_figure_is_used(photos: Path) -> None:
    doubt = "no sign that the pretrained network helps"
    assert not any(doubt in note for note in page(photos).notes)
    assert any(doubt in note for note in page(photos, verdict="no sign that it helps").notes)


def test_pictures_from_elsewhere_have_a_section_of_their_own(photos: Path) -> None:
    section = page(photos, elsewhere=2).sections[-1]
    assert (section.id, len(section.thumbnails)) == ("elsewhere", 2)
    assert section.table is not None
    assert [row[1:] for row in section.table.rows] == [("ants", "75.0%", "25.0%")] * 2
