from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from command import typed
from headstart.deploy.model import Prediction
from headstart.web.body import Upload
from headstart.web.predicting import require_one
from headstart.web.refusals import Refusal
from server import Served, drawn


def test_an_answer_is_the_row_that_predict_prints(run_folder: Path, served: Served, tmp_path: Path) -> None:
    paths = [tmp_path / f"{seed}.{kind.lower()}" for seed, kind in enumerate(("JPEG", "PNG", "WEBP"))]
    for seed, path in enumerate(paths):
        path.write_bytes(drawn(seed, path.suffix[1:].upper()))
    printed = json.loads(typed("predict", run_folder, *paths, "--json", "--top", "2", "--coverage", "0.8").stdout)
    files = [("picture", (str(path), path.read_bytes())) for path in paths]
    answered = served.ask("POST", "/predict?coverage=0.8", files=files)
    assert answered.status_code == 200
    document = answered.json()
    assert [*document] == [*printed]
    for found, expected in zip(document["predictions"], printed["predictions"], strict=True):
        assert [*found] == [*expected]
        for name in ("probability", "novelty"):  # the last bits depend on how many are multiplied together
            assert found.pop(name) == pytest.approx(expected.pop(name), abs=1e-9)
        assert dict(found.pop("top")) == pytest.approx(dict(expected.pop("top")), abs=1e-9)
        assert found == expected


def test_a_single_picture_is_the_body_whatever_its_content_type(served: Served) -> None:
    model = served.service.live.current.model
    (expected,) = model.predict([drawn(1)])
    assert expected.proba is not None
    for content_type in ("image/jpeg", "application/octet-stream", "text/html", ""):
        answer = served.ask("POST", "/predict?top=1", data=drawn(1), headers={"Content-Type": content_type})
        (row,) = answer.json()["predictions"]
        assert (row["path"], len(row["top"])) == (None, 1)
        assert row["probability"] == expected.proba.max()


def test_what_cannot_be_read_has_a_reason_in_its_place(served: Served) -> None:
    sent = [("a", ("good.png", drawn(1, "PNG"))), ("b", ("<b>\n.png", drawn(1, "PNG")[:200])), ("c", ("c", b""))]
    answer = served.ask("POST", "/predict", files=sent)
    assert answer.status_code == 200
    good, cut, empty = answer.json()["predictions"]
    assert (good["reason"], good["label"]) == ("", "rings")
    assert cut["reason"].startswith("truncated or damaged: ")
    assert "\n" not in cut["path"]
    assert (cut["label"], cut["top"], empty["label"]) == (None, [], None)
    answer = served.ask("POST", "/predict", files=sent[1:])
    assert answer.status_code == 422
    problems = answer.json()["problems"]
    assert [problem["expected"] for problem in problems] == ["a picture that can be read"] * 2
    assert problems[1]["found"].startswith("c: ")
    answer = served.ask("POST", "/predict", data=b"a note")  # there is no folder to take it out of
    assert answer.json()["problems"][0]["found"] == "picture 1: text, not a picture"


@pytest.mark.parametrize(
    ("query", "found"), [("top=0", "'0'"), ("top=x", "'x'"), ("coverage=2", "'2'"), ("coverage=nan", "'nan'")]
)
def test_values_without_a_meaning_are_refused(served: Served, query: str, found: str) -> None:
    answer = served.ask("POST", f"/predict?{query}", data=drawn(1))
    assert answer.status_code == 400
    (problem,) = answer.json()["problems"]
    assert problem["expected"].startswith(f"query.{query.partition('=')[0]}: ")
    assert problem["found"] == found


def test_a_coverage_that_the_model_cannot_have_is_refused_as_on_the_command_line(served: Served) -> None:
    answer = served.ask("POST", "/predict?coverage=0.9999", data=drawn(1))
    assert answer.status_code == 400
    assert answer.json()["problems"][0]["todo"]


def test_the_classes_are_those_of_the_model(served: Served) -> None:
    current = served.service.live.current
    expected = {"classes": ["rings", "stripes"], "coverage": current.coverage, "fingerprint": current.fingerprint}
    assert served.ask("GET", "/classes").json() == expected


def test_only_where_nothing_can_be_read_a_request_is_refused() -> None:
    read, unread = Prediction(proba=np.ones(1)), Prediction(proba=None, reason="text", position=1)
    uploads = [Upload(name=None, data=b""), Upload(name=None, data=b"")]
    require_one([read, read], uploads, all_=True)
    require_one([read, unread], uploads)
    with pytest.raises(Refusal) as refusal:
        require_one([read, unread], uploads, all_=True)
    assert [problem.found for problem in refusal.value.problems] == ["picture 2: text"]
