from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from headstart.backbones import catalog
from headstart.images.folder import scan
from headstart.recipes.page import content, made_of
from headstart.report.page import ReportContent, render
from test_recipes_reproduction import reproduction


def page(photos: Path, *, verdict: str = "helps", elsewhere: int = 0) -> ReportContent:
    images = scan(photos)
    index = np.arange(3)
    ran = reproduction()
    assert ran.transfer is not None
    pictures = tuple((images.paths[i], np.array([0.75, 0.25])) for i in range(elsewhere))
    ran = replace(ran, transfer=replace(ran.transfer, verdict=verdict), elsewhere=pictures)
    backbone = catalog.get("resnet18")
    made = made_of(ran, backbone, origin="bundled", seed=7)
    return content(ran, backbone, images, index, np.tile([0.9, 0.1], (3, 1)), made=made, command="headstart …")


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
    assert "All 3 epochs" in html


def test_a_doubt_about_pretraining_comes_before_the_figure_is_used(photos: Path) -> None:
    doubt = "no sign that the pretrained network helps"
    assert not any(doubt in note for note in page(photos).notes)
    assert any(doubt in note for note in page(photos, verdict="no sign that it helps").notes)


def test_pictures_from_elsewhere_have_a_section_of_their_own(photos: Path) -> None:
    section = page(photos, elsewhere=2).sections[-1]
    assert (section.id, len(section.thumbnails)) == ("elsewhere", 2)
    assert section.table is not None
    assert [row[1:] for row in section.table.rows] == [("ants", "75.0%", "25.0%")] * 2
