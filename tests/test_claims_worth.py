from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from headstart import pipeline
from headstart.claims.worth import Worth, measure_worth
from headstart.features.table import FeatureTable
from headstart.images.grouping import read
from headstart.options import FitOptions
from headstart.pipeline import Doubts, Fitted
from headstart.probe.trials import ProbeOptions
from pictures import write_folder


def questioned(options: FitOptions, fitted: Fitted) -> Worth:
    with pipeline.workbench(options) as bench:
        table, probe = FeatureTable(fitted.images, bench), ProbeOptions(sizes=(224,))
        return measure_worth(table, fitted.choice, fitted.evaluations[0], probe)


def test_all_questions_have_an_answer(doubted: tuple[Fitted, Doubts]) -> None:
    fitted, doubts = doubted
    found = questioned(fitted.options, fitted)
    assert found.certificate is not None
    assert found.certificate.verdict in ("helps", "does not help", "hurts")
    assert [depth.name for depth in found.certificate.depths][-1] == "final map"
    assert found.curve.n == 40
    assert found.groups is None
    assert found.certificate == doubts.worth.certificate
    assert doubts.worth.groups is None


def test_groups_are_called_by_the_names_they_were_given(doubted: tuple[Fitted, Doubts]) -> None:
    fitted, _ = doubted
    sites = np.arange(len(fitted.images)) % 5
    images = replace(fitted.images, groups=sites, group_names=tuple(f"site {number}" for number in sites))
    found = questioned(fitted.options, replace(fitted, images=images))
    assert found.groups is not None
    assert {group.name for group in found.groups.groups} == {f"site {number}" for number in range(5)}


def test_a_network_with_random_weights_has_no_certificate_and_few_pictures_still_a_curve(tmp_path: Path) -> None:
    photos = write_folder(tmp_path / "few", {"rings": 4, "stripes": 4})
    options = FitOptions(weights="random", sizes=(64,))
    with pipeline.workbench(options) as bench:
        fitted = pipeline.fit(read(photos), options, bench)
    found = questioned(options, fitted)
    assert found.certificate is None
    assert found.groups is None
    assert found.curve.sizes == (6,)
    assert found.curve.at(16).high - found.curve.at(16).low > 0.2
    assert np.isfinite(found.curve.at(16).value)
