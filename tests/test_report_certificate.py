from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from headstart.claims.certificate import Certificate, Depth, Difference, Rival, RivalKind, Verdict
from headstart.claims.colour_baseline import Transfer
from headstart.evaluation.intervals import Estimate
from headstart.report.certificate import (
    certificate_document,
    certificate_figure,
    certificate_section,
    certificate_sentences,
    transfer_sentence,
)
from headstart.report.page import PlainPage, render
from headstart.report.section import percent
from test_claims_certificate import draw


def test_the_verdict_comes_first_and_the_method_last() -> None:
    certificate = draw(pretrained=1.0, untrained=0.2, colour=0.3)
    section = certificate_section(certificate)
    assert section.sentences == certificate_sentences(certificate)
    assert section.sentences[0].startswith("Pretraining helps here")
    assert section.table is not None
    assert [row[0] for row in section.table.rows] == ["early", "late"]
    assert section.table.marked == (1,)
    assert "5-fold cross-validation on 200 pictures" in section.method
    fewer = certificate_section(draw(150, pretrained=1.0, untrained=0.2, colour=0.3))
    assert "5-fold cross-validation, 2 times on 150 pictures" in fewer.method
    page = render(PlainPage(title="t", lede=(), sections=(section,)))
    assert page.index("Pretraining helps here") < page.index("ridge regression")


def test_the_figure_shows_every_rival_with_the_best_next_to_the_pretrained() -> None:
    certificate = draw(pretrained=1.0, untrained=0.2, colour=0.5)
    figure = certificate_figure(certificate)
    names = re.findall(r">(pretrained|colours alone|random weights|the most frequent class)<", figure)
    assert names[:2] == ["pretrained", "colours alone"]
    assert len(names) == 4
    assert percent(certificate.chosen.value) in figure
    assert figure == certificate_figure(certificate)


def estimate(value: float) -> Estimate:
    return Estimate(value, value - 0.05, value + 0.05, 200, "")


def compared(kind: RivalKind, verdict: Verdict, gap: tuple[float, float, float, float]) -> Certificate:
    """A certificate in which one rival is the best, by this value, low, high and p; the others are far behind."""
    value, low, high, p = gap
    own, far = estimate(0.9), Difference(value=0.4, low=0.3, high=0.5, p=0.001)
    best = Rival(kind=kind, accuracy=estimate(0.9 - value), difference=Difference(value=value, low=low, high=high, p=p))
    kinds: tuple[RivalKind, ...] = ("majority", "colour", "random")
    rivals = tuple(
        best if other == kind else Rival(kind=other, accuracy=estimate(0.5), difference=far) for other in kinds
    )
    return Certificate(
        verdict=verdict, n=200, chosen=own, size=224, output="last", rivals=rivals, depths=(), folds=5, repeats=2
    )


