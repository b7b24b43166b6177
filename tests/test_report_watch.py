from __future__ import annotations

import numpy as np

from headstart.monitor.drift import Drift
from headstart.monitor.unlabelled import Unlabelled, estimate
from headstart.report.page import render
from headstart.report.section import Thumbnail
from headstart.report.watch import claim, verdict, watch_page
from test_report_page import EVIL, JPEG


def drift(*, p: float = 0.001, auc: float = 0.9, p_within: float | None = 0.001, n: int = 60) -> Drift:
    half = np.array([0.5, 0.5])
    return Drift(
        n=n, m=400, p=p, auc=auc, p_within=p_within, mix=half, mix_before=half, unfamiliar=np.arange(n) % 3 == 0
    )


def accuracy() -> Unlabelled:
    proba = np.random.default_rng(0).dirichlet([8, 2], 200)
    return estimate(proba[:60], proba, (np.random.default_rng(1).random(200) > proba[:, 0]).astype(np.int64))


def page(found: Drift, *, trusted: bool) -> str:
    return render(
        watch_page(
            found,
            accuracy(),
            classes=(EVIL, "bees"),
            queue=[{"path": EVIL, "answer": "bees", "probability": 0.6, "margin": 0.2, "unfamiliar": True}],
            thumbnails=[Thumbnail(jpeg=JPEG, caption="1. bees? 60%")],
            known=["old.jpg"],
            left_out=[("bad.jpg", "empty file")],
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
