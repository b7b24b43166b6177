from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from headstart import pipeline
from headstart.images.grouping import read
from headstart.options import FitOptions
from headstart.pipeline import Doubts, Fitted
from pictures import write_folder


def test_held_out_splits_are_measured_the_test_split_first(tmp_path: Path) -> None:
    for split, first in (("train", 0), ("val", 100), ("test", 200)):
        write_folder(tmp_path / split, {"rings": 10, "stripes": 10}, first_seed=first)
    options = FitOptions(sizes=(224,), finetune="never")
    with pipeline.workbench(options) as bench:
        fitted = pipeline.fit(read(tmp_path), options, bench)
    test, val = fitted.evaluations
    assert (test.evaluation.measured_on.split, val.evaluation.measured_on.split) == ("test", "val")
    paths = [fitted.images.paths[i] for i in test.index]
    predictions = fitted.model.predict(paths)
    np.testing.assert_allclose(test.proba, [p.proba for p in predictions], atol=1e-6)
    assert test.abstention.unfamiliar is not None
    assert test.evaluation.majority_baseline.value == 0.5


def test_without_splits_the_figure_is_out_of_fold(doubted: tuple[Fitted, Doubts]) -> None:
    (measured,) = doubted[0].evaluations
    assert measured.evaluation.measured_on.folds == 10
    assert measured.evaluation.accuracy.value == pytest.approx(
        np.mean(measured.proba.argmax(axis=1) == doubted[0].images.y[measured.index]), abs=0.05
    )
    assert measured.abstention.covered is None
