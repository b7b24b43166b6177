from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from headstart.deploy.model import Prediction
from headstart.deploy.predictions import row
from headstart.report.predictions import line, summary
from headstart.workflows.predict import Tally
from test_deploy_predictions import BAD, CLASSES, DOUBTFUL, GOOD


def test_a_line_says_what_is_doubtful() -> None:
    assert line(row(GOOD, CLASSES, top=2)) == "a, b.jpg\tbees 70.0%, ants 20.0%"
    assert line(row(BAD, CLASSES)) == "bad.jpg\tnot read: empty file"
    assert line(row(DOUBTFUL, CLASSES)) == "c.jpg\tbees 50.0%\tanswer: ask, please\tunsure {bees, ants}"
    strange = Prediction(path=Path("d.jpg"), proba=np.array([0.9, 0.1, 0]), unfamiliar=True, prediction_set=("ants",))
    assert line(row(strange, CLASSES)) == "d.jpg\tants 90.0%\tunfamiliar"


def test_a_picture_that_was_no_file_has_a_dash_for_its_path() -> None:
    answer = Prediction(position=2, proba=np.array([0.2, 0.7, 0.1]))
    assert line(row(answer, CLASSES)) == "-\tbees 70.0%"


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([], "0 pictures labelled"),
        ([BAD], "0 pictures labelled, 1 could not be read"),
        ([GOOD], "1 picture labelled"),
        ([GOOD, DOUBTFUL, BAD], "2 pictures labelled, 1 of them unsure, 1 could not be read"),
        ([DOUBTFUL, DOUBTFUL, BAD, BAD], "2 pictures labelled, 2 of them unsure, 2 could not be read"),
    ],
)
def test_the_summary_counts_what_is_doubtful_and_what_could_not_be_read(answers: list[Prediction], said: str) -> None:
    assert summary(**vars(Tally.of(row(one, CLASSES) for one in answers))) == said
