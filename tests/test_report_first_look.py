from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from headstart.images.folder import scan
from headstart.images.transforms import Geometry
from headstart.images.walk import LeftOut
from headstart.recipes.records import get
from headstart.report.first_look import first_look, first_page
from headstart.report.page import render


def test_the_first_look_holds_counts_nine_pictures_and_nine_views(photos: Path) -> None:
    images = scan(photos)
    look = first_look(images, Geometry(size=64), get("resnet18-full").plan.augment)
    assert look.class_counts == {"train": {"rings": 20, "stripes": 20}}
    assert (len(look.samples), len(look.augmented), len(look.names)) == (9, 9, 9)
    assert look.names[:2] == ("rings/000.jpeg", "stripes/000.jpeg")
    document = look.to_dict()
    assert json.loads(json.dumps(document)) == document
    assert (document["first_pictures"], document["augmented_views"]) == (list(look.names), 9)
    html = render(first_page("a recipe", look, command="headstart …"))
    for words in (
        "a recipe, before training",
        "40 pictures in train.",
        "Augmented views of one picture",
        "headstart …",
    ):
        assert words in html
    assert html.count("data:image/jpeg") == 18
    assert "Files left out" not in html


def test_what_is_not_augmented_or_left_out_is_said(photos: Path) -> None:
    images = replace(scan(photos), left_out=(LeftOut(photos / "rings" / "cut.jpeg", "truncated"),))
    look = first_look(images, Geometry(size=64), get("vgg16-mlp").plan.augment)
    assert look.augmented == ()
    assert look.to_dict()["left_out"] == [{"path": "rings/cut.jpeg", "reason": "truncated"}]
    html = render(first_page("a recipe", look, command=""))
    assert "This recipe does not augment." in html
    assert "rings/cut.jpeg" in html
