from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from headstart.workflows.serve import ServeOptions
from server import Served, drawn, in_thread


def test_under_load_every_answer_is_that_of_its_own_picture(served: Served) -> None:
    files = [drawn(seed, side=120 + seed) for seed in range(24)]
    expected = served.service.live.current.model.predict(files)
    with ThreadPoolExecutor(12) as clients:
        answers = list(clients.map(lambda file: served.ask("POST", "/predict?top=2", data=file), files * 2))
    assert {answer.status_code for answer in answers} == {200}
    for answer, wanted in zip(answers, expected * 2, strict=True):
        assert wanted.proba is not None
        (row,) = answer.json()["predictions"]
        proba = dict(row["top"])
        np.testing.assert_allclose([proba["rings"], proba["stripes"]], wanted.proba, atol=1e-3)
    assert served.service.admission.pictures == served.service.admission.bytes == 0


def test_for_more_than_it_takes_on_it_has_no_room_and_answers_what_it_took(run_folder: Path) -> None:
    with in_thread(run_folder, ServeOptions(workers=1, drain_seconds=0, most_waiting=3)) as served:
        with ThreadPoolExecutor(16) as clients:
            answers = list(clients.map(lambda seed: served.ask("POST", "/predict", data=drawn(seed)), range(32)))
        statuses = [answer.status_code for answer in answers]
        assert {*statuses} == {200, 503}
        refused = answers[statuses.index(503)]
        assert refused.headers["retry-after"] == "1"
        assert refused.json()["problems"][0]["expected"] == "at most 3 pictures under way"
        many = served.ask("POST", "/predict", files=[("a", drawn(1))] * 4)
        assert many.status_code == 503
        assert served.ask("POST", "/predict", data=drawn(1)).status_code == 200
