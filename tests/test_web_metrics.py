from __future__ import annotations

import numpy as np

from headstart.deploy.model import Prediction
from headstart.web.metrics import Metrics


def test_pictures_doubts_and_the_model_are_counted() -> None:
    metrics = Metrics()
    sure = Prediction(proba=np.array([0.9, 0.1]), unsure=False, unfamiliar=True)
    unknown = Prediction(proba=np.array([0.9, 0.1]))
    metrics.answered([sure, sure, unknown, Prediction(proba=None, reason="text")])
    metrics.uses("first")
    metrics.uses("second")
    lines = metrics.text().decode().splitlines()
    assert 'headstart_pictures_total{outcome="answered"} 3.0' in lines
    assert 'headstart_pictures_total{outcome="unreadable"} 1.0' in lines
    assert 'headstart_doubts_total{kind="unfamiliar"} 2.0' in lines
    assert not any('kind="unsure"' in line for line in lines)
    assert [line for line in lines if line.startswith("headstart_model_info{")] == [
        'headstart_model_info{fingerprint="second"} 1.0'
    ]


def test_servers_of_one_process_count_for_themselves() -> None:
    one, other = Metrics(), Metrics()
    one.pictures.labels("answered").inc()
    assert b'outcome="answered"' not in other.text()
