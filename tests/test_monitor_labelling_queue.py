from __future__ import annotations

import numpy as np

from headstart.monitor.labelling_queue import labelling_queue, margins


def test_the_unsure_come_first_and_no_two_alike() -> None:
    rng = np.random.default_rng(0)
    rows = np.repeat(np.eye(6, 20), 10, axis=0) + rng.normal(0, 0.01, (60, 20))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    sure = np.full(60, 0.999)
    sure[:40] = 0.55  # the first four kinds are hard
    proba = np.stack([sure, 1 - sure], axis=1)
    first = labelling_queue(proba, rows, 4)
    assert sorted(first // 10) == [0, 1, 2, 3]


def test_every_picture_once_and_no_more_than_there_are() -> None:
    proba = np.full((5, 3), 1 / 3)
    rows = np.tile(np.eye(1, 4, dtype=np.float32), (5, 1))
    assert sorted(labelling_queue(proba, rows, 9)) == [0, 1, 2, 3, 4]
    assert len(labelling_queue(proba, rows, 0)) == 0


def test_the_margin_is_that_of_the_two_highest() -> None:
    np.testing.assert_allclose(margins(np.array([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]])), [0.2, 0.7])
