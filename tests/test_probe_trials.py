from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from headstart.backbones import catalog
from headstart.images.folder import scan
from headstart.options import FitOptions
from headstart.probe.path import lower
from headstart.probe.trials import ProbeOptions, Sample, Trials
from headstart.store import FeatureStore
from pictures import write_folder
from tiny import tiny_table


def test_candidates_are_measured_out_of_fold_in_the_same_folds(tmp_path: Path) -> None:
    images = scan(write_folder(tmp_path / "photos", {"rings": 12, "stripes": 12}, side=40))
    options, index = ProbeOptions(sizes=(32,)), np.arange(len(images))
    with FeatureStore(tmp_path / "cache") as store:
        table = tiny_table(images, store)
        sample = Sample.of(table, index, options)
        trials = Trials(table, sample, options)
        trails = [trials.trail(candidate) for candidate in trials.cheap()]
        scores = [trail.overall for trail in trails]
        assert [score.candidate.family for score in scores] == ["nearest mean", "shrunk LDA", "logistic regression"]
        for score in scores:
            assert score.proba.shape == (24, 2)
            assert score.log_loss == score.losses.mean()
            assert score.to_dict()["n"] == 24
            assert not lower(score.losses, score.losses, sample.groups)
        keep = np.stack([np.ones(24, bool), np.arange(24) % 2 == 0])
        for trail, score in zip(trails, scores, strict=True):
            everybody, half_of_them = trail.chosen_by(keep)
            assert trail.strengths[everybody.at] == score.strength
            assert everybody.temperature == pytest.approx(score.temperature, rel=1e-5)
            np.testing.assert_allclose(everybody.losses, score.losses, rtol=1e-5)
            answers = [everybody.answers(number, np.arange(24)) for number in range(5)]
            np.testing.assert_allclose(np.mean(answers, axis=0), score.proba, rtol=1e-5)
            alone = replace(trail, logits=trail.logits[:, :, keep[1]], sample=sample.part(keep[1]))
            (the_same,) = alone.chosen_by(np.ones((1, 12), bool))
            assert half_of_them.temperature == pytest.approx(the_same.temperature, rel=1e-5)
            np.testing.assert_allclose(half_of_them.losses[keep[1]], the_same.losses, rtol=1e-5)
    half = sample.part(np.arange(24) < 12)
    assert len(half.index) == 12
    assert [len(splits) for splits in half.rounds] == [10] * 5
    assert all(len(test) + len(train) == 12 for splits in half.rounds for train, test in splits)


def test_sizes_are_the_backbones_own_unless_named() -> None:
    backbone = catalog.get("efficientnet_lite0")
    assert ProbeOptions.of(FitOptions(), backbone).sizes == backbone.sizes
    options = ProbeOptions.of(FitOptions(sizes=(64,), random_state=3, class_weight="balanced"), backbone)
    assert (options.sizes, options.seed, options.balanced) == ((64,), 3, True)