@pytest.mark.parametrize(
    ("kind", "verdict", "gap", "said"),
    [
        (
            "colour", "helps", (0.1, 0.04, 0.16, 0.001),
            "Pretraining helps here: 10.0 points (95 % interval 4.0 to 16.0) more accurate than the colours of the "
            "pictures alone, the best of three rivals.",
        ),
        (
            "random", "helps", (0.02, -0.001, 0.041, 0.04),  # the interval and the exact test differ a little
            "Pretraining helps here: 2.0 points (95 % interval -0.1 to 4.1) more accurate than the same network with "
            "random weights, the best of three rivals.",
        ),
        (
            "random", "hurts", (-0.1, -0.16, -0.04, 0.001),
            "Pretraining hurts here: the same network with random weights is 10.0 points (95 % interval 4.0 to 16.0) "
            "more accurate. Train the whole network, or begin with another one.",
        ),
        (
            "colour", "does not help", (-0.02, -0.03, -0.01, 0.001),
            "Pretraining does not help here: the colours of the pictures alone give an accuracy higher by 2.0 points "
            "(95 % interval 1.0 to 3.0). No network is needed for these labels.",
        ),
        (
            "majority", "does not help", (-0.02, -0.03, -0.01, 0.001),
            "Pretraining does not help here: always answering the most frequent class gives an accuracy higher by 2.0 "
            "points (95 % interval 1.0 to 3.0). No network is needed for these labels.",
        ),
        (
            "majority", "does not help", (0.0, -0.03, 0.03, 1.0),
            "Pretraining does not help here, as far as 200 pictures can show: it cannot be told from the most frequent "
            "class.",
        ),
    ],
)  # fmt: skip
def test_the_verdict_in_words(
    kind: RivalKind, verdict: Verdict, gap: tuple[float, float, float, float], said: str
) -> None:
    assert certificate_sentences(compared(kind, verdict, gap))[0] == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.0, "+0.0 points"),
        (-0.0004, "+0.0 points"),
        (0.01, "+1.0 points"),
        (0.02, "+2.0 points"),
        (-0.01, "-1.0 points"),
    ],
)
def test_a_difference_that_may_be_none_keeps_its_sign(value: float, said: str) -> None:
    sentences = certificate_sentences(compared("colour", "does not help", (value, value - 0.03, value + 0.03, 0.6)))
    assert sentences[1].startswith(f"Against the colours of the pictures alone the difference is {said} (95 % interval")


def test_where_random_weights_do_better_that_is_said() -> None:
    sentences = certificate_sentences(compared("random", "does not help", (-0.05, -0.08, -0.02, 0.02)))
    assert sentences == (
        "Pretraining does not help here: the same network with random weights gives an accuracy higher by 5.0 points "
        "(95 % interval 2.0 to 8.0).",
        "Even random weights do better: what was learned on other pictures throws away what counts here.",
    )


def test_depths_are_compared_in_words() -> None:
    gap = Difference(value=0.1, low=0.0, high=0.2, p=0.01)
    early, late = (
        Depth(name=name, pretrained=estimate(value), untrained=estimate(0.5), difference=gap)
        for name, value in (("early", 0.7), ("late", 0.9))
    )
    helps = compared("colour", "helps", (0.1, 0.04, 0.16, 0.001))
    assert certificate_sentences(replace(helps, depths=(early, late)))[1] == (
        "The deeper the better: the last depth, late, knows most (90.0%)."
    )
    assert certificate_sentences(replace(helps, depths=(replace(late, name="mid"), early)))[1] == (
        "Of single depths, mid knows most (90.0%); the last, early, 70.0%."
    )
    assert len(certificate_sentences(replace(helps, depths=(late,)))) == 1


def test_the_document_holds_the_words_and_the_numbers() -> None:
    document = certificate_document(draw(n=60, pretrained=0.8))
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["pretrained"]["features"] == "last layer at 224 pixels"
    assert [rival["name"] for rival in document["rivals"]] == [
        "the most frequent class", "colours alone", "random weights",
    ]  # fmt: skip
    assert document["sentences"]
    assert {"verdict", "n", "folds", "repeats", "depths"} <= set(document)


def transferred(**changed: object) -> Transfer:
    numbers: dict[str, object] = {"accuracy": 0.9, "colours": 0.6, "majority": 0.5, "p": 0.001, "n": 2000}
    return Transfer(verdict="helps", **(numbers | changed))  # type: ignore[arg-type]


def test_the_verdict_on_a_recipe_in_words() -> None:
    assert transfer_sentence(transferred()) == (
        "The pretrained network helps here. It is right on 90.0% of 2,000 pictures, colours alone on 60.0%, the most "
        "frequent class on 50.0%; paired test against the better: p = 0.001."
    )
    hurts = replace(transferred(), verdict="hurts")
    assert transfer_sentence(hurts).startswith("Negative transfer: the pretrained network does worse")
    unclear = replace(transferred(n=1), verdict="no sign that it helps")
    assert transfer_sentence(unclear).startswith(
        "There is no sign that the pretrained network helps here: possibly negative transfer. It is right on 90.0% of "
        "1 picture,"
    )
