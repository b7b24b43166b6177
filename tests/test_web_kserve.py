from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest

from headstart.images.decode import decode
from server import Served, drawn


def asked(*files: bytes, **changed: Any) -> dict[str, Any]:
    data = [base64.b64encode(file).decode() for file in files]
    return {
        "id": "7",
        "inputs": [{"name": "image", "shape": [len(files)], "datatype": "BYTES", "data": data, **changed}],
    }


def infer(served: Served, document: Any) -> Any:
    return served.ask("POST", "/v2/models/photos/infer", json=document)


def test_tensors_hold_what_predict_answers(served: Served) -> None:
    files = [drawn(1, "PNG"), drawn(2, "PNG")]
    rows = served.ask("POST", "/predict?top=2", files=[("a", file) for file in files]).json()["predictions"]
    pixels = np.stack([decode(file) for file in files])
    as_pixels = asked(*files, datatype="UINT8", shape=pixels.shape, data=pixels.ravel().tolist())
    for document in (asked(*files), as_pixels):
        answer = infer(served, document).json()
        assert (answer["model_name"], answer["id"]) == ("photos", "7")
        outputs = {output["name"]: output for output in answer["outputs"]}
        assert outputs["label"]["data"] == [row["label"] for row in rows]
        assert outputs["probabilities"]["shape"] == [2, 2]
        proba = np.reshape(outputs["probabilities"]["data"], (2, 2))
        np.testing.assert_allclose(proba, [[dict(row["top"])[c] for c in ("rings", "stripes")] for row in rows])
        for name in ("novelty", "unsure", "unfamiliar"):
            assert outputs[name]["data"] == pytest.approx([row[name] for row in rows])


def test_the_model_is_described_under_its_name(served: Served) -> None:
    described = served.ask("GET", "/v2/models/photos").json()
    assert described["parameters"] == {"classes": ["rings", "stripes"]}
    assert [output["name"] for output in described["outputs"]][:2] == ["label", "probabilities"]
    assert served.ask("GET", "/v2/models/photos/ready").json() == {"name": "photos", "ready": True}
    assert served.ask("GET", "/v2").json()["name"] == "headstart"
    for method, path in (("GET", ""), ("GET", "/ready"), ("POST", "/infer")):
        assert served.ask(method, f"/v2/models/other{path}").status_code == 404


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"inputs": []},
        {"inputs": [1]},
        asked(),
        asked(b"x", name="other"),
        asked(b"x", shape=[2]),
        asked(b"x", shape=[-1]),
        asked(b"x", shape="a"),
        asked(b"x", data=[3]),
        asked(b"x", data=["not base64"]),
        asked(b"x", datatype="FP32"),
        asked(b"x", datatype="UINT8", shape=[1, 2, 2, 3], data=[256] * 12),
        asked(b"x", datatype="UINT8", shape=[1, 2, 2, 3], data=[0] * 11),
    ],
)
def test_what_is_no_request_of_the_protocol_is_refused(served: Served, document: Any) -> None:
    answer = infer(served, document)
    assert answer.status_code == 400
    assert answer.json()["problems"][0]["expected"].startswith('one input {"name": "image"')


def test_text_without_an_end_is_refused(served: Served) -> None:
    for body in (b"[" * 100_000, b"{", b"\xff"):
        assert served.ask("POST", "/v2/models/photos/infer", data=body).status_code == 400


def test_tensors_have_no_place_for_a_reason(served: Served) -> None:
    answer = infer(served, asked(drawn(1), b"no picture"))
    assert answer.status_code == 422
    assert answer.json()["problems"][0]["found"].startswith("picture 2: ")
    assert infer(served, asked(*[b"x"] * 65)).status_code == 413
