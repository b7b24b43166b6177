from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from headstart.monitor.drift import Drift
from headstart.monitor.unlabelled import Unlabelled, estimate
from headstart.report.page import render
from headstart.report.section import Thumbnail
from headstart.report.watch import claim, verdict, watch_page
from test_report_page import EVIL, JPEG


def drift(*, p: float = 0.001, auc: float = 0.9, p_within: float | None = 0.001, n: int = 60) -> Drift:
    half = np.array([0.5, 0.5])
    return Drift(
        n=n, m=400, p=p, auc=auc, p_within=p_within, mix=half, mix_before=half, unfamiliar=np.arange(n) % 3 == 0,
        unfamiliar_before=0.03,
    )  # fmt: skip


def accuracy() -> Unlabelled:
    proba = np.random.default_rng(0).dirichlet([8, 2], 200)
    return estimate(proba[:60], proba, (np.random.default_rng(1).random(200) > proba[:, 0]).astype(np.int64))


def page(found: Drift, *, trusted: bool, picked: int = 1, known: int = 1, left_out: int = 1) -> str:
    return render(
        watch_page(
            found,
            accuracy(),
            classes=(EVIL, "bees"),
            labelling_queue=[{"path": EVIL, "answer": "bees", "probability": 0.6, "margin": 0.2, "unfamiliar": True}]
            * picked,
            thumbnails=[Thumbnail(jpeg=JPEG, caption="1. bees? 60%")],
            known=["old.jpg"] * known,
            left_out=[("bad.jpg", "empty file")] * left_out,
            measured_on="5-fold nested cross-validation",
            trusted=trusted,
            command="headstart watch run new",
        )
    )


def test_each_level_has_its_words() -> None:
    assert "this is drift" in verdict(drift())
    assert "no drift" in verdict(drift(p=0.4))
    assert "not by much" in verdict(drift(auc=0.55))
    assert "other shares" in verdict(drift(p_within=0.6))
    assert "too few" in verdict(drift(n=4))


def test_under_drift_the_estimate_is_not_to_be_trusted() -> None:
    assert "not to be trusted" in claim(accuracy().accuracy, trusted=False)
    assert "not to be trusted" not in claim(accuracy().accuracy, trusted=True)
    assert "Label some of them and measure" in page(drift(), trusted=False)


def test_the_page_holds_everything_and_escapes_names() -> None:
    html = page(drift(p=0.4), trusted=True)
    for words in ("average confidence", "Worth a label next", "old.jpg", "empty file", "byte for byte", "20 of 60"):
        assert words in html
    assert EVIL not in html


def test_where_drift_cannot_be_told_the_estimate_says_so() -> None:
    assert "worth less than it looks" in page(drift(n=6), trusted=True)


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0 of 60 are unfamiliar: "), (1, "1 of 60 is unfamiliar: "), (2, "2 of 60 are unfamiliar: ")],
)
def test_unfamiliar_pictures_are_counted(count: int, said: str) -> None:
    html = page(replace(drift(), unfamiliar=np.arange(60) < count), trusted=True)
    assert f"{said}farther from the training pictures than 97\u202f% of these are when left out" in html
    assert "unfamiliar:" not in page(replace(drift(), unfamiliar=None), trusted=True)


@pytest.mark.parametrize(
    ("count", "queue", "known", "left_out"),
    [
        (0, "None was asked for.", "", ""),
        (
            1,
            "From this one there is most",
            "1 is byte for byte a picture it was",
            "1 could not be read and is left out.",
        ),
        (
            2,
            "From these 2 there is most",
            "2 are byte for byte pictures it was",
            "2 could not be read and are left out.",
        ),
    ],
)
def test_what_is_listed_is_counted(count: int, queue: str, known: str, left_out: str) -> None:
    html = page(drift(), trusted=True, picked=count, known=count, left_out=count)
    assert queue in html
    assert known in html
    assert left_out in html
    assert ("To be known" in html) == bool(count)


def test_one_new_picture_is_said_as_one() -> None:
    html = page(drift(n=1), trusted=True)
    assert "1 new picture" in html
    assert "1 new pictures" not in html
    assert "One is too few to say whether it looks like the training pictures; 10 are needed." in html
    assert "They are too few to say whether they look like" in page(drift(n=2), trusted=True)
