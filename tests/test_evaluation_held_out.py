from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from headstart.errors import DataError
from headstart.evaluation.held_out import Judged, read_judged, write_judged

CLASSES = ("ants", "bees", "flies")


def test_judged_answers_come_back_as_they_were(tmp_path: Path) -> None:
    judged = Judged(
        classes=CLASSES,
        names=("a, b.jpg", "c.jpg"),
        digests=("00ff", "11ee"),
        labels=("bees", "ants"),
        proba=np.array([[0.2, 0.7, 0.1], [1 / 3, 1 / 3 + 1e-12, 1 / 3 - 1e-12]]),
    )
    assert judged.correct.tolist() == [True, False]
    write_judged(tmp_path / "predictions.csv", judged)
    again = read_judged(tmp_path / "predictions.csv")
    np.testing.assert_array_equal(again.proba, judged.proba)
    assert (again.classes, again.names, again.digests, again.labels) == (
        judged.classes, judged.names, judged.digests, judged.labels,
    )  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == ["predictions.csv"]


@pytest.mark.parametrize("content", ["", "path,label,probability\na,b,0.5\n", "path,label,predicted,sha256,x\n"])
def test_another_table_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "predictions.csv").write_text(content)
    with pytest.raises(DataError, match="expected: a table of path, label, predicted, sha256"):
        read_judged(tmp_path / "predictions.csv")
    with pytest.raises(DataError, match="earlier versions did not keep the answers"):
        read_judged(tmp_path / "nowhere.csv")
