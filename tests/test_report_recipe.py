"""What a recipe measured, said on a terminal, in metrics.json and on a page, from facts made by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from headstart.claims.colour_baseline import Transfer
from headstart.deploy.model import Prediction
from headstart.evaluation.held_out import AnsweredPart
from headstart.evaluation.history import Epoch
from headstart.evaluation.measured_on import MeasuredOn
from headstart.evaluation.metrics import evaluate
from headstart.finetune.notes import Diverged
from headstart.images.folder import scan
from headstart.images.transforms import Geometry
from headstart.recipes.records import get
from headstart.recipes.runner import summaries
from headstart.report.departures import departure, departure_documents
from headstart.report.first_look import first_look
from headstart.report.page import ReportContent, render
from headstart.report.recipe import (
    Reproduction,
    before_training,
    best_epoch,
    content,
    document,
    epoch_line,
    kept,
    lines,
    parameters,
    saved,
    sentence,
    took,
)
from histories import history

RUN = history([0.5, 0.4, 0.3], [0.5, 0.3, 0.4], val_accuracy=[0.8, 0.95, 0.9], starts=(1, 3))


def reproduction(*, name: str = "resnet18-frozen", elsewhere: int = 0) -> Reproduction:
    """20 validation pictures, 18 of them right."""
    proba = np.where((np.arange(20) < 18)[:, None], [0.9, 0.1], [0.2, 0.8])
    evaluation = evaluate(
        proba, np.zeros(20, int), ("ants", "bees"), majority=0, resamples=10,
        measured_on=MeasuredOn(kind="split", split="val", epoch="last"),
    )  # fmt: skip
    return Reproduction(
        recipe=get(name),
        folder=Path("runs/a"),
        classes=("ants", "bees"),
        history=RUN,
        n_val=20,
        kept_epoch=2 if name == "vgg16-dense256-stored" else 3,
        kept_as="best" if name == "vgg16-dense256-stored" else "last",
        summaries=(),
        notes=(Diverged(epoch=3, train_loss=float("inf"), lowered=0.1),),
        runtime="torch",
        prepared=12.0,
        evaluation=evaluation,
        others=(),
        transfer=Transfer(verdict="helps", accuracy=0.9, colours=0.5, majority=0.5, p=0.01, n=20),
        elsewhere=tuple(
            Prediction(path=Path(f"{i}.jpg"), proba=np.array([0.25, 0.75]), unsure=i > 0, unfamiliar=i > 0)
            for i in range(elsewhere)
        ),
    )


def test_lines_begin_with_the_honest_figure_and_end_with_the_users_pictures() -> None:
    took, accuracy, best, first, whole, transfer, *pictures = lines(reproduction(elsewhere=2))
    assert took == "trained in 16.5 s: 4.5 s for 3 epochs, 12.0 s for what is frozen and all else"
    assert accuracy.startswith("accuracy 0.900 [")
    assert accuracy.endswith("measured on the validation split, last epoch")
    assert "in epoch 2 of 3" in best
    assert first.startswith("after phase 1: ")
    assert "in 3 epochs." in whole
    assert transfer.startswith("The pretrained network helps here.")
    assert pictures == ["0.jpg: bees 75.0%", "1.jpg: bees 75.0% · unsure · unfamiliar"]
    assert len(list(lines(reproduction()))) == 6


def test_a_kept_epoch_is_named_only_where_one_was_chosen() -> None:
    assert kept(reproduction()) == ()
    chosen = reproduction(name="vgg16-dense256-stored")
    assert kept(chosen) == ("The weights of epoch 2 of 3 are kept, which has the lowest validation loss of its phase.",)
    assert kept(chosen)[0] in list(lines(chosen))


def test_the_document_is_plain_json_with_the_same_words() -> None:
    ran = reproduction(elsewhere=1)
    found = document(ran)
    assert json.loads(json.dumps(found)) == found
    assert found["measurement"]["epoch"] == "last"
    assert found["best_epoch"] in list(lines(ran))
    assert found["kept_epoch"] == 3
    assert [found[f"{what}seconds"] for what in ("", "training_", "prepared_")] == [16.5, 4.5, 12.0]
    assert len(found["phase_verdicts"]) == 1
    assert found["elsewhere"] == [
        {"path": "0.jpg", "label": "bees", "probability": 0.75, "unsure": False, "unfamiliar": False}
    ]
    assert found["departures"] == departure_documents(get("resnet18-frozen"))
    assert found["departures"][1] == {"kind": "statistics", "text": departure(get("resnet18-frozen").departures[1])}
    assert found["notes"] == ["the loss became inf in epoch 3: back to the weights before, on at 0.1 of the rate"]


def page(photos: Path, *, verdict: str = "helps", elsewhere: int = 0) -> ReportContent:
    images = scan(photos)
    measured_on = MeasuredOn(kind="split", split="val", epoch="last")
    answered = AnsweredPart(index=np.arange(3), proba=np.tile([0.9, 0.1], (3, 1)), measured_on=measured_on)
    ran = reproduction()
    assert ran.transfer is not None
    pictures = tuple(Prediction(path=images.paths[i], proba=np.array([0.75, 0.25])) for i in range(elsewhere))
    ran = replace(ran, transfer=replace(ran.transfer, verdict=verdict), elsewhere=pictures)
    look = first_look(images, Geometry(size=64), ran.recipe.plan.augment)
    return content(ran, images, answered, look=look, origin="bundled", seed=7, command="headstart …")


def test_the_page_says_what_the_run_measured_and_how_it_was_made(photos: Path) -> None:
    made = page(photos)
    assert made.notes[0].startswith("Before training: validation loss 0.7200")
    assert made.notes[1].startswith("Best validation accuracy 0.9500")
    assert made.notes[-1].startswith("The loss became inf in epoch 3")
    assert [said.partition(":")[0] for said in made.verdict] == ["After phase 1", "At the end"]
    assert made.timings == {"what is frozen, and all else": 12.0, "epochs": 4.5}
    assert (made.made["Backbone"], made.made["Seed"]) == ("resnet18, bundled weights", "7")
    assert len(made.augmented) == 9
    assert [section.id for section in made.sections] == ["departures", "transfer"]


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


def test_an_epoch_is_a_line_with_losses_accuracies_and_seconds() -> None:
    epoch = Epoch(
        phase=2, epoch=11, train_loss=0.5, train_accuracy=0.75, val_loss=0.25, val_accuracy=0.9, seconds=3.14, lr=1e-3
    )
    line = epoch_line(epoch)
    for words in ("11", "0.5000 0.7500", "0.2500 0.9000", "3.1 s"):
        assert words in line


def test_a_phase_is_described_with_and_without_batch_norm_statistics() -> None:
    text = parameters(summaries(get("mobilenetv2-two-phase"))[0])
    assert "1,281 parameters in 2 tensors" in text
    assert "2,257,984" in text


def test_the_start_stands_beside_guessing() -> None:
    assert before_training(history([0.5], [0.5]), 2) == (
        "Before training: validation loss 0.7200, accuracy 0.4800 (guessing evenly: 0.6931, 0.5000)."
    )


def test_the_best_epoch_is_called_too_optimistic_and_the_last_stands_beside_it() -> None:
    run = history([0.5] * 3, [0.5, 0.3, 0.4], val_accuracy=[0.8, 0.95, 0.9])
    assert best_epoch(run, 153) == (
        "best validation accuracy 0.9500, in epoch 2 of 3: too optimistic, because the epoch was chosen on these 153 "
        "pictures; the last epoch has 0.9000, 5.0 points less"
    )
    assert " on these 2 pictures; " in best_epoch(run, 2)
    assert best_epoch(history([0.5], [0.5], val_accuracy=[0.8]), 1).endswith(
        "because the epoch was chosen on this picture; the last epoch has the same"
    )


def test_sentences_have_a_capital_and_one_full_stop() -> None:
    assert sentence("the loss fell") == sentence("The loss fell.") == "The loss fell."


def test_an_epoch_that_an_earlier_call_finished_is_counted_and_its_preparation_is_not() -> None:
    went_on = [took(replace(reproduction(), finished_before=n)) for n in (1, 2)]
    assert went_on[0].startswith("trained in 16.5 s, not counting what came before the 1 epoch of an earlier run: ")
    assert went_on[1].startswith("trained in 16.5 s, not counting what came before the 2 epochs of an earlier run: ")


def test_the_saved_epoch_is_named_on_every_page() -> None:
    assert saved(reproduction()) == "of epoch 3 of 3, the last"
    assert saved(reproduction(name="vgg16-dense256-stored")) == (
        "of epoch 2 of 3, the lowest validation loss of its phase"
    )
