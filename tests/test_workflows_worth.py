from __future__ import annotations

import json
from pathlib import Path

import pytest

from headstart.classifier import ImageClassifier
from headstart.report.page import PlainPage, render
from headstart.workflows.worth import Worth, worth
from pictures import write_folder


@pytest.fixture(scope="module")
def found(fitted: ImageClassifier) -> Worth:
    names = [f"site {number % 2}" for number in range(len(fitted.images_))]
    return worth(fitted, fitted.measure()[0], groups=names)


def test_all_questions_have_an_answer(found: Worth, fitted: ImageClassifier) -> None:
    assert found.certificate is not None
    assert found.certificate.verdict in ("helps", "does not help", "hurts")
    assert [depth.name for depth in found.certificate.depths][-1] == "final map"
    assert found.curve.n == 40
    assert found.groups is not None
    assert {one.name for one in found.groups.groups} == {"site 0", "site 1"}
    assert {"learning curve", "transfer certificate"} <= set(fitted.timings_)
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False)) == found.to_dict()


def test_the_sections_make_a_page(found: Worth) -> None:
    sections = found.sections()
    assert [section.id for section in sections] == ["more-pictures", "groups", "certificate"]
    page = render(PlainPage(title="t", lede=(), sections=sections))
    assert "Would more pictures help?" in page
    assert "Does transfer help here?" in page


def test_a_network_with_random_weights_has_no_certificate_and_few_pictures_still_a_curve(tmp_path: Path) -> None:
    photos = write_folder(tmp_path / "few", {"rings": 4, "stripes": 4})
    classifier = ImageClassifier(weights="random", sizes=[64]).fit(photos)
    found = worth(classifier, classifier.measure()[0])
    assert found.certificate is None
    assert found.groups is None
    assert found.curve.sizes == (6,)
    assert found.curve.at(16).high - found.curve.at(16).low > 0.2
    assert [section.id for section in found.sections()] == ["more-pictures"]
